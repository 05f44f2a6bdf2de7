package lwm2m

import (
	"fmt"
	"strconv"
	"strings"
)

// PathReason says what is wrong with a path.
type PathReason string

// The reasons of a [PathError].
const (
	PathNotAbsolute  PathReason = "does not start with a slash"
	PathTooLong      PathReason = "has more than four segments"
	PathEmptySegment PathReason = "has an empty segment"
	PathNotNumeric   PathReason = "has a segment that is not a plain decimal number"
	PathIDOutOfRange PathReason = "has an identifier above 65534"
)

// maxQuoted bounds how much of a peer's text an error repeats.
const maxQuoted = 64

// PathError is the error of [ParsePath] and [PathFromSegments].
type PathError struct {
	Path   string // as received
	Reason PathReason
}

// Error implements error; it quotes at most 64 bytes of the path.
func (e *PathError) Error() string {
	p := e.Path
	if len(p) > maxQuoted {
		p = p[:maxQuoted] + "..."
	}
	return fmt.Sprintf("lwm2m: path %s %s", strconv.QuoteToASCII(p), string(e.Reason))
}

// Reason classifies why a payload could not be decoded or encoded.
type Reason string

// The reasons of a [DecodeError] and an [EncodeError].
const (
	ReasonLimit     Reason = "limit exceeded"             // more bytes, entries or levels than allowed
	ReasonTruncated Reason = "truncated"                  // a length reaches beyond the input
	ReasonSyntax    Reason = "malformed"                  // not the format at all, trailing bytes
	ReasonStructure Reason = "wrong structure"            // well formed, but not at this place
	ReasonDuplicate Reason = "duplicate"                  // the same ID, key or path twice
	ReasonPath      Reason = "bad path"                   // not numeric, reserved, or outside the target
	ReasonValue     Reason = "bad value"                  // wrong type, length or range for the resource
	ReasonUnknown   Reason = "field must be understood"   // a field that may not be ignored
	ReasonMismatch  Reason = "target not representable"   // the format cannot carry this path or value
	ReasonVersion   Reason = "format version unsupported" // SenML bver above 10
)

// DecodeError is what every payload decoder returns. It never repeats payload
// content: a payload may hold keys.
type DecodeError struct {
	Format string // such as "tlv", "senml+cbor", "link-format"
	Offset int    // byte offset, or the record's index in SenML; -1 when unknown
	Path   Path   // the node concerned, as far as it was known
	Reason Reason
	Detail string // fixed text for a person
}

// Error implements error.
func (e *DecodeError) Error() string {
	at := ""
	if e.Offset >= 0 {
		at = " at " + strconv.Itoa(e.Offset)
	}
	return fmt.Sprintf("lwm2m: %s%s, path %s: %s: %s", e.Format, at, e.Path, string(e.Reason), e.Detail)
}

// EncodeError is what the payload encoders return: the caller asked for
// something that the format cannot carry.
type EncodeError struct {
	Format string
	Path   Path
	Reason Reason
	Detail string
}

// Error implements error.
func (e *EncodeError) Error() string {
	return fmt.Sprintf("lwm2m: encode %s, path %s: %s: %s", e.Format, e.Path, string(e.Reason), e.Detail)
}

// ConvertError says that a value has no exact counterpart of another kind.
type ConvertError struct {
	From, To Kind
}

// Error implements error.
func (e *ConvertError) Error() string {
	return fmt.Sprintf("lwm2m: this %s is not a valid %s", e.From, e.To)
}

// RangeError says that a value lies outside the range of its definition, or is
// not of its kind.
type RangeError struct {
	Resource uint16
	Name     string
	Kind     Kind // expected
	Got      Kind
	Range    Range
	Details  *Details // has further ranges; may be nil
}

// Error implements error; it never shows the value.
func (e *RangeError) Error() string {
	if e.Kind != e.Got {
		return fmt.Sprintf("lwm2m: resource %d (%s) is %s, got %s", e.Resource, e.Name, e.Kind, e.Got)
	}
	return fmt.Sprintf("lwm2m: resource %d (%s) is outside %s", e.Resource, e.Name, strings.Join(e.ranges(), ", "))
}

// ranges are those that the value should have been in, as texts.
func (e *RangeError) ranges() (texts []string) {
	if e.Range != (Range{}) || e.Details == nil {
		texts = append(texts, e.Range.String())
	}
	if e.Details == nil {
		return texts
	}
	for _, r := range e.Details.Ranges {
		texts = append(texts, r.String())
	}
	for _, r := range e.Details.Floats {
		texts = append(texts, r.String())
	}
	return texts
}

// String is "0..100", or "7" where it holds one number only.
func (r Range) String() string {
	if r.Min == r.Max {
		return strconv.FormatInt(r.Min, 10)
	}
	return fmt.Sprintf("%d..%d", r.Min, r.Max)
}

// String is "0.5..1", or "7" where it holds one number only.
func (r FloatRange) String() string {
	if r.Min == r.Max {
		return fmt.Sprint(r.Min)
	}
	return fmt.Sprintf("%v..%v", r.Min, r.Max)
}
