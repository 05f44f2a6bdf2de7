package behaviour_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// enrolmentWorld has a bootstrap server for certificates of the factory that delivers an
// account with security mode 4, and enrols for certificates that last two minutes.
type enrolmentWorld struct {
	renewalWorld
	issuer *lwm2mtest.Authority
	cfg    holdfast.Config
}

func inEnrolmentWorld(t *testing.T, change func(*lwm2mtest.Enrolment), test func(t *testing.T, w *enrolmentWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &enrolmentWorld{renewalWorld: renewalWorld{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), ca: systemtest.Authority(t)}}
		defer w.Close()
		var err error
		if w.issuer, err = lwm2mtest.NewAuthority("EST CA"); err != nil {
			t.Fatal(err)
		}
		both := w.ca.Pool()
		both.AddCert(w.issuer.Certificate())
		w.server = systemtest.IssueServer(t, w.ca)
		issuedOnly := x509.NewCertPool()
		issuedOnly.AddCert(w.issuer.Certificate())
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(w.server.TLS(), issuedOnly))
		bs := systemtest.Issue(t, w.ca, testpki.Request{Role: testpki.Server, CommonName: "bs", IPs: []net.IP{systemtest.BootstrapAddr.AsSlice()}})
		w.Server.ServeBootstrap(w.ListenBootstrap(systemtest.DTLSPort), lwm2mtest.X509(bs.TLS(), both))
		e := lwm2mtest.Enrolment{Authority: w.issuer, Lifetime: shortLife}
		if change != nil {
			change(&e)
		}
		w.Server.SetEnrolment(&e)
		account := lwm2mtest.AccountConfig{URI: "coaps://192.0.2.1", Enrol: true, ServerCertificate: w.server.Cert.Raw}
		w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: account.Writes()})
		w.cfg = w.NoSec()
		own := systemtest.Issue(t, w.ca, testpki.Request{Role: testpki.Client, CommonName: systemtest.Endpoint}).WriteFiles(t)
		w.cfg.Server, w.cfg.Bootstrap = nil, &holdfast.Account{
			URI: "coaps://192.0.2.2", Security: holdfast.SecurityX509, Certificate: own.Cert, PrivateKey: own.Key, Trust: w.ca.WriteFile(t),
		}
		test(t, w)
	})
}

// again returns of each certificate that was issued whether it was by sren.
func (w *enrolmentWorld) again() (all []bool) {
	for _, e := range w.Server.Enrolled() {
		all = append(all, e.Again)
	}
	return all
}

// A device enrols before its first registration, by the certificate of the factory, and then
// again and again by the one before. The registration outlives them all, and each
// certificate has a key of its own.
func TestDeviceEnrols(t *testing.T) {
	for name, change := range map[string]func(*lwm2mtest.Enrolment){
		"":                                 nil,
		"without authorities":              func(e *lwm2mtest.Enrolment) { e.WithoutAuthorities = true },
		"resources are found by discovery": func(e *lwm2mtest.Enrolment) { e.ShortRootOnly = true },
	} {
		t.Run(name, func(t *testing.T) {
			inEnrolmentWorld(t, change, func(t *testing.T, w *enrolmentWorld) {
				factory := systemtest.Issue(t, w.ca, testpki.Request{Role: testpki.Client, CommonName: systemtest.Endpoint, Lifetime: time.Minute})
				files := factory.WriteFiles(t) // has expired when the device enrols again
				w.cfg.Bootstrap.Certificate, w.cfg.Bootstrap.PrivateKey = files.Cert, files.Key
				c := w.Start(w.cfg)
				e := c.Next(holdfast.EventCredentialsRenewed)
				c.WaitFor(holdfast.Registered)
				for range 3 {
					e = w.expectRenewed(c, e.Expires)
				}
				w.expectKept(c)
				if got := w.again(); !slices.Equal(got, []bool{false, true, true, true}) {
					t.Errorf("enrolled again: %v", got)
				}
				keys := map[string]bool{}
				for _, e := range w.Server.Enrolled() {
					keys[string(e.Certificate.RawSubjectPublicKeyInfo)] = true
				}
				if len(keys) != 4 {
					t.Errorf("%d keys", len(keys))
				}
				c.ExpectClose(nil)
			})
		})
	}
}

