package bootstrap

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// parseText reads a value in text/plain (LwM2M Core section 7.4 and Appendix
// C); false for what is no value of the kind. The Security and Server objects
// have no floats.
func parseText(kind lwm2m.Kind, data []byte) (lwm2m.Value, bool) {
	text := string(data)
	switch kind {
	case lwm2m.KindString:
		return lwm2m.String(text), utf8.ValidString(text)
	case lwm2m.KindCoreLink:
		return lwm2m.CoreLink(text), utf8.ValidString(text)
	case lwm2m.KindInteger:
		n, err := strconv.ParseInt(text, 10, 64)
		return lwm2m.Integer(n), err == nil
	case lwm2m.KindTime:
		n, err := strconv.ParseInt(text, 10, 64)
		return lwm2m.Time(time.Unix(n, 0)), err == nil
	case lwm2m.KindUnsigned:
		n, err := strconv.ParseUint(text, 10, 64)
		return lwm2m.Unsigned(n), err == nil
	case lwm2m.KindBoolean:
		return lwm2m.Boolean(text == "1"), text == "0" || text == "1"
	case lwm2m.KindOpaque:
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		return lwm2m.Opaque(b), err == nil
	case lwm2m.KindObjectLink:
		return parseLink(text)
	}
	return lwm2m.Value{}, false
}

// parseLink reads "object:instance".
func parseLink(text string) (lwm2m.Value, bool) {
	left, right, found := strings.Cut(text, ":")
	obj, errObj := strconv.ParseUint(left, 10, 16)
	inst, errInst := strconv.ParseUint(right, 10, 16)
	return lwm2m.ObjectLink(uint16(obj), uint16(inst)), found && errObj == nil && errInst == nil
}
