package manifest

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Each has less precedence than the next (semver.org, section 11, and more).
var ascending = []string{
	"0.0.1-0", "0.0.1", "0.0.2", "0.1.0", "1.0.0-0", "1.0.0-2", "1.0.0-10", "1.0.0-99999999999999999999999", "1.0.0-alpha",
	"1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1-",
	"1.0.1--", "1.0.1", "1.9.0", "1.10.0", "2.0.0", "2.1.0", "2.1.1", "10.0.0", "999999999999999999999999.0.0",
}

func TestVersionPrecedence(t *testing.T) {
	var versions []Version
	for _, text := range ascending {
		if text != "1.0.1-" { // an empty pre-release is none
			versions = append(versions, version(t, text))
		}
	}
	versions = append([]Version{{}}, versions...)
	for i, v := range versions {
		for j, w := range versions {
			if got, want := v.Compare(w), min(1, max(-1, i-j)); got != want {
				t.Errorf("%q with %q: %d, want %d", v, w, got, want)
			}
		}
	}
	if version(t, "1.0.0+a").Compare(version(t, "1.0.0+b.1-c")) != 0 {
		t.Error("the build counts")
	}
	if version(t, "1.0.0-a+b-c").Compare(version(t, "1.0.0-a")) != 0 {
		t.Error("a hyphen in the build counts")
	}
}

func TestVersionIsReadStrictly(t *testing.T) {
	for _, text := range []string{
		"1.2.3", "0.0.0", "1.0.0--", "1.0.0-0A.is.legal", "1.0.0-x.7.z.92", "1.0.0+001", "1.0.0+0.build.1-rc.10000aaa-kk-0.1", "1.0.0-a-b+c-d",
		"1.0.0+a-b",
	} {
		if v := version(t, text); v.String() != text || v.IsZero() {
			t.Errorf("%q is %q", text, v)
		}
	}
	for _, text := range []string{
		"", "1", "1.2", "1.2.3.4", "01.2.3", "1.02.3", "1.2.03", "1.2.-3", "-1.2.3", "v1.2.3", " 1.2.3", "1.2.3 ", "1.2.3-", "1.2.3+", "1.2.3-+a",
		"1.2.3-01", "1.2.3-a..b", "1.2.3-a_b", "1.2.3+a+b", "1.2.3+a..b", "1.2.x", "+1.2.3", "1.2.3-é", "1..3", "١.2.3",
		"1.0.0-" + strings.Repeat("a", MaxVersion-5),
	} {
		if v, err := ParseVersion(text); err == nil || !v.IsZero() {
			t.Errorf("%q is read as %q", text, v)
		}
	}
}

// Precedence is an order: of any three versions.
func TestVersionsAreOrdered(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) Version {
		v, err := ParseVersion(rapid.StringMatching(`[0-2]\.[0-2]\.[01](-(0|1|a|b-)(\.(0|1|10|a)){0,2})?(\+[01])?`).Draw(t, "text"))
		if err != nil {
			t.Fatal(err)
		}
		return v
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := draw.Draw(t, "a"), draw.Draw(t, "b"), draw.Draw(t, "c")
		if a.Compare(b) != -b.Compare(a) {
			t.Errorf("%s and %s", a, b)
		}
		if a.Compare(b) <= 0 && b.Compare(c) <= 0 && a.Compare(c) > 0 {
			t.Errorf("%s, %s, %s", a, b, c)
		}
	})
}
