package management

// validArguments reports whether the payload of an Execute is well formed
// (LwM2M Core section 6.3.5):
//
//	arglist = arg *( "," arg )
//	arg     = DIGIT [ "=" "'" *CHAR "'" ]
//
// No digit may be used twice. An empty payload has no arguments.
func validArguments(payload []byte) bool {
	var used [10]bool
	for rest := payload; len(rest) > 0; {
		digit := rest[0] - '0'
		if digit > 9 || used[digit] {
			return false
		}
		used[digit] = true
		length := argumentLength(rest)
		if length == 0 {
			return false
		}
		if rest = rest[length:]; len(rest) == 0 {
			return true
		}
		if rest[0] != ',' || len(rest) == 1 {
			return false
		}
		rest = rest[1:]
	}
	return true
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
