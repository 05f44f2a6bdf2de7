package network

import (
	"crypto"
	"errors"
	"io"
)

// maxSigning is how many handshakes one signer works for at a time. Hardware that
// hangs takes at most as many goroutines with it, however long that lasts.
const maxSigning = 8

// errSignerBusy is the cause of a [CredentialsError] while a signer has as many
// calls under way as it is given.
var errSignerBusy = errors.New("it has not answered the calls before")

// BoundSigner returns a signer that refuses a call while too many are under way, and
// whose public key is nil where asking for it panics.
func BoundSigner(s crypto.Signer) crypto.Signer {
	return &boundSigner{Signer: s, slots: make(chan struct{}, maxSigning)}
}

type boundSigner struct {
	crypto.Signer
	slots chan struct{}
}

// Public implements crypto.Signer. A signer that panics, since its token is gone, has no
// public key for now, and so holds no account's.
func (s *boundSigner) Public() (public crypto.PublicKey) {
	defer func() {
		if recover() != nil {
			public = nil
		}
	}()
	return s.Signer.Public()
}

// Sign implements crypto.Signer.
func (s *boundSigner) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	select {
	case s.slots <- struct{}{}:
	default:
		return nil, errSignerBusy
	}
	defer func() { <-s.slots }()
	return s.Signer.Sign(random, digest, opts)
}

// signing reports whether the signer of the credentials has not answered a call.
func (s *security) signing() bool {
	if s == nil || s.own == nil {
		return false
	}
	signer, bound := s.own.signer.(*boundSigner)
	return bound && len(signer.slots) > 0
}
