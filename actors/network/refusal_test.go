package network

import (
	"context"
	"crypto/x509"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"
	pionhandshake "github.com/pion/dtls/v2/pkg/protocol/handshake"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestServerCertificateRefused(t *testing.T) {
	tests := []struct {
		name   string
		target string
		leaf   func(*testpki.Set) *testpki.Leaf
		change func(*testpki.Set, *messages.Credentials)
		check  func(*testing.T, error)
	}{
		{"unknown authority", "coaps://server.test",
			func(s *testpki.Set) *testpki.Leaf { return s.ServerOtherCA }, nil,
			func(t *testing.T, err error) { wantAs[x509.UnknownAuthorityError](t, err) }},
		{"expired", "coaps://server.test",
			func(s *testpki.Set) *testpki.Leaf { return s.ServerExpired }, nil,
			func(t *testing.T, err error) {
				if got := wantAs[x509.CertificateInvalidError](t, err).Reason; got != x509.Expired {
					t.Errorf("got reason %v, want Expired", got)
				}
			}},
		{"other name", "coaps://server.test",
			func(s *testpki.Set) *testpki.Leaf { return s.ServerOtherName }, nil,
			func(t *testing.T, err error) { wantAs[x509.HostnameError](t, err) }},
		{"other address", "coaps://192.0.2.9",
			func(s *testpki.Set) *testpki.Leaf { return s.ServerOtherName }, nil,
			func(t *testing.T, err error) { wantAs[x509.HostnameError](t, err) }},
		{"a client's certificate", "coaps://device",
			func(s *testpki.Set) *testpki.Leaf { return s.Client }, nil,
			func(t *testing.T, err error) {
				if got := wantAs[x509.CertificateInvalidError](t, err).Reason; got != x509.IncompatibleUsage {
					t.Errorf("got reason %v, want IncompatibleUsage", got)
				}
			}},
		{"usage 3, another leaf", "coaps://server.test",
			func(s *testpki.Set) *testpki.Leaf { return s.Server },
			func(s *testpki.Set, c *messages.Credentials) {
				c.Usage, c.ServerCertificates = messages.UsageServerCertificate, [][]byte{s.ServerOtherName.Cert.Raw}
			},
			func(t *testing.T, err error) { wantAs[*UnexpectedCertificateError](t, err) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := newSet(t)
				client, remote := newPipe(t)
				result := echo(remote, x509Server(set, test.leaf(set)))
				credentials := x509Client(t, set, set.Client)
				if test.change != nil {
					test.change(set, &credentials)
				}
				begin := time.Now()
				_, err := shakeHands(within(t, time.Minute), client, secure(t, test.target, credentials), terms{}, nil)
				test.check(t, err)
				wantAs[*ServerCertificateError](t, err)
				wantClass(t, err, messages.ClassServerCertificate)
				if waited := time.Since(begin); waited != time.Second {
					t.Errorf("it took %v, want the second in which something may contradict", waited)
				}
				if number, ok := alertIn(<-result); !ok || number != alertBadCertificate {
					t.Errorf("the server got alert %d (%v), want 42", number, ok)
				}
			})
		})
	}
}

// The server's verdict on the client, as alerts.
func TestClientRefused(t *testing.T) {
	tests := []struct {
		name   string
		server func(*testpki.Set) *dtls.Config
		own    func(*testpki.Set) *testpki.Leaf
		alert  uint8
		class  messages.Class
	}{
		// pion hides why it dislikes a certificate: bad_certificate
		{"client of another authority",
			func(s *testpki.Set) *dtls.Config { return x509Server(s, s.Server) },
			func(s *testpki.Set) *testpki.Leaf { return s.ClientOtherCA }, 42, messages.ClassCredentialsRefused},
		{"no common suite",
			func(s *testpki.Set) *dtls.Config {
				config := x509Server(s, s.Server)
				config.CipherSuites = []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}
				return config
			},
			func(s *testpki.Set) *testpki.Leaf { return s.Client }, 71, messages.ClassAlert},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := newSet(t)
				client, remote := newPipe(t)
				result := echo(remote, test.server(set))
				credentials := x509Client(t, set, test.own(set))
				_, err := shakeHands(within(t, time.Minute), client, secure(t, "coaps://server.test", credentials), terms{}, nil)
				if got := wantAs[*AlertError](t, err).Number; got != test.alert {
					t.Errorf("got alert %d, want %d", got, test.alert)
				}
				wantClass(t, err, test.class)
				<-result
			})
		})
	}
}

