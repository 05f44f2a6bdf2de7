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
)
