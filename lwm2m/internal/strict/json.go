package strict

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Scanner reads JSON texts (RFC 8259) strictly: encoding/json lets duplicate
// members pass and replaces invalid UTF-8 and lone surrogates. Every value is
// checked, also one that is ignored; its depth and the members of an object are
// bounded, so that the work is linear in the input. Its methods leave it at the next
// token.
type Scanner struct {
	data  []byte
	at    int
	depth int
}

// Composite stands for an array or object in a field where LwM2M has none.
type Composite struct{}

// NewScanner returns a scanner at the first token.
func NewScanner(data []byte) (*Scanner, Fault) {
	if !utf8.Valid(data) {
		return nil, Refuse(lwm2m.ReasonSyntax, "not UTF-8")
	}
	s := &Scanner{data: data}
	s.space()
	return s, None
}

// Peek returns the present byte, 0 at the end.
func (s *Scanner) Peek() byte {
	if s.at == len(s.data) {
		return 0
	}
	return s.data[s.at]
}

// space skips insignificant white space (RFC 8259 section 2).
func (s *Scanner) space() {
	for s.at < len(s.data) && strings.IndexByte(" \t\r\n", s.data[s.at]) >= 0 {
		s.at++
	}
}

// take skips the byte, which must be the present one, and white space behind it.
func (s *Scanner) take(b byte) bool {
	if s.at == len(s.data) || s.data[s.at] != b {
		return false
	}
	s.at++
	s.space()
	return true
}

// malformed is the fault of whatever cannot stand here.
func (s *Scanner) malformed() Fault {
	if s.at == len(s.data) {
		return Refuse(lwm2m.ReasonTruncated, "ends early")
	}
	return Refuse(lwm2m.ReasonSyntax, "malformed JSON")
}

// Unlike is the fault of a text that is well formed so far but of another shape.
func (s *Scanner) Unlike(detail string) Fault {
	if _, f := s.Value(); f != None {
		return f
	}
	return Refuse(lwm2m.ReasonStructure, detail)
}

// End demands that nothing follows.
func (s *Scanner) End() Fault {
	if s.at < len(s.data) {
		return Refuse(lwm2m.ReasonSyntax, "something follows the value")
	}
	return None
}

// Value reads one value: a string, bool, nil, a number as numberOf returns it,
// or a Composite.
func (s *Scanner) Value() (any, Fault) {
	switch b := s.Peek(); {
	case b == '"':
		return s.text()
	case b == '{':
		return Composite{}, s.Object(func(string, any) Fault { return None })
	case b == '[':
		return Composite{}, s.List('[', ']', s.skip)
	case b == '-' || isDigit(b):
		return s.number()
	}
	return s.literal()
}

func (s *Scanner) skip() Fault {
	_, f := s.Value()
	return f
}

func (s *Scanner) literal() (any, Fault) {
	for _, l := range [...]struct {
		text  string
		value any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if bytes.HasPrefix(s.data[s.at:], []byte(l.text)) {
			s.at += len(l.text)
			s.space()
			return l.value, None
		}
	}
	return nil, s.malformed()
}

// List reads the items between two brackets.
func (s *Scanner) List(opening, closing byte, item func() Fault) Fault {
	if s.depth == MaxNesting {
		return Refuse(lwm2m.ReasonLimit, "too many levels")
	}
	s.depth++
	s.take(opening)
	if !s.take(closing) {
		for {
			if f := item(); f != None {
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
	return None
}

// Object reads the members of an object and hands them over one by one.
func (s *Scanner) Object(member func(label string, content any) Fault) Fault {
	return s.Members(func(label string) Fault {
		content, f := s.Value()
		if f != None {
			return f
		}
		return member(label, content)
	})
}

// Members reads an object whose values member reads itself: it is called with the
// scanner at each.
func (s *Scanner) Members(member func(label string) Fault) Fault {
	var labels []string
	return s.List('{', '}', func() Fault {
		label, f := s.label(labels)
		if f != None {
			return f
		}
		labels = append(labels, label)
		return member(label)
	})
}

// label reads a label that is none of those before, and its colon.
func (s *Scanner) label(before []string) (string, Fault) {
	if len(before) == MaxPairs {
		return "", Refuse(lwm2m.ReasonLimit, "too many members")
	}
	if s.Peek() != '"' {
		return "", s.malformed()
	}
	label, f := s.text()
	if f != None {
		return "", f
	}
	if slices.Contains(before, label) {
		return "", Refuse(lwm2m.ReasonDuplicate, "label given twice")
	}
	if !s.take(':') {
		return "", s.malformed()
	}
	return label, None
}

// text reads a string; the present byte is its opening quote.
func (s *Scanner) text() (string, Fault) {
	var out []byte
	s.at++
	for {
		run := s.data[s.at:]
		n := bytes.IndexFunc(run, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' })
		if n < 0 {
			return "", Refuse(lwm2m.ReasonTruncated, "ends early")
		}
		out = append(out, run[:n]...)
		s.at += n
		switch s.data[s.at] {
		case '"':
			s.at++
			s.space()
			return string(out), None
		case '\\':
			r, f := s.escape()
			if f != None {
				return "", f
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", Refuse(lwm2m.ReasonSyntax, "control character in a string")
		}
	}
}

// escapes are the two-character escapes (RFC 8259 section 7).
var escapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape reads one escape sequence, of a surrogate pair both halves.
func (s *Scanner) escape() (rune, Fault) {
	s.at++
	if r, short := escapes[s.Peek()]; short {
		s.at++
		return r, None
	}
	first, ok := s.unit()
	if !ok {
		return 0, s.malformed()
	}
	if !utf16.IsSurrogate(first) {
		return first, None
	}
	if s.Peek() == '\\' {
		s.at++
		if second, ok := s.unit(); ok {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r, None
			}
		}
	}
	return 0, Refuse(lwm2m.ReasonSyntax, "lone surrogate")
}

// unit reads the "uXXXX" of an escape: one UTF-16 code unit.
func (s *Scanner) unit() (rune, bool) {
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