// pion's server answers an unknown identity with internal_error at once; it
// says nothing at all when the key is wrong.
func TestUnknownIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, remote := newPipe(t)
		result := echo(remote, pskServer())
		credentials := psk()
		credentials.Identity = "stranger"
		_, err := shakeHands(within(t, time.Minute), client, secure(t, "coaps://server.test", credentials), terms{}, nil)
		if got := wantAs[*AlertError](t, err).Number; got != 80 {
			t.Errorf("got alert %d, want 80", got)
		}
		wantClass(t, err, messages.ClassAlert)
		<-result
	})
}

// A server that picks what was not offered is refused by this side.
func TestSuiteThatWasNotOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, remote := newPipe(t)
		config := pskServer()
		config.ServerHelloMessageHook = func(hello pionhandshake.MessageServerHello) pionhandshake.Message {
			cbc := uint16(dtls.TLS_PSK_WITH_AES_128_CBC_SHA256)
			hello.CipherSuiteID = &cbc
			return &hello
		}
		result := echo(remote, config)
		_, err := shakeHands(within(t, time.Minute), client, secure(t, "coaps://server.test", psk()), terms{}, nil)
		if got := wantAs[*HandshakeError](t, err).Alert; got != 47 {
			t.Errorf("our alert is %d, want 47", got)
		}
		if failure := classify(err); failure.Class != messages.ClassAlert || failure.Alert != nil {
			t.Errorf("got %+v", failure)
		}
		<-result
	})
}

// Every HelloVerifyRequest with another cookie asks for another ClientHello.
// The first one gets it at once, the others with the next resend.
func TestHelloVerifyLoopIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newPipe(t)
		sent := 0
		client.intercept(func([]byte) bool {
			cookie := []byte{0xfe, 0xfd, 2, byte(sent >> 8), byte(sent)}
			client.inject(rawRecord(record.Handshake, 0, handshakeMessage(handshake.TypeHelloVerifyRequest, 0, cookie)))
			sent++
			return true
		})
		_, err := shakeHands(within(t, 10*time.Second), client, secure(t, "coaps://server.test", psk()), terms{}, nil)
		wantClass(t, err, messages.ClassHandshakeTimeout)
		if sent != 5 {
			t.Errorf("%d ClientHellos left, want 5: one, one with the first cookie, and the resends", sent)
		}
	})
}

// An alert to a ClientHello cannot be about credentials, which nobody has seen.
// It is believed when a second has brought nothing better.
func TestAlertToFirstClientHello(t *testing.T) {
	for _, number := range []uint8{0, 10, 20, 40, 42, 43, 44, 45, 46, 47, 48, 49, 51, 70, 71, 80, 112, 115, 116, 255} {
		class := messages.ClassAlert
		if number == 0 {
			class = messages.ClassClosed
		}
		synctest.Test(t, func(t *testing.T) {
			client, remote := newPipe(t)
			client.intercept(func([]byte) bool {
				client.inject(alertRecord(2, number))
				return true
			})
			begin := time.Now()
			_, err := shakeHands(within(t, time.Minute), client, secure(t, "coaps://server.test", psk()), terms{}, nil)
			if got := wantAs[*AlertError](t, err); got.Number != number || got.Answered {
				t.Errorf("got %+v, want alert %d", got, number)
			}
			if waited := time.Since(begin); waited != time.Second {
				t.Errorf("it took %v, want 1s", waited)
			}
			failure := classify(err)
			if failure.Class != class || failure.Alert == nil || *failure.Alert != number {
				t.Errorf("alert %d: got class %v, alert %v; want class %v", number, failure.Class, failure.Alert, class)
			}
			remote.Close()
		})
	}
}

