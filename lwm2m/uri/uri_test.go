package uri

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]URI{
		"coap://h":                         {Scheme: "coap", Host: "h", Port: 5683},
		"coaps://h":                        {Scheme: "coaps", Host: "h", Port: 5684},
		"coap://h/":                        {Scheme: "coap", Host: "h", Port: 5683},
		"coap://h?":                        {Scheme: "coap", Host: "h", Port: 5683},
		"COAPS://Host.Example:7":           {Scheme: "coaps", Host: "host.example", Port: 7},
		"coap://h.:65535":                  {Scheme: "coap", Host: "h.", Port: 65535},
		"coap://127.0.0.1:5690":            {Scheme: "coap", Host: "127.0.0.1", Port: 5690},
		"coap://[2001:DB8:0::1]":           {Scheme: "coap", Host: "2001:db8::1", Port: 5683},
		"coaps://[::1]:99/rd?x":            {Scheme: "coaps", Host: "::1", Port: 99, Path: []string{"rd"}, Query: []string{"x"}},
		"coap://[fe80::1%25eth0]":          {Scheme: "coap", Host: "fe80::1%eth0", Port: 5683},
		"coaps://[FE80::1%25Br-lan.7]:99":  {Scheme: "coaps", Host: "fe80::1%Br-lan.7", Port: 99},
		"coap://[fe80::1%25eth0%3a1]/rd?a": {Scheme: "coap", Host: "fe80::1%eth0:1", Port: 5683, Path: []string{"rd"}, Query: []string{"a"}},
		"coap://[fe80::1%251]":             {Scheme: "coap", Host: "fe80::1%1", Port: 5683},
		"coap://[fe80::1%2525]":            {Scheme: "coap", Host: "fe80::1%25", Port: 5683},
		"coap://[fe80::1%25a%25b]":         {Scheme: "coap", Host: "fe80::1%a%b", Port: 5683},
		"coap://[fe80::1%25%C3%A9]":        {Scheme: "coap", Host: "fe80::1%é", Port: 5683},
		"coap://_a-b.c1:1":                 {Scheme: "coap", Host: "_a-b.c1", Port: 1},
		"coaps://h:5684?aid=0123":          {Scheme: "coaps", Host: "h", Port: 5684, Query: []string{"aid=0123"}},
		"coap://h/a/b?aid=1&iep=2":         {Scheme: "coap", Host: "h", Port: 5683, Path: []string{"a", "b"}, Query: []string{"aid=1", "iep=2"}},
		"coap://h/a//b/":                   {Scheme: "coap", Host: "h", Port: 5683, Path: []string{"a", "", "b", ""}},
		"coap://h/%2F%3f%26?%26&a%":        {},
		"coap://h/%2F%3f?a%26b&c/d":        {Scheme: "coap", Host: "h", Port: 5683, Path: []string{"/?"}, Query: []string{"a&b", "c/d"}},
		"coap://h/%C3%A9":                  {Scheme: "coap", Host: "h", Port: 5683, Path: []string{"é"}},
		"coap://h/a@b:1/...":               {Scheme: "coap", Host: "h", Port: 5683, Path: []string{"a@b:1", "..."}},
	} {
		got, err := Parse(in)
		if diff := cmp.Diff(want, got); diff != "" || (err != nil) != (want.Host == "") {
			t.Errorf("%s: %v %s", in, err, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct {
		in     string
		field  Field
		reason Reason
	}{
		{"", FieldURI, ReasonEmpty},
		{"coap://h/" + strings.Repeat("a", 247), FieldURI, ReasonTooLong},
		{`coaps:\\h`, FieldURI, ReasonBackslash},
		{`coaps://h\rd`, FieldURI, ReasonBackslash},
		{"coap://h o", FieldURI, ReasonCharacter},
		{"coap://h\r\n", FieldURI, ReasonCharacter},
		{"coap://h\x00", FieldURI, ReasonCharacter},
		{"coap://bücher.example", FieldURI, ReasonCharacter},
		{"coap://h\xff", FieldURI, ReasonCharacter},
		{"coap://h#f", FieldURI, ReasonFragment},
		{"h", FieldScheme, ReasonNoScheme},
		{"h:5683", FieldScheme, ReasonNoScheme},
		{"h.example:5683", FieldScheme, ReasonNoScheme},
		{"127.0.0.1:5683", FieldScheme, ReasonNoScheme},
		{"[::1]:5683", FieldScheme, ReasonNoScheme},
		{"//h", FieldScheme, ReasonNoScheme},
		{"://h", FieldScheme, ReasonNoScheme},
		{"h/a:b", FieldScheme, ReasonNoScheme},
		{"http://h", FieldScheme, ReasonScheme},
		{"coap+tcp://h", FieldScheme, ReasonScheme},
		{"coaps+ws://h", FieldScheme, ReasonScheme},
		{"coap:://h", FieldScheme, ReasonStrayColon},
		{"coap:h", FieldScheme, ReasonNoSlashes},
		{"coap:/h", FieldScheme, ReasonNoSlashes},
		{"coap://", FieldHost, ReasonNoHost},
		{"coap://:5683", FieldHost, ReasonNoHost},
		{"coap:///rd", FieldHost, ReasonNoHost},
		{"coap://?aid=1", FieldHost, ReasonNoHost},
		{"coap://[]", FieldHost, ReasonNoHost},
		{"coap://u:p@h", FieldHost, ReasonUserInfo},
		{"coap://@h", FieldHost, ReasonUserInfo},
		{"coap://[::1", FieldHost, ReasonBracket},
		{"coap://::1]", FieldHost, ReasonBracket},
		{"coap://h]", FieldHost, ReasonBracket},
		{"coap://a[b", FieldHost, ReasonBracket},
		{"coap://[::1]x", FieldHost, ReasonBracket},
		{"coap://[::1]]:1", FieldHost, ReasonBracket},
		{"coap://2001:db8::1", FieldHost, ReasonUnbracketed},
		{"coap://[fe80::1%]", FieldHost, ReasonZone},
		{"coap://[fe80::1%ee0]", FieldHost, ReasonZone},
		{"coap://[fe80::1%25]", FieldHost, ReasonZoneName},
		{"coap://[fe80::1%25a%]", FieldHost, ReasonZoneName},
		{"coap://[fe80::1%25a%0a]", FieldHost, ReasonZoneName},
		{"coap://[fe80::1%25a%20b]", FieldHost, ReasonZoneName},
		{"coap://[fe80::1%25%ff]", FieldHost, ReasonZoneName},
		{"coap://[fe80::1%25a:1]", FieldHost, ReasonZoneName},
		{"coap://[%25eth0]", FieldHost, ReasonAddress},
		{"coap://[::ffff:192.0.2.1%25eth0]", FieldHost, ReasonAddress},
		{"coap://192.0.2.1%25eth0", FieldHost, ReasonName},
		{"coap://h%25eth0", FieldHost, ReasonName},
		{"coap://[fe80::1%eth0]:5683", FieldHost, ReasonZone},
		{"coap://[h]", FieldHost, ReasonAddress},
		{"coap://[127.0.0.1]", FieldHost, ReasonAddress},
		{"coap://[::g]", FieldHost, ReasonAddress},
		{"coap://256.0.0.1", FieldHost, ReasonAddress},
		{"coap://1.2.3", FieldHost, ReasonAddress},
		{"coap://127.0.0.01", FieldHost, ReasonAddress},
		{"coap://12345", FieldHost, ReasonAddress},
		{"coap://a..b", FieldHost, ReasonName},
		{"coap://.", FieldHost, ReasonName},
		{"coap://-a", FieldHost, ReasonName},
		{"coap://a-.b", FieldHost, ReasonName},
		{"coap://a%2fb", FieldHost, ReasonName},
		{"coap://a%zz", FieldHost, ReasonPercent},
		{"coap://256.0.0.%31", FieldHost, ReasonAddress},
		{"coap://a,b", FieldHost, ReasonName},
		{"coap://" + strings.Repeat("a", 64), FieldHost, ReasonName},
		{"coap://h:0", FieldPort, ReasonPort},
		{"coap://h:70000", FieldPort, ReasonPort},
		{"coap://h:x", FieldPort, ReasonPort},
		{"coap://h:-1", FieldPort, ReasonPort},
		{"coap://h:+1", FieldPort, ReasonPort},
		{"coap://h:80:90", FieldPort, ReasonPort},
		{"coap://h/%", FieldPath, ReasonPercent},
		{"coap://h/%4", FieldPath, ReasonPercent},
		{"coap://h/%zz", FieldPath, ReasonPercent},
		{"coap://h/%ff", FieldPath, ReasonNotUTF8},
		{"coap://h?a=%", FieldQuery, ReasonPercent},
		{"coap://h?a=%ff", FieldQuery, ReasonNotUTF8},
	} {
		u, err := Parse(tc.in)
		var ue *Error
		if !errors.As(err, &ue) || ue.Field != tc.field || ue.Reason != tc.reason || u.Host != "" {
			t.Errorf("%q: %+v, %v; want %s: %s", tc.in, u, err, tc.field, tc.reason)
		}
	}
}

func TestErrorReadsAsASentence(t *testing.T) {
	_, err := Parse("coap://h:70000")
	want := "server URI: the port is not a number from 1 to 65535: correct it, or leave it out with its colon for the default"
	if err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestLongestURI(t *testing.T) {
	in := "coap://h/" + strings.Repeat("a", 246)
	if u, err := Parse(in); len(in) != MaxLength || err != nil || u.String() != in {
		t.Errorf("%d bytes: %v", len(in), err)
	}
}

func TestString(t *testing.T) {
	for in, want := range map[string]string{
		"COAP://H:5683/":                  "coap://h",
		"coaps://h:5684":                  "coaps://h",
		"coaps://h:5683":                  "coaps://h:5683",
		"coap://[::0001]:1/a":             "coap://[::1]:1/a",
		"coap://[FE80:0::1%25eth0]:5683/": "coap://[fe80::1%25eth0]",
		"coap://[fe80::1%25%65th0%3a1]":   "coap://[fe80::1%25eth0%3A1]",
		"coap://h/%61%2f?%62%26":          "coap://h/a%2F?b%26",
		"coap://h/a/?b&c=d":               "coap://h/a/?b&c=d",
		"coap://h/%c3%a9":                 "coap://h/%C3%A9",
	} {
		u, err := Parse(in)
		if err != nil || u.String() != want {
			t.Errorf("%s: %s, %v; want %s", in, u, err, want)
		}
	}
}

func TestSecureAndHostIsIP(t *testing.T) {
	for in, want := range map[string][2]bool{
		"coap://h": {false, false}, "coaps://h": {true, false},
		"coaps://10.0.0.1": {true, true}, "coap://[::1]": {false, true}, "coaps://[fe80::1%25eth0]": {true, true},
	} {
		u, err := Parse(in)
		if err != nil || u.Secure() != want[0] || u.HostIsIP() != want[1] {
			t.Errorf("%s: secure %v, IP %v, %v", in, u.Secure(), u.HostIsIP(), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"coap://h", "coaps://[::1]:5684/a/b?aid=1", `coaps:\\h`, "coap:://h", "coap://[", "coap://h:0",
		"coap://u@h", "coap://h/%2F..?%26", "coap://[fe80::1%25e]", "coap://[fe80::1%25%25%3A]:1", "coap://h//",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		var ue *Error
		if err != nil {
			if !errors.As(err, &ue) {
				t.Fatalf("untyped error %T", err)
			}
			return
		}
		if u.Port == 0 || u.Host == "" {
			t.Fatalf("%q gives %+v", s, u)
		}
		if len(u.String()) > MaxLength {
			return
		}
		back, err := Parse(u.String())
		if diff := cmp.Diff(u, back); err != nil || diff != "" {
			t.Fatalf("%q, written %q: %v %s", s, u, err, diff)
		}
	})
}

func TestSpellingsOfOneURI(t *testing.T) {
	for want, spellings := range map[string][]string{
		"coap://host.example/iot": {
			"COAP://HOST.example:5683/iot", "coap://host.example./iot/", "coap://h%6Fst.example/%69ot",
			"coap://host.example:/iot", "coap://host.example/a/../iot/.", "coap://host.example/./%2e%2E/iot/x/..",
			"coap://host.example:05683/iot?",
		},
		"coap://host.example":       {"coap://host.example/..", "coap://host.example/.", "coap://host.example/", "coap://host.example/a/.."},
		"coaps://127.0.0.1":         {"coaps://127.0.0.%31:5684/", "coaps://[::FFFF:127.0.0.1]:", "coaps://[::ffff:7f00:1]"},
		"coaps://[2001:db8::1]":     {"coaps://[2001:DB8:0:0:0:0:0:1]/", "coaps://[2001:db8::1]:"},
		"coap://host.example//iot":  {"coap://host.example/x/..//iot"},
		"coap://host.example/i%2Ft": {"coap://host.example/i%2ft"},
	} {
		for _, s := range append(spellings, want) {
			u, err := Parse(s)
			if err != nil {
				t.Errorf("%s: %v", s, err)
				continue
			}
			if got := u.Canonical().String(); got != want {
				t.Errorf("%s: %s, want %s", s, got, want)
			}
		}
	}
}
