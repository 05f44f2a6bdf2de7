package management

import (
	"encoding/base64"
	"strconv"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/senml"
	"github.com/holdfast-iot/holdfast/lwm2m/tlv"
	"github.com/holdfast-iot/holdfast/messages"
)

// get is Read (section 6.3.1), or Discover (6.3.2) when links are asked for.
func (s session) get(path lwm2m.Path, accept *messages.Format) answer {
	if accept != nil && *accept == messages.FormatLinkFormat {
		return s.discover(path)
	}
	payload, found := s.view.Payload(path)
	if !found { // an executable resource
		return *notAllowed
	}
	// Every server reads TLV, whatever its version; link and version of the
	// asker are not known here.
	format := messages.FormatTLV
	if accept != nil {
		format = *accept
	}
	return s.encode(path, payload, format)
}

func (s session) encode(path lwm2m.Path, p lwm2m.Payload, format messages.Format) answer {
	var data []byte
	var err error
	switch format {
	case messages.FormatTLV:
		data, err = tlv.Encode(path, p)
	case messages.FormatSenMLCBOR:
		data, err = senml.EncodeCBOR(path, p)
	case messages.FormatSenMLJSON:
		data, err = senml.EncodeJSON(path, p)
	case messages.FormatText, messages.FormatOpaque:
		return s.encodeSingle(path, format)
	default:
		return *notAcceptable
	}
	if err != nil {
		return *refuse(messages.InternalServerError, err.Error())
	}
	return content(format, data)
}

var notAcceptable = refuse(messages.NotAcceptable, "the target cannot be had in this format")

// encodeSingle makes the formats that carry one value and nothing else.
func (s session) encodeSingle(path lwm2m.Path, format messages.Format) answer {
	v, single := s.view.Value(path)
	switch {
	case !single:
		return *notAcceptable
	case format == messages.FormatText:
		return content(format, []byte(plainText(v)))
	case v.Kind() == lwm2m.KindOpaque:
		return content(format, v.Bytes())
	}
	return *notAcceptable
}

// plainText is a value in text/plain (section 7.4 and Appendix C).
func plainText(v lwm2m.Value) string {
	switch v.Kind() {
	case lwm2m.KindTime:
		return strconv.FormatInt(v.Int(), 10)
	case lwm2m.KindBoolean:
		if v.Bool() {
			return "1"
		}
		return "0"
	case lwm2m.KindFloat:
		return strconv.FormatFloat(v.Float64(), 'f', -1, 64)
	case lwm2m.KindOpaque:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	}
	return v.String() // the other kinds print as they are written
}
