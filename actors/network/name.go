package network

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// NameError says that the server's certificate is not issued for the name that the
// server has to prove. errors.As reaches an x509.HostnameError through it.
type NameError struct {
	Name        string // a DNS name or an address
	Certificate *x509.Certificate
}

// Error returns a sentence for a person, who may wonder why a certificate that other
// programs take is refused.
func (e *NameError) Error() string {
	return "it is not issued for " + strconv.Quote(e.Name) + ": " + e.reason()
}

// Unwrap returns what package x509 would say.
func (e *NameError) Unwrap() error {
	return x509.HostnameError{Certificate: e.Certificate, Host: e.Name}
}

func (e *NameError) reason() string {
	_, err := netip.ParseAddr(e.Name)
	isAddress := err == nil
	wildcard := slices.IndexFunc(e.Certificate.DNSNames, func(san string) bool { return covers(san, e.Name) })
	named := func(san string) bool { return strings.EqualFold(strings.TrimSuffix(san, "."), e.Name) }
	switch {
	case isAddress && slices.ContainsFunc(e.Certificate.DNSNames, named):
		return "it has the address as a DNS name, which does not count (issue it with an IP address as subject alternative name)"
	case !isAddress && wildcard >= 0:
		return "it has " + quoted(e.Certificate.DNSNames[wildcard]) + ", and wildcards do not count (issue it with the full name)"
	case !isAddress && covers(e.Certificate.Subject.CommonName, e.Name):
		return "it has " + quoted(e.Certificate.Subject.CommonName) + " as common name, and neither that nor a wildcard counts (issue it with the full name as subject alternative name)"
	case named(e.Certificate.Subject.CommonName):
		return "it has the name as common name only, which does not count (issue it with a subject alternative name)"
	case !isAddress && slices.ContainsFunc(e.Certificate.DNSNames, named):
		return "it has the name with a dot at the end, which belongs in no certificate"
	}
	return namesOf(e.Certificate)
}

// covers tells whether some programs would take a wildcard for a name: a star is one
// label, a part of one (RFC 6125 section 6.4.3), or any number of them.
func covers(san, name string) bool {
	before, after, wildcard := strings.Cut(strings.ToLower(san), "*")
	name = strings.ToLower(name)
	return wildcard && len(name) >= len(before)+len(after) && strings.HasPrefix(name, before) && strings.HasSuffix(name, after)
}

// What of a certificate's names an error shows: they are the server's, and any number.
const (
	shownNames = 3
	shownBytes = 64 // of each
)

// namesOf lists the names that count.
func namesOf(certificate *x509.Certificate) string {
	var names []string
	for _, san := range certificate.DNSNames {
		names = append(names, quoted(san))
	}
	for _, ip := range certificate.IPAddresses {
		names = append(names, ip.String())
	}
	switch more := len(names) - shownNames; {
	case len(names) == 0:
		return "it has no subject alternative name that is a DNS name or an address"
	case more > 0:
		return "it is for " + strings.Join(names[:shownNames], ", ") + " and " + strconv.Itoa(more) + " more"
	}
	return "it is for " + strings.Join(names, ", ")
}

func quoted(name string) string {
	if len(name) > shownBytes {
		name = name[:shownBytes] + "..."
	}
	return strconv.Quote(name)
}