// Whatever goes wrong with an enrolment is code 15, and tried again by the policy; the old
// certificate stays in use.
func TestEnrolmentThatFails(t *testing.T) {
	other, err := lwm2mtest.NewAuthority("Other CA")
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*lwm2mtest.Server){
		"refused": func(s *lwm2mtest.Server) {
			s.Misbehave("", lwm2mtest.Reenrol, 1, lwm2mtest.Behaviour{Answer: lwm2m.CodeForbidden})
		},
		"garbage":           func(s *lwm2mtest.Server) { s.SpoilEnrolments(1, lwm2mtest.EnrolmentFault{Garbage: true}) },
		"another key":       func(s *lwm2mtest.Server) { s.SpoilEnrolments(1, lwm2mtest.EnrolmentFault{WrongKey: true}) },
		"another name":      func(s *lwm2mtest.Server) { s.SpoilEnrolments(1, lwm2mtest.EnrolmentFault{CommonName: "other"}) },
		"expired":           func(s *lwm2mtest.Server) { s.SpoilEnrolments(1, lwm2mtest.EnrolmentFault{Expired: true}) },
		"another authority": func(s *lwm2mtest.Server) { s.SpoilEnrolments(1, lwm2mtest.EnrolmentFault{Authority: other}) },
	} {
		t.Run(name, func(t *testing.T) {
			inEnrolmentWorld(t, nil, func(t *testing.T, w *enrolmentWorld) {
				c := w.Start(w.cfg)
				c.WaitFor(holdfast.Registered)
				began := time.Now()
				spoil(w.Server)
				e := c.ExpectError(holdfast.CodeEnrolment)
				if e.Phase != holdfast.PhaseEnrolment || systemtest.Retry(e) != 5*time.Second || e.Action != holdfast.ActionRetry {
					t.Errorf("%+v", e)
				}
				w.expectRenewed(c, began.Add(shortLife))
				if n := w.Server.Registers(systemtest.Endpoint); n != 1 {
					t.Errorf("%d Registers", n)
				}
				c.ExpectClose(nil)
			})
		})
	}
}

// A server that needs time is asked again when it says so, with the same request.
func TestEnrolmentThatTakesTime(t *testing.T) {
	inEnrolmentWorld(t, nil, func(t *testing.T, w *enrolmentWorld) {
		wait := lwm2mtest.Behaviour{Answer: lwm2m.CodeServiceUnavailable, MaxAge: new(uint32(600))}
		w.Server.Misbehave("", lwm2mtest.Enrol, 2, wait)
		c := w.Start(w.cfg)
		for range 2 {
			if e := c.ExpectError(holdfast.CodeEnrolment); systemtest.Retry(e) != 10*time.Minute || e.CoAP != "5.03" {
				t.Errorf("%+v", e)
			}
		}
		c.WaitFor(holdfast.Registered)
		requests := map[string]bool{}
		for _, r := range w.Server.Requests("", lwm2mtest.Enrol) {
			requests[string(r.Payload)] = true
		}
		if len(requests) != 1 {
			t.Errorf("%d different requests", len(requests))
		}
		c.ExpectClose(nil)
	})
}

// A certificate that cannot be stored is not used: code 16, and another one is asked for by
// the policy.
func TestEnrolmentThatCannotBeStored(t *testing.T) {
	for _, renewal := range []bool{false, true} {
		t.Run(fmt.Sprint("renewal ", renewal), func(t *testing.T) {
			inEnrolmentWorld(t, nil, func(t *testing.T, w *enrolmentWorld) {
				full := func(o lwm2mtest.DiskOperation, path string) error {
					issued := len(w.Server.Enrolled())
					if o == lwm2mtest.DiskSync && strings.Contains(path, "enrolment-1") && (issued == 1 && !renewal || issued == 2 && renewal) {
						return syscall.ENOSPC
					}
					return nil
				}
				c := w.Start(w.cfg, lwm2mtest.WithStoreFaults(full))
				if renewal {
					c.WaitFor(holdfast.Registered)
				}
				e := c.ExpectError(holdfast.CodeStoreCredentials)
				if e.Phase != holdfast.PhaseEnrolment || systemtest.Retry(e) != 5*time.Second {
					t.Errorf("%+v", e)
				}
				c.Next(holdfast.EventCredentialsRenewed)
				c.WaitFor(holdfast.Registered)
				if n := w.Server.Registers(systemtest.Endpoint); n != 1 {
					t.Errorf("%d Registers", n)
				}
				c.ExpectClose(nil)
			})
		})
	}
}

