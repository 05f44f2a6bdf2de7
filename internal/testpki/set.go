package testpki

import (
	"errors"
	"net"
)

// ServerName is the DNS name in the server certificates of a Set.
const ServerName = "server.test"

// A Set is everything that a test of X.509 security usually needs. The server
// certificates are for ServerName, 127.0.0.1 and ::1 except where said
// otherwise; the client certificates have the endpoint as common name.
type Set struct {
	CA *Authority
	// OtherCA is an authority that nobody trusts.
	OtherCA *Authority

	Server        *Leaf
	ServerExpired *Leaf
	// ServerOtherCA is signed by OtherCA.
	ServerOtherCA *Leaf
	// ServerOtherName is for other.test and 192.0.2.1 (RFC 5737).
	ServerOtherName *Leaf

	Client        *Leaf
	ClientExpired *Leaf
	// ClientOtherCA is signed by OtherCA.
	ClientOtherCA *Leaf
}

// NewSet makes a set for the client with that endpoint name.
func NewSet(endpoint string) (*Set, error) {
	ca, errCA := NewAuthority("Holdfast test CA")
	other, errOther := NewAuthority("Holdfast other test CA")
	if err := errors.Join(errCA, errOther); err != nil {
		return nil, err
	}
	s := &Set{CA: ca, OtherCA: other}
	return s, s.issue(endpoint)
}

func (s *Set) issue(endpoint string) error {
	server := Request{
		Role:       Server,
		CommonName: ServerName,
		DNSNames:   []string{ServerName},
		IPs:        []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	serverExpired := server
	serverExpired.Expired = true
	otherName := Request{
		Role:       Server,
		CommonName: "other.test",
		DNSNames:   []string{"other.test"},
		IPs:        []net.IP{net.IPv4(192, 0, 2, 1)},
	}
	client := Request{Role: Client, CommonName: endpoint}
	clientExpired := client
	clientExpired.Expired = true

	for _, order := range []struct {
		leaf   **Leaf
		issuer *Authority
		req    Request
	}{
		{&s.Server, s.CA, server},
		{&s.ServerExpired, s.CA, serverExpired},
		{&s.ServerOtherCA, s.OtherCA, server},
		{&s.ServerOtherName, s.CA, otherName},
		{&s.Client, s.CA, client},
		{&s.ClientExpired, s.CA, clientExpired},
		{&s.ClientOtherCA, s.OtherCA, client},
	} {
		leaf, err := order.issuer.Issue(order.req)
		if err != nil {
			return err
		}
		*order.leaf = leaf
	}
	return nil
}
