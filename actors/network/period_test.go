package network

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// An own certificate that has expired is a local proof, unless the clock is wrong;
// one that is not valid yet is none.
func TestOwnCertificateOutOfTime(t *testing.T) {
	set := newSet(t)
	leaf := set.Client.Cert
	late, early := leaf.NotAfter.Add(time.Second), leaf.NotBefore.Add(-90*time.Minute)
	for name, c := range map[string]struct {
		when    times
		class   messages.Class
		validIn time.Duration
	}{
		"expired":                    {times{now: late}, messages.ClassOwnCertificate, 0},
		"expired by a wrong clock":   {times{now: late, known: late.Add(time.Hour)}, messages.ClassClock, 0},
		"not valid yet":              {times{now: early}, messages.ClassClock, 90 * time.Minute},
		"expired by the wall clock":  {times{now: early, wall: func(time.Time) time.Time { return late }}, messages.ClassOwnCertificate, 0},
		"not valid by a wrong clock": {times{now: early, known: late}, messages.ClassClock, 90 * time.Minute},
	} {
		_, err := newSecurity(parse(t, "coaps://server.test"), x509Client(t, set, set.Client), c.when)
		own := wantAs[*OwnCertificateError](t, err)
		if own.NotAfter != leaf.NotAfter || own.NotBefore != leaf.NotBefore {
			t.Errorf("%s: got %+v", name, own)
		}
		if f := classify(err); f.Class != c.class || f.ValidIn != c.validIn {
			t.Errorf("%s: class %s, valid in %v", name, f.Class, f.ValidIn)
		}
	}
	_, err := newSecurity(parse(t, "coaps://server.test"), x509Client(t, set, set.ClientExpired), times{now: time.Now()})
	wantClass(t, err, messages.ClassOwnCertificate)
}

// A clock before what is known hurts no certificate that is valid by it.
func TestWrongClockAloneIsNoFailure(t *testing.T) {
	set := newSet(t)
	when := times{now: time.Now(), known: time.Now().Add(time.Hour)}
	if _, err := newSecurity(parse(t, "coaps://server.test"), x509Client(t, set, set.Client), when); err != nil {
		t.Error(err)
	}
}

// The chain that we show is valid when its last certificate is.
func TestOwnChainThatIsNotValidYet(t *testing.T) {
	set := newSet(t)
	issuer, err := set.CA.Issue(testpki.Request{CommonName: "intermediate", ValidIn: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	c := x509Client(t, set, set.Client)
	c.Certificate = append(c.Certificate, issuer.Cert.Raw)
	now := issuer.Cert.NotBefore.Add(-time.Minute)
	_, err = newSecurity(parse(t, "coaps://server.test"), c, times{now: now})
	if f := classify(err); f.Class != messages.ClassClock || f.ValidIn != time.Minute {
		t.Errorf("%+v", f)
	}
	if _, err := newSecurity(parse(t, "coaps://server.test"), c, times{now: issuer.Cert.NotBefore}); err != nil {
		t.Error(err)
	}
}

// trusting returns the verifier of certificate usage 2.
func trusting(when times, authorities ...*testpki.Authority) *pkix {
	anchors := &stored{}
	for _, authority := range authorities {
		if err := anchors.read(authority.Cert.Raw); err != nil {
			panic(err)
		}
	}
	return &pkix{usage: messages.UsageTrustAnchor, stored: anchors, name: testpki.ServerName, when: when}
}

// Usage 2 looks at the clock, usage 3 does not (RFC 7671 section 5.1).
func TestValidity(t *testing.T) {
	set := newSet(t)
	leaf := set.Server.Cert
	chain := []*x509.Certificate{leaf}
	pin := &pinned{leaves: &stored{list: [][]byte{leaf.Raw}}}
	early, late := leaf.NotBefore.Add(-time.Minute), leaf.NotAfter.Add(time.Second)
	for name, c := range map[string]struct {
		when    times
		at      time.Time
		class   messages.Class
		validIn time.Duration
	}{
		"not valid yet":             {times{}, early, messages.ClassClock, time.Minute},
		"expired":                   {times{}, late, messages.ClassServerCertificate, 0},
		"expired by a wrong clock":  {times{known: late.Add(1)}, late, messages.ClassClock, 0},
		"expired by the wall clock": {times{wall: func(time.Time) time.Time { return late }}, early, messages.ClassServerCertificate, 0},
	} {
		err := &ServerCertificateError{trusting(c.when, set.CA).verify(chain, c.at)}
		if f := classify(err); f.Class != c.class || f.ValidIn != c.validIn {
			t.Errorf("usage 2, %s: class %s, valid in %v: %v", name, f.Class, f.ValidIn, err)
		}
		if err := pin.verify(chain, c.at); err != nil {
			t.Errorf("usage 3, %s: %v", name, err)
		}
	}
	err := trusting(times{}, set.CA).verify(chain, late)
	if got := wantAs[x509.CertificateInvalidError](t, err).Reason; got != x509.Expired {
		t.Errorf("got reason %v", got)
	}
}

// It does not matter which certificate of the chain is not valid yet: an anchor
// that is not is an unknown authority for package x509.
func TestAnchorThatIsNotValidYet(t *testing.T) {
	set := newSet(t)
	chain := []*x509.Certificate{set.Server.Cert}
	at := set.CA.Cert.NotBefore.Add(-time.Hour)
	err := trusting(times{}, set.OtherCA, set.CA).verify(chain, at)
	period := wantAs[*ServerPeriodError](t, err)
	if period.verdict() != validity.Early || period.validIn() < time.Hour {
		t.Errorf("%v", err)
	}
}

// Nothing else that is wrong with a chain is blamed on the clock.
func TestClockIsNotBlamedForAnother(t *testing.T) {
	set := newSet(t)
	at := set.Server.Cert.NotBefore.Add(-time.Hour)
	otherName := trusting(times{}, set.CA)
	otherName.name = "other.test"
	for name, v := range map[string]*pkix{
		"another authority": trusting(times{}, set.OtherCA),
		"another name":      otherName,
	} {
		err := &ServerCertificateError{v.verify([]*x509.Certificate{set.Server.Cert}, at)}
		if f := classify(err); f.Class != messages.ClassServerCertificate {
			t.Errorf("%s: %s", name, f.Class)
		}
	}
}

// A server that calls our certificate expired is no proof while our clock is wrong.
func TestServerCallsUsExpired(t *testing.T) {
	refused := func(alert uint8, known time.Time) messages.Class {
		m := New(testPeer, testEpoch)
		m.Step(now, connect(t, "coaps://192.0.2.1", func(in *messages.Connect) {
			in.Credentials, in.Known = psk(), known
		}))
		effects := m.Step(now, broken{epoch: testEpoch, err: &AlertError{Number: alert, Answered: true}})
		return lost(t, effects).Class
	}
	for _, c := range []struct {
		alert uint8
		known time.Time
		want  messages.Class
	}{
		{alertCertificateExpired, time.Time{}, messages.ClassCredentialsRefused},
		{alertCertificateExpired, now.Add(time.Hour), messages.ClassClock},
		{alertCertificateRevoked, now.Add(time.Hour), messages.ClassCredentialsRefused},
	} {
		if got := refused(c.alert, c.known); got != c.want {
			t.Errorf("alert %d, known %v: %s, want %s", c.alert, c.known, got, c.want)
		}
	}
}