// A key that was made here is in no event, and its record is for the client alone.
func TestEnrolledKeyIsKeptSecret(t *testing.T) {
	inEnrolmentWorld(t, nil, func(t *testing.T, w *enrolmentWorld) {
		log := &systemtest.Buffer{}
		logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug - 8}))
		c := w.Start(w.cfg, holdfast.WithLogger(logger))
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
		files, err := filepath.Glob(filepath.Join(w.cfg.StateDir, "enrolment-1*"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, name := range files {
			info, err := os.Stat(name)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
		data, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		i := bytes.Index(data, []byte{0x02, 0x01, 0x01, 0x04, 0x20}) // ECPrivateKey (RFC 5915), of 32 bytes
		if i < 0 {
			t.Fatal("the record has no key")
		}
		key := data[i+5:][:32]
		for _, e := range c.Seen {
			if text := fmt.Sprintf("%+v", e); strings.Contains(text, fmt.Sprintf("%x", key)) || strings.Contains(text, string(key)) {
				t.Errorf("an event has the key: %s", text)
			}
		}
		if text := log.String(); len(text) == 0 || strings.Contains(text, fmt.Sprintf("%x", key)) || strings.Contains(text, fmt.Sprint(key)[1:40]) {
			t.Error("the log has the key, or nothing")
		}
	})
}

// A device that was off until after the end of its certificate bootstraps, enrols by the
// certificate of the factory, and registers.
func TestEnrolledCertificateThatExpired(t *testing.T) {
	inEnrolmentWorld(t, nil, func(t *testing.T, w *enrolmentWorld) {
		c := w.Start(w.cfg)
		c.WaitFor(holdfast.Registered)
		cfg := w.Kill(c, w.cfg)
		systemtest.Rest(time.Hour)
		c = w.Start(cfg)
		if e := c.ExpectError(holdfast.CodeSecureConnection); e.Action != holdfast.ActionBootstrap {
			t.Errorf("%+v", e)
		}
		c.Next(holdfast.EventBootstrapped)
		c.WaitFor(holdfast.Registered)
		if got := w.again(); !slices.Equal(got, []bool{false, false}) {
			t.Errorf("enrolled again: %v", got)
		}
		c.ExpectClose(nil)
	})
}

// A device that is killed at any moment of an enrolment, or of a renewal, registers by
// itself, and goes on renewing.
func TestKilledWhileEnrolling(t *testing.T) {
	for _, from := range []time.Duration{0, 107 * time.Second} {
		for n := range 24 {
			t.Run(fmt.Sprint(from, " ", n), func(t *testing.T) {
				inEnrolmentWorld(t, nil, func(t *testing.T, w *enrolmentWorld) {
					w.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: 100 * time.Millisecond})
					c := w.Start(w.cfg)
					if from > 0 {
						c.WaitFor(holdfast.Registered)
					}
					systemtest.Rest(from + time.Duration(n)*300*time.Millisecond)
					cfg := w.Kill(c, w.cfg)
					systemtest.Rest(time.Duration(n) * time.Second)
					c = w.Start(cfg)
					c.WaitFor(holdfast.Registered)
					systemtest.Rest(5 * time.Minute)
					c.WaitFor(holdfast.Registered) // it may be going over to the next one
					at := c.Explain().Connections
					if expires := at[len(at)-1].CertificateExpires; !expires.After(time.Now()) {
						t.Errorf("the certificate in use has expired at %v%s", expires, c.Story())
					}
					c.ExpectClose(nil)
				})
			})
		}
	}
}

// A clock that jumps far ahead, and by which every certificate has expired, destroys nothing:
// attempts fail by the policy, the registration stays, and when the clock is right again the
// certificate is renewed by the one that was there.
func TestEnrolmentAndAClockThatJumps(t *testing.T) {
	inEnrolmentWorld(t, func(e *lwm2mtest.Enrolment) { e.Lifetime = 24 * time.Hour }, func(t *testing.T, w *enrolmentWorld) {
		clock := lwm2mtest.NewWallClock(time.Now())
		c := w.Start(w.cfg, lwm2mtest.WithWallClock(clock))
		c.WaitFor(holdfast.Registered)
		c.Next(holdfast.EventRegistered)
		clock.Set(time.Now().AddDate(30, 0, 0))
		for n := range uint64(4) {
			if e := c.ExpectError(holdfast.CodeEnrolment); systemtest.Retry(e) != systemtest.Delay(5*time.Second, n) {
				t.Errorf("%+v", e)
			}
		}
		clock.Set(time.Now())
		c.Next(holdfast.EventCredentialsRenewed)
		c.WaitFor(holdfast.Registered)
		if got := w.again(); !slices.Equal(got, []bool{false, true}) || w.Server.Registers(systemtest.Endpoint) != 1 {
			t.Errorf("enrolled again: %v; %d Registers", got, w.Server.Registers(systemtest.Endpoint))
		}
		c.ExpectClose(nil)
	})
}
