package network

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/testpki"
)

// A person who reads the error knows why a certificate that other programs take is
// refused, and what one would have to say.
func TestNameErrorSaysWhy(t *testing.T) {
	set := newSet(t)
	var many []string
	for i := range 9 {
		many = append(many, fmt.Sprintf("n%d.test", i))
	}
	for _, test := range []struct {
		name    string
		request testpki.Request
		want    string
	}{
		{"gw.wild.test", testpki.Request{DNSNames: []string{"*.wild.test"}}, `it has "*.wild.test", and wildcards do not count (issue it with the full name)`},
		{"GW.wild.test", testpki.Request{DNSNames: []string{"a.test", "*.WILD.test"}}, `it has "*.WILD.test", and wildcards do not count (issue it with the full name)`},
		{"a.gw.wild.test", testpki.Request{DNSNames: []string{"*.wild.test"}}, `it has "*.wild.test", and wildcards do not count (issue it with the full name)`},
		{"gw-7.wild.test", testpki.Request{DNSNames: []string{"GW-*.wild.test"}}, `it has "GW-*.wild.test", and wildcards do not count (issue it with the full name)`},
		{"gw.a.test", testpki.Request{DNSNames: []string{"gw.*.test"}}, `it has "gw.*.test", and wildcards do not count (issue it with the full name)`},
		{"wild.test", testpki.Request{DNSNames: []string{"*.wild.test"}}, `it is for "*.wild.test"`},
		{"aba.test", testpki.Request{DNSNames: []string{"ab*ba.test"}}, `it is for "ab*ba.test"`},
		{"gw.wild.test", testpki.Request{CommonName: "*.wild.test"}, `it has "*.wild.test" as common name, and neither that nor a wildcard counts (issue it with the full name as subject alternative name)`},
		{"gw.test", testpki.Request{DNSNames: []string{"*"}}, `it has "*", and wildcards do not count (issue it with the full name)`},
		{"gw.test", testpki.Request{DNSNames: []string{"*.wild.test"}}, `it is for "*.wild.test"`},
		{"gw.test", testpki.Request{CommonName: "GW.test"}, "it has the name as common name only, which does not count (issue it with a subject alternative name)"},
		{"gw.test", testpki.Request{CommonName: "other.test"}, "it has no subject alternative name that is a DNS name or an address"},
		{"192.0.2.1", testpki.Request{CommonName: "192.0.2.1"}, "it has the name as common name only, which does not count (issue it with a subject alternative name)"},
		{"192.0.2.1", testpki.Request{DNSNames: []string{"192.0.2.1"}}, "it has the address as a DNS name, which does not count (issue it with an IP address as subject alternative name)"},
		{"gw.test", testpki.Request{DNSNames: []string{"gw.test."}}, "it has the name with a dot at the end, which belongs in no certificate"},
		{"gw.test", testpki.Request{CommonName: "gw.test", DNSNames: []string{"a.test"}, IPs: []net.IP{net.IPv4(192, 0, 2, 9)}}, "it has the name as common name only, which does not count (issue it with a subject alternative name)"},
		{"gw.test", testpki.Request{DNSNames: []string{"a.test"}, IPs: []net.IP{net.IPv4(192, 0, 2, 9)}}, `it is for "a.test", 192.0.2.9`},
		{"gw.test", testpki.Request{DNSNames: many}, `it is for "n0.test", "n1.test", "n2.test" and 6 more`},
	} {
		err := verifyName(leafFor(t, set, test.request), test.name)
		named := wantAs[*NameError](t, err)
		wantAs[x509.HostnameError](t, err)
		if named.reason() != test.want || !strings.Contains(err.Error(), test.name) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// The names are the server's: whatever they hold, the error stays short and readable.
func TestNameErrorIsBounded(t *testing.T) {
	leaf := &x509.Certificate{DNSNames: []string{strings.Repeat("a", 5000), "\x1b[31m\n", "c"}}
	var named *NameError
	if err := verifyName(leaf, "gw.test"); !errors.As(err, &named) || len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("%q", err)
	}
}
