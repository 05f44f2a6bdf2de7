package manifest

import (
	"cmp"
	"fmt"
	"strings"
)

// MaxVersion is how long a version may be, in bytes.
const MaxVersion = 64

// Version is a version by semver.org 2.0.0, such as 1.4.0-rc.1+b7. The zero Version is none,
// and less than all others. Versions that are written in the same way are equal by ==.
type Version struct{ text string }

// ParseVersion reads a version: three numbers without leading zeros, and behind them
// pre-release and build, each of identifiers between dots.
func ParseVersion(text string) (Version, error) {
	if len(text) > MaxVersion {
		return Version{}, fmt.Errorf("%d bytes, more than %d", len(text), MaxVersion)
	}
	v := Version{text: text}
	core, pre, build := v.parts()
	numbers := strings.Split(core, ".")
	ok := len(numbers) == 3
	for _, n := range numbers {
		ok = ok && isNumber(n)
	}
	if strings.Contains(text, "+") {
		ok = ok && allIdentifiers(build, false)
	}
	if strings.Contains(strings.TrimSuffix(text, "+"+build), "-") {
		ok = ok && allIdentifiers(pre, true)
	}
	if !ok {
		return Version{}, fmt.Errorf("%q is no version such as 1.2.3 (semver.org)", text)
	}
	return v, nil
}

// String returns the version as it was written; nothing for the zero Version.
func (v Version) String() string { return v.text }

// IsZero reports whether it is no version.
func (v Version) IsZero() bool { return v.text == "" }

// Compare returns -1, 0 or +1 as v has less, the same or more precedence than w (semver.org,
// section 11). The build counts for nothing.
func (v Version) Compare(w Version) int {
	if v.IsZero() || w.IsZero() {
		return cmp.Compare(len(v.text), len(w.text))
	}
	core, pre, _ := v.parts()
	otherCore, otherPre, _ := w.parts()
	if c := compareIdentifiers(core, otherCore); c != 0 {
		return c
	}
	if pre == "" || otherPre == "" { // a release is more than what was before it
		return cmp.Compare(len(otherPre), len(pre))
	}
	return compareIdentifiers(pre, otherPre)
}

// parts splits a version: numbers, pre-release and build. Numbers have no hyphen, and a
// pre-release has no plus sign.
func (v Version) parts() (core, pre, build string) {
	core, build, _ = strings.Cut(v.text, "+")
	core, pre, _ = strings.Cut(core, "-")
	return core, pre, build
}

// compareIdentifiers compares what stands between dots: numbers by their value, which is
// less than any other, words by their bytes, and fewer before more.
func compareIdentifiers(a, b string) int {
	one, other := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(one), len(other)) {
		if c := compareIdentifier(one[i], other[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(one), len(other))
}

func compareIdentifier(a, b string) int {
	aIs, bIs := isNumber(a), isNumber(b)
	switch {
	case aIs && bIs: // without leading zeros the longer is greater; they may not fit an integer
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	case aIs:
		return -1
	case bIs:
		return 1
	}
	return cmp.Compare(a, b)
}

func allIdentifiers(text string, strict bool) bool {
	for id := range strings.SplitSeq(text, ".") {
		if id == "" || strings.ContainsFunc(id, notInIdentifier) || strict && isDigits(id) && !isNumber(id) {
			return false
		}
	}
	return true
}

func notInIdentifier(r rune) bool {
	return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

func isDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

func isNumber(s string) bool { return isDigits(s) && (s == "0" || s[0] != '0') }
