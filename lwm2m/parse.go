package lwm2m

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ParseValue reads a value of a type as people write it, not as a format has it: text in
// UTF-8, numbers in decimal digits, true, false, 1 or 0, a time in RFC 3339 or as seconds
// since 1970, an opaque value as hex:0a1b or base64:Chs=, an object link as 3303:0. ok is
// false for what is no value of the type.
func ParseValue(kind Kind, text string) (v Value, ok bool) {
	switch kind {
	case KindString:
		return String(text), utf8.ValidString(text)
	case KindCoreLink:
		return CoreLink(text), utf8.ValidString(text)
	case KindBoolean:
		return Boolean(text == "true" || text == "1"), text == "true" || text == "false" || text == "1" || text == "0"
	case KindOpaque:
		return parseOpaque(text)
	case KindTime:
		return parseTime(text)
	case KindObjectLink:
		return parseLink(text)
	}
	return parseNumber(kind, text)
}

func parseNumber(kind Kind, text string) (Value, bool) {
	switch kind {
	case KindInteger:
		n, err := strconv.ParseInt(text, 10, 64)
		return Integer(n), err == nil
	case KindUnsigned:
		n, err := strconv.ParseUint(text, 10, 64)
		return Unsigned(n), err == nil
	case KindFloat:
		f, ok := parseDecimal(text)
		return Float(f), ok
	}
	return Value{}, false
}

// parseDecimal reads a number in decimal digits, and nothing else that Go takes for one.
func parseDecimal(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && strings.Trim(text, "+-.eE0123456789") == ""
}

func parseOpaque(text string) (Value, bool) {
	name, rest, _ := strings.Cut(text, ":")
	var data []byte
	var err error
	switch name {
	case "hex":
		data, err = hex.DecodeString(rest)
	case "base64":
		data, err = base64.StdEncoding.DecodeString(rest)
	default:
		return Value{}, false
	}
	return Opaque(data), err == nil
}

func parseTime(text string) (Value, bool) {
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Time(time.Unix(seconds, 0)), true
	}
	at, err := time.Parse(time.RFC3339, text)
	return Time(at), err == nil
}

func parseLink(text string) (Value, bool) {
	object, instance, found := strings.Cut(text, ":")
	o, err := strconv.ParseUint(object, 10, 16)
	i, errInstance := strconv.ParseUint(instance, 10, 16)
	return ObjectLink(uint16(o), uint16(i)), found && err == nil && errInstance == nil
}
