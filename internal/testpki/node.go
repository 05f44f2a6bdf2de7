package testpki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// A Node is a certificate of any kind with its key, and may issue others: for chains
// that an Authority does not make, also wrong ones.
type Node struct {
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
}

// Root makes a self-signed authority. change, where it is not nil, has the last word
// on the certificate.
func Root(t TB, name string, change func(*x509.Certificate)) *Node {
	t.Helper()
	n, err := issue(nil, name, true, change)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Sub makes an authority below the node.
func (n *Node) Sub(t TB, name string, change func(*x509.Certificate)) *Node {
	t.Helper()
	return n.must(t, name, true, change)
}

// Leaf makes the certificate of a server, with a DNS name, below the node.
func (n *Node) Leaf(t TB, name string, change func(*x509.Certificate)) *Node {
	t.Helper()
	return n.must(t, name, false, change)
}

func (n *Node) must(t TB, name string, authority bool, change func(*x509.Certificate)) *Node {
	t.Helper()
	made, err := issue(n, name, authority, change)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func issue(parent *Node, name string, authority bool, change func(*x509.Certificate)) (*Node, error) {
	template, err := newTemplate(name, DefaultLifetime)
	if err != nil {
		return nil, err
	}
	if template.IsCA = authority; authority {
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	} else {
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.ExtKeyUsage = Server.extKeyUsages()
		template.DNSNames = []string{name}
	}
	if change != nil {
		change(template)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("testpki: key of %q: %w", name, err)
	}
	if parent == nil {
		parent = &Node{Cert: template, Key: key}
	}
	cert, err := sign(template, parent.Cert, &key.PublicKey, parent.Key)
	if err != nil {
		return nil, err
	}
	return &Node{Cert: cert, Key: key}, nil
}

// TLS returns the node's certificate, followed by others, and its key in the form
// that crypto/tls and pion/dtls take.
func (n *Node) TLS(others ...*Node) tls.Certificate {
	pair := tls.Certificate{Certificate: [][]byte{n.Cert.Raw}, PrivateKey: n.Key, Leaf: n.Cert}
	for _, o := range others {
		pair.Certificate = append(pair.Certificate, o.Cert.Raw)
	}
	return pair
}
