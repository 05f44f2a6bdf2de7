package senml

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// scanner reads JSON texts (RFC 8259) strictly: encoding/json lets duplicate
// members pass and replaces invalid UTF-8 and lone surrogates. Every value is
// checked, also one that is ignored; its depth and the members of an object are
// bounded, so that the work is linear in the input.
type scanner struct {
	data  []byte
	at    int
	depth int
}

// composite stands for an array or object in a field where LwM2M has none.
type composite struct{}

// newScanner returns a scanner at the first token.
func newScanner(data []byte) (*scanner, fault) {
	if !utf8.Valid(data) {
		return nil, fault{lwm2m.ReasonSyntax, "not UTF-8"}
	}
	s := &scanner{data: data}
	s.space()
	return s, noFault
}

// peek returns the present byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at == len(s.data) {
		return 0
	}
	return s.data[s.at]
}

// space skips insignificant white space (RFC 8259 section 2).
func (s *scanner) space() {
	for s.at < len(s.data) && strings.IndexByte(" \t\r\n", s.data[s.at]) >= 0 {
		s.at++
	}
}

// take skips the byte, which must be the present one, and white space behind it.
func (s *scanner) take(b byte) bool {
	if s.at == len(s.data) || s.data[s.at] != b {
		return false
	}
	s.at++
	s.space()
	return true
}

// malformed is the fault of whatever cannot stand here.
func (s *scanner) malformed() fault {
	if s.at == len(s.data) {
		return fault{lwm2m.ReasonTruncated, "ends early"}
	}
	return fault{lwm2m.ReasonSyntax, "malformed JSON"}
}

// unlike is the fault of a text that is well formed so far but of another shape.
func (s *scanner) unlike(detail string) fault {
	if _, f := s.value(); f != noFault {
		return f
	}
	return fault{lwm2m.ReasonStructure, detail}
}

// end demands that nothing follows.
func (s *scanner) end() fault {
	if s.at < len(s.data) {
		return fault{lwm2m.ReasonSyntax, "something follows the array"}
	}
	return noFault
}

// value reads one value: a string, bool, nil, a number as numberOf returns it,
// or a composite.
func (s *scanner) value() (any, fault) {
	switch b := s.peek(); {
	case b == '"':
		return s.text()
	case b == '{':
		return composite{}, s.object(func(string, any) fault { return noFault })
	case b == '[':
		return composite{}, s.list('[', ']', s.skip)
	case b == '-' || isDigit(b):
		return s.number()
	}
	return s.literal()
}

func (s *scanner) skip() fault {
	_, f := s.value()
	return f
}

func (s *scanner) literal() (any, fault) {
	for _, l := range [...]struct {
		text  string
		value any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if bytes.HasPrefix(s.data[s.at:], []byte(l.text)) {
			s.at += len(l.text)
			s.space()
			return l.value, noFault
		}
	}
	return nil, s.malformed()
}

// list reads the items between two brackets.
func (s *scanner) list(opening, closing byte, item func() fault) fault {
	if s.depth == maxNesting {
		return fault{lwm2m.ReasonLimit, "too many levels"}
	}
	s.depth++
	s.take(opening)
	if !s.take(closing) {
		for {
			if f := item(); f != noFault {
				return f
			}
			if s.take(closing) {
				break
			}
			if !s.take(',') {
				return s.malformed()
			}
		}
	}
	s.depth--
	return noFault
}

// object reads the members of an object and hands them over one by one.
func (s *scanner) object(member func(label string, content any) fault) fault {
	var labels []string
	return s.list('{', '}', func() fault {
		if len(labels) == maxPairs {
			return fault{lwm2m.ReasonLimit, "too many members"}
		}
		if s.peek() != '"' {
			return s.malformed()
		}
		label, f := s.text()
		if f != noFault {
			return f
		}
		if slices.Contains(labels, label) {
			return fault{lwm2m.ReasonDuplicate, "label given twice"}
		}
		labels = append(labels, label)
		if !s.take(':') {
			return s.malformed()
		}
		content, f := s.value()
		if f != noFault {
			return f
		}
		return member(label, content)
	})
}

// text reads a string; the present byte is its opening quote.
func (s *scanner) text() (string, fault) {
	var out []byte
	s.at++
	for {
		run := s.data[s.at:]
		n := bytes.IndexFunc(run, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' })
		if n < 0 {
			return "", fault{lwm2m.ReasonTruncated, "ends early"}
		}
		out = append(out, run[:n]...)
		s.at += n
		switch s.data[s.at] {
		case '"':
			s.at++
			s.space()
			return string(out), noFault
		case '\\':
			r, f := s.escape()
			if f != noFault {
				return "", f
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", fault{lwm2m.ReasonSyntax, "control character in a string"}
		}
	}
}

// escapes are the two-character escapes (RFC 8259 section 7).
var escapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape reads one escape sequence, of a surrogate pair both halves.
func (s *scanner) escape() (rune, fault) {
	s.at++
	if r, short := escapes[s.peek()]; short {
		s.at++
		return r, noFault
	}
	first, ok := s.unit()
	if !ok {
		return 0, s.malformed()
	}
	if !utf16.IsSurrogate(first) {
		return first, noFault
	}
	if s.peek() == '\\' {
		s.at++
		if second, ok := s.unit(); ok {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r, noFault
			}
		}
	}
	return 0, fault{lwm2m.ReasonSyntax, "lone surrogate"}
}

// unit reads the "uXXXX" of an escape: one UTF-16 code unit.
func (s *scanner) unit() (rune, bool) {
	const length = 5
	if len(s.data)-s.at < length || s.data[s.at] != 'u' {
		return 0, false
	}
	var r rune
	for _, b := range s.data[s.at+1 : s.at+length] {
		digit, ok := hexDigit(b)
		if !ok {
			return 0, false
		}
		r = r<<4 | digit
	}
	s.at += length
	return r, true
}

func hexDigit(b byte) (rune, bool) {
	switch {
	case isDigit(b):
		return rune(b - '0'), true
	case 'a' <= b && b <= 'f':
		return rune(b-'a') + 10, true
	case 'A' <= b && b <= 'F':
		return rune(b-'A') + 10, true
	}
	return 0, false
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }
