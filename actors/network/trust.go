package network

import "crypto/x509"

// Authorities are those of a trust store.
type Authorities struct {
	Pool *x509.CertPool
	// List has the same, where they can be listed: those of the operating system
	// cannot.
	List []*x509.Certificate
}

// TrustStore reads the trust store of the device, anew for every handshake that needs
// it, so that what is changed there counts. It is called on the goroutine of the link
// and may read files. Its error says what is wrong with it. A nil TrustStore is that
// of a device that has none.
type TrustStore func() (Authorities, error)

// rely gives the credentials the trust store of the device, for certificate usages 0
// and 1. Without one these fail before any packet leaves.
func (s *security) rely(store TrustStore) error {
	if s == nil {
		return nil
	}
	v, is := s.server.(*pkix)
	if !is || !v.usage.NeedsTrustStore() {
		return nil
	}
	if store == nil {
		return &CredentialsError{Reason: NoTrustStore}
	}
	v.store = store
	return nil
}

// ready reads the trust store, where it is needed. It may wait for the disk.
func (s *security) ready() error {
	v, is := s.server.(*pkix)
	if !is || v.store == nil {
		return nil
	}
	return v.load()
}

func (p *pkix) load() error {
	authorities, err := p.store()
	if err != nil {
		return &CredentialsError{Reason: BadTrustStore, Err: err}
	}
	p.trusted = authorities
	return nil
}
