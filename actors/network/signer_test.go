package network

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// credentialsReason returns why credentials were refused; 0 when they were not.
func credentialsReason(err error) CredentialsReason {
	var refused *CredentialsError
	if errors.As(err, &refused) {
		return refused.Reason
	}
	return 0
}

// An account that names a key by its public half gets the signer that has it.
func TestSignerIsFoundByItsPublicHalf(t *testing.T) {
	own, server, other := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	c := rawKeys(t, own, server.Public())
	c.PrivateKey = spki(t, own.Public())
	target := parse(t, "coaps://192.0.2.1")

	s, err := newSecurity(target, c, times{now: time.Now()}, other, own)
	if err != nil || s.own.signer != crypto.Signer(own) {
		t.Errorf("%v", err)
	}
	gone := BoundSigner((*ecdsa.PrivateKey)(nil)) // as a token is that nobody can ask
	for _, signers := range [][]crypto.Signer{nil, {other}, {gone, other}} {
		if _, err := newSecurity(target, c, times{now: time.Now()}, signers...); credentialsReason(err) != NoSigner {
			t.Errorf("%d signers: %v", len(signers), err)
		}
	}
	c.PrivateKey = spki(t, other.Public())
	if _, err := newSecurity(target, c, times{now: time.Now()}, other, own); credentialsReason(err) != KeyMismatch {
		t.Errorf("another's key: %v", err)
	}
}

// hangs is a signer whose hardware answers when it is told to.
type hangs struct {
	*ecdsa.PrivateKey
	entered sync.WaitGroup
	answer  chan struct{}
}

// Sign implements crypto.Signer.
func (h *hangs) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	h.entered.Done()
	<-h.answer
	return h.PrivateKey.Sign(random, digest, opts)
}

// Hardware that hangs does not take one goroutine more with every attempt.
func TestSignerThatHangsIsNotAskedForEver(t *testing.T) {
	h := &hangs{PrivateKey: ecKey(t, elliptic.P256()), answer: make(chan struct{})}
	s := BoundSigner(h)
	digest := make([]byte, 32)
	var calls sync.WaitGroup
	h.entered.Add(maxSigning)
	for range maxSigning {
		calls.Go(func() {
			if _, err := s.Sign(nil, digest, crypto.SHA256); err != nil {
				t.Error(err)
			}
		})
	}
	h.entered.Wait()
	if _, err := s.Sign(nil, digest, crypto.SHA256); !errors.Is(err, errSignerBusy) {
		t.Errorf("one more: %v", err)
	}
	close(h.answer)
	calls.Wait()
	h.entered.Add(1)
	if _, err := s.Sign(nil, digest, crypto.SHA256); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A deadline that passes while hardware works says so; one that passes otherwise does
// not.
func TestDeadlineNamesASignerThatHangs(t *testing.T) {
	h := &hangs{PrivateKey: ecKey(t, elliptic.P256()), answer: make(chan struct{})}
	signer := BoundSigner(h)
	c := rawKeys(t, h.PrivateKey, ecKey(t, elliptic.P256()).Public())
	c.PrivateKey = spki(t, h.Public())
	overdue := func() *DeadlineError {
		m := New(testPeer, testEpoch, signer)
		m.Step(now, connect(t, "coaps://192.0.2.1", func(in *messages.Connect) { in.Credentials = c }))
		f := lost(t, m.Step(now, core.Expired{Timer: guard}))
		if f.Class != messages.ClassTimeout {
			t.Errorf("class %s", f.Class)
		}
		return wantAs[*DeadlineError](t, f.Cause)
	}
	if err := overdue(); err.Signing {
		t.Errorf("nothing is signed: %v", err)
	}
	h.entered.Add(1)
	var call sync.WaitGroup
	call.Go(func() { _, _ = signer.Sign(nil, make([]byte, 32), crypto.SHA256) })
	h.entered.Wait()
	if err := overdue(); !err.Signing || !strings.Contains(err.Error(), "signer") {
		t.Errorf("%v", err)
	}
	close(h.answer)
	call.Wait()
	if err := overdue(); err.Signing {
		t.Errorf("afterwards: %v", err)
	}
	if (*security)(nil).signing() || secure(t, "coaps://server.test", psk()).signing() {
		t.Error("nobody signs for a pre-shared key")
	}
}
