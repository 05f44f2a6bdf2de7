package lwm2m

import "strings"

// Argument is one argument of an Execute (section 6.3.5).
type Argument struct {
	Digit    uint8  // 0 to 9
	Value    string // without its quotes
	HasValue bool   // there is a value, which may be empty
}

// Arguments are those of an Execute, in the order in which they were sent.
type Arguments []Argument

// Value finds the value of a digit; found is false when the digit was not sent,
// or without a value.
func (a Arguments) Value(digit uint8) (value string, found bool) {
	for _, arg := range a {
		if arg.Digit == digit {
			return arg.Value, arg.HasValue
		}
	}
	return "", false
}

// String writes arguments as an Execute carries them.
func (a Arguments) String() string {
	var b strings.Builder
	for i, arg := range a {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('0' + arg.Digit)
		if arg.HasValue {
			b.WriteString("='" + arg.Value + "'")
		}
	}
	return b.String()
}

// ParseArguments parses the payload of an Execute (section 6.3.5):
//
//	arglist = arg *( "," arg )
//	arg     = DIGIT [ "=" "'" *CHAR "'" ]
//
// No digit may be used twice. An empty payload has no arguments. ok is false for
// what is malformed.
func ParseArguments(payload []byte) (args Arguments, ok bool) {
	var used [10]bool
	for rest := payload; len(rest) > 0; {
		digit := rest[0] - '0'
		if digit > 9 || used[digit] {
			return nil, false
		}
		used[digit] = true
		length := argumentLength(rest)
		if length == 0 {
			return nil, false
		}
		args = append(args, argument(rest[:length]))
		if rest = rest[length:]; len(rest) == 0 {
			return args, true
		}
		if rest[0] != ',' || len(rest) == 1 {
			return nil, false
		}
		rest = rest[1:]
	}
	return args, true
}

// argument reads one argument that is well formed.
func argument(b []byte) Argument {
	a := Argument{Digit: b[0] - '0', HasValue: len(b) > 1}
	if a.HasValue {
		a.Value = string(b[3 : len(b)-1])
	}
	return a
}

// argumentLength returns the length of the argument that begins with a digit
// at the front of b, 0 when it is malformed.
func argumentLength(b []byte) int {
	if len(b) < 2 || b[1] != '=' {
		return 1
	}
	if len(b) < 4 || b[2] != '\'' {
		return 0
	}
	for i, c := range b[3:] {
		switch {
		case c == '\'':
			return 3 + i + 1
		case !isArgumentChar(c):
			return 0
		}
	}
	return 0
}

// isArgumentChar allows what may stand between the quotes: printable ASCII
// without blanks, quotes and the backslash.
func isArgumentChar(c byte) bool {
	return c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\'
}
