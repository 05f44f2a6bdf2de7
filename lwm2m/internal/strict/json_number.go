package strict

import (
	"bytes"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// numberGrammar is that of RFC 8259 section 6.
var numberGrammar = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?`)

// maxDigits bounds the length of a number in bytes, and so the work; the longest
// that float64 needs in the shortest form has 24.
const maxDigits = 400

// number reads a number. What follows it is for the caller to judge.
func (s *Scanner) number() (any, Fault) {
	if n, length := smallInteger(s.data[s.at:]); length > 0 {
		s.at += length
		s.space()
		return n, None
	}
	rest := s.data[s.at:]
	text := string(numberGrammar.Find(rest[:min(len(rest), maxDigits+1)]))
	if text == "" {
		s.at++ // a sign alone
		return nil, s.malformed()
	}
	s.at += len(text)
	s.space()
	if len(text) > maxDigits {
		return nil, Refuse(lwm2m.ReasonValue, "number too long")
	}
	v, ok := numberOf(text)
	if !ok {
		return nil, Refuse(lwm2m.ReasonValue, "number out of range")
	}
	return v, None
}

// smallInteger reads what most numbers are: a few digits and nothing more. The length
// is 0 for every other number, which may be well formed too.
func smallInteger(data []byte) (n uint64, length int) {
	const most = 18 // digits that fit every integer
	for length < len(data) && isDigit(data[length]) {
		if length == most {
			return 0, 0
		}
		n = n*10 + uint64(data[length]-'0')
		length++
	}
	if length == len(data) || (length > 1 && data[0] == '0') || bytes.IndexByte([]byte(".eE"), data[length]) >= 0 {
		return 0, 0
	}
	return n, length
}

// Rounded is the float64 next to a number that is none itself. It is whole, and the number
// is not: it is a Float, and no Integer.
type Rounded float64

// numberOf gives a number as the CBOR library would: an int64 when it is
// negative and an integer, a uint64 when it is another integer, else a float64, or
// Rounded where only rounding makes it an integer: it would pass for one where an
// integer is wanted. It is not ok beyond float64.
func numberOf(text string) (any, bool) {
	nearest, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		return nil, false
	case nearest == 0:
		return zero(text, nearest), true
	case nearest != math.Trunc(nearest): // then the number is no integer either
		return nearest, true
	}
	exact, ok := new(big.Rat).SetString(text)
	switch {
	case !ok:
		return nil, false
	case exact.IsInt() && exact.Num().IsUint64():
		return exact.Num().Uint64(), true
	case exact.IsInt() && exact.Num().IsInt64():
		return exact.Num().Int64(), true
	}
	return Rounded(nearest), true
}

// zero gives a number whose nearest float64 is zero. A negative zero is a float64.
func zero(text string, nearest float64) any {
	mantissa := strings.FieldsFunc(text, func(c rune) bool { return c == 'e' || c == 'E' })[0]
	switch {
	case strings.Trim(mantissa, "-0.") != "":
		return Rounded(nearest)
	case math.Signbit(nearest):
		return nearest
	}
	return uint64(0)
}
