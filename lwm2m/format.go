package lwm2m

// Format is a CoAP Content-Format number (RFC 7252 section 12.3).
type Format uint16

// The content formats that LwM2M uses (section 7.4).
const (
	FormatText       Format = 0
	FormatLinkFormat Format = 40
	FormatOpaque     Format = 42
	FormatCBOR       Format = 60
	FormatSenMLJSON  Format = 110
	FormatSenMLCBOR  Format = 112
	FormatTLV        Format = 11542
	FormatJSON       Format = 11543
	FormatLwM2MCBOR  Format = 11544
	// The SenML of RFC 8790, which requests of FETCH and iPATCH may have in place of
	// 110 and 112. Their answers have those.
	FormatSenMLEtchJSON Format = 320
	FormatSenMLEtchCBOR Format = 322
)

// earlier are the numbers that servers used before there were registered ones: those
// of the drafts of LwM2M 1.0, which some still send, and the TLV of another vendor's
// clients.
var earlier = map[Format]Format{
	1541: FormatText,
	1542: FormatTLV,
	1543: FormatJSON,
	1544: FormatOpaque,
	99:   FormatTLV,
}

// Standard returns the registered number of a format that has an earlier one, else the
// number itself. Whoever asks in an earlier number is answered in it.
func (f Format) Standard() Format {
	if registered, old := earlier[f]; old {
		return registered
	}
	return f
}
