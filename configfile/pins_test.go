package configfile

import (
	"slices"
	"testing"

	"github.com/holdfast-iot/holdfast"
)

// A pin is one word or a list; what is wrong with one is said of the key.
func TestPins(t *testing.T) {
	t.Parallel()
	const other = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	const sha384 = "sha384/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, test := range []struct {
		text string
		want []string // nil: it is at fault
	}{
		{pinText, []string{pinText}},
		{"[" + pinText + ", " + other + "]", []string{pinText, other}},
		{sha384, []string{sha384}},
		{"[" + pinText + ", " + sha384 + "]", nil},
		{"sha1/2jmj7l5rSw0yVb/vlWAYkK/YBwk=", nil},
		{"sha256/47DEQpj8HBSa", nil},
		{"sha512/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", nil},
		{"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=", nil}, // bits that say nothing
		{"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", nil},
		{"'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'", nil},
	} {
		section := "server: {uri: 'coaps://s', security: x509, certificate: c, private_key: k, usage: dane-ee, pin: " + test.text + "}"
		f, err := Loader{Path: writeConfig(t, "endpoint: g\n"+section+"\n"), LookupEnv: noEnv}.Load()
		if test.want == nil {
			if got := faultsOf(err); len(got) != 1 || got[0][:11] != "server.pin:" {
				t.Errorf("%s: %q", test.text, got)
			}
			continue
		}
		if err != nil || !slices.Equal(f.Config.Server.Pins, test.want) || f.Config.Server.Usage != holdfast.UsageDANEEE {
			t.Errorf("%s: %+v, %v", test.text, f.Config.Server, err)
		}
	}
}
