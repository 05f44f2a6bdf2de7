package configfile

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-iot/holdfast"
)

// text is a key whose value is taken as it is, also the empty one.
func text[T ~string](path string, field func(*File) *T) key {
	return key{path: path, set: func(f *File, text string) string {
		*field(f) = T(text)
		return ""
	}, value: valueOf(field)}
}

// chosen is a key whose value must not be empty: an empty field stands for the
// default, which nobody asks for by writing nothing.
func chosen[T ~string](path string, field func(*File) *T, empty string) key {
	return key{path: path, set: func(f *File, text string) string {
		if text == "" {
			return empty
		}
		*field(f) = T(text)
		return ""
	}, value: valueOf(field)}
}

// yesOrNo is a key whose value is true or false, and nothing else that YAML takes for it.
func yesOrNo(path string, field func(*File) *bool) key {
	return key{path: path, set: func(f *File, text string) string {
		if text != "true" && text != "false" {
			return "is neither true nor false"
		}
		*field(f) = text == "true"
		return ""
	}, value: valueOf(field)}
}

// notNo is a key that is true unless it says otherwise; field says the opposite.
func notNo(path string, field func(*File) *bool) key {
	k := yesOrNo(path, field)
	set := k.set
	k.set = func(f *File, text string) string {
		if fault := set(f, text); fault != "" {
			return fault
		}
		*field(f) = !*field(f)
		return ""
	}
	return k
}

func duration(path string, field func(*File) *time.Duration) key {
	return key{path: path, set: func(f *File, text string) string {
		if text == "" {
			return "has no value: give one, or leave the key out"
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return "is not a duration such as 90s, 3m or 24h"
		}
		*field(f) = outOfRangeIfZero(d)
		return ""
	}, value: valueOf(field)}
}

// count is a whole number that is not negative.
func count(path string, field func(*File) *int, problem string) key {
	return key{path: path, set: func(f *File, text string) string {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return problem
		}
		*field(f) = outOfRangeIfZero(int(n))
		return ""
	}, value: valueOf(field)}
}

// size is a number of bytes: 65536, 64KiB, 1MiB, 2GiB.
func size[T ~int | ~int64](path string, field func(*File) *T) key {
	return key{path: path, set: func(f *File, text string) string {
		unit := strings.TrimLeftFunc(text, unicode.IsDigit)
		factor, known := map[string]uint64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[unit]
		n, err := strconv.ParseUint(strings.TrimSuffix(text, unit), 10, 31)
		if err != nil || !known {
			return "is not a size such as 65536, 64KiB or 1MiB"
		}
		most := uint64(math.MaxInt32) // what an int holds everywhere
		if _, wide := any(*field(f)).(int64); wide {
			most = math.MaxInt64
		}
		*field(f) = outOfRangeIfZero(T(min(n*factor, most)))
		return ""
	}, value: valueOf(field)}
}

// valueOf returns what reads a field, for a comparison.
func valueOf[T comparable](field func(*File) *T) func(*File) any {
	return func(f *File) any { return *field(f) }
}

// outOfRangeIfZero keeps a written zero, which no such value may be, from being
// taken for a field that is not set.
func outOfRangeIfZero[T ~int | ~int64 | ~float64](n T) T {
	if n == 0 {
		return -1
	}
	return n
}

func setRenewAt(f *File, text string) string {
	part, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(part) {
		return "is not a number such as 0.9"
	}
	f.Config.RenewAt = outOfRangeIfZero(part)
	return ""
}

func setAckRandomFactor(f *File, text string) string {
	factor, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(factor) {
		return "is not a number such as 1.5"
	}
	f.Config.CoAP.AckRandomFactor = outOfRangeIfZero(factor)
	return ""
}

// setMaxRetransmit takes 0 for what it says, although a zero field means the
// default.
func setMaxRetransmit(f *File, text string) string {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return "is not a whole number from 0 to 16"
	}
	f.Config.CoAP.MaxRetransmit = int(n)
	if n == 0 {
		f.Config.CoAP.MaxRetransmit = holdfast.NoRetransmit
	}
	return ""
}

// pskKey is the pre-shared key of a section. Nothing shows what it was given.
func pskKey(section string, field func(*File) *holdfast.Secret) key {
	return key{path: section + ".psk_key", set: func(f *File, text string) string {
		if text == "" {
			return "is empty: give the key in hexadecimal digits, or leave it out"
		}
		psk, err := hex.DecodeString(text)
		if err != nil {
			return "is not hexadecimal: give two of the digits 0-9 and a-f for each byte"
		}
		*field(f) = psk
		return ""
	}, value: func(f *File) any { return string(*field(f)) }}
}