// A server may close its port behind its alert: the resend that is due before
// the alert is believed finds nobody there.
func TestAlertOfAServerThatIsGone(t *testing.T) {
	for name, refuse := range map[string]func(*pipe){
		"on read":  func(p *pipe) { p.failRead(syscall.ECONNREFUSED) },
		"on write": func(p *pipe) { p.failWrites(syscall.ECONNREFUSED) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, _ := newPipe(t)
				go func() {
					time.Sleep(time.Millisecond)
					client.inject(alertRecord(2, 49))
					synctest.Wait()
					refuse(client)
				}()
				_, err := shakeHands(within(t, time.Minute), client, secure(t, "coaps://server.test", psk()), terms{}, nil)
				if got := wantAs[*AlertError](t, err); got.Number != 49 {
					t.Errorf("got %+v, want alert 49", got)
				}
				wantClass(t, err, messages.ClassAlert)
			})
		})
	}
}

// A warning is not the end of a handshake.
func TestWarningIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newPipe(t)
		client.intercept(func([]byte) bool {
			client.inject(alertRecord(1, 112))
			return true
		})
		_, err := shakeHands(within(t, 5*time.Second), client, secure(t, "coaps://server.test", psk()), terms{}, nil)
		wantClass(t, err, messages.ClassHandshakeTimeout)
	})
}

func TestSocketErrorsEndAHandshakeAtOnce(t *testing.T) {
	tests := map[string]struct {
		fail  func(*pipe)
		class messages.Class
		errno syscall.Errno
	}{
		"refused on read":    {func(p *pipe) { p.failRead(syscall.ECONNREFUSED) }, messages.ClassRefused, syscall.ECONNREFUSED},
		"refused on write":   {func(p *pipe) { p.failWrites(syscall.ECONNREFUSED) }, messages.ClassRefused, syscall.ECONNREFUSED},
		"prohibited":         {func(p *pipe) { p.failWrites(syscall.EPERM) }, messages.ClassUnreachable, syscall.EPERM},
		"address is gone":    {func(p *pipe) { p.failWrites(syscall.ENETUNREACH) }, messages.ClassUnreachable, syscall.ENETUNREACH},
		"host unreachable":   {func(p *pipe) { p.failRead(syscall.EHOSTUNREACH) }, messages.ClassUnreachable, syscall.EHOSTUNREACH},
		"datagram too large": {func(p *pipe) { p.failWrites(syscall.EMSGSIZE) }, messages.ClassSocket, syscall.EMSGSIZE},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, _ := newPipe(t)
				test.fail(client)
				begin := time.Now()
				_, err := shakeHands(within(t, time.Minute), client, secure(t, "coaps://server.test", psk()), terms{}, nil)
				if !errors.Is(err, test.errno) {
					t.Errorf("got %v, want %v", err, test.errno)
				}
				if got := wantAs[*SocketError](t, err).Remote; got != server {
					t.Errorf("the error names %v, want %v", got, server)
				}
				wantClass(t, err, test.class)
				if waited := time.Since(begin); waited != 0 {
					t.Errorf("it took %v", waited)
				}
				if !client.isClosed() {
					t.Error("the socket is still open")
				}
			})
		})
	}
}

func TestCancelEndsAHandshakeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newPipe(t)
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(1500*time.Millisecond, cancel)
		begin := time.Now()
		_, err := shakeHands(ctx, client, secure(t, "coaps://server.test", psk()), terms{}, nil)
		if waited := time.Since(begin); waited != 1500*time.Millisecond {
			t.Errorf("it took %v, want 1.5s", waited)
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		if !client.isClosed() {
			t.Error("the socket is still open")
		}
	})
}
