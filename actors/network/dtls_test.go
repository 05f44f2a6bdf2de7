package network

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/messages"
)

// pskServer is pion's server with one identity.
func pskServer() *dtls.Config {
	return &dtls.Config{
		PSK: func(identity []byte) ([]byte, error) {
			if string(identity) != psk().Identity {
				return nil, errors.New("unknown identity")
			}
			return psk().Key, nil
		},
		CipherSuites:  pskSuites,
		LoggerFactory: quiet,
	}
}

// x509Server is pion's server with a certificate, which demands one of the
// set's own clients.
func x509Server(set *testpki.Set, leaf *testpki.Leaf) *dtls.Config {
	return &dtls.Config{
		Certificates:  []tls.Certificate{leaf.TLS()},
		ClientAuth:    dtls.RequireAndVerifyClientCert,
		ClientCAs:     set.CA.Pool(),
		CipherSuites:  x509Suites,
		LoggerFactory: quiet,
	}
}

// x509Client are credentials of usage 2 that the set's server accepts.
func x509Client(t testing.TB, set *testpki.Set, own *testpki.Leaf) messages.Credentials {
	t.Helper()
	key, err := own.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	return messages.Credentials{
		Mode:               messages.SecurityX509,
		Certificate:        [][]byte{own.Cert.Raw},
		PrivateKey:         key,
		Usage:              messages.UsageTrustAnchor,
		ServerCertificates: [][]byte{set.CA.Cert.Raw},
	}
}

func newSet(t testing.TB) *testpki.Set {
	t.Helper()
	set, err := testpki.NewSet("device")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// secure makes credentials ready, as the machine does.
func secure(t testing.TB, target string, c messages.Credentials) *security {
	t.Helper()
	s, err := newSecurity(parse(t, target), c, times{now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// echo runs a server that sends back what it decrypts, until its pipe closes.
// The channel gives the handshake's result.
func echo(remote *pipe, config *dtls.Config) <-chan error {
	result := make(chan error, 1)
	go func() {
		conn, err := dtls.ServerWithContext(context.Background(), remote, remote.RemoteAddr(), config)
		result <- err
		if err != nil {
			remote.Close()
			return
		}
		defer conn.Close()
		buffer := make([]byte, readBufferSize)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			if _, err := conn.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	return result
}

// wantEcho fails the test unless the session carries datagrams both ways.
func wantEcho(t *testing.T, s session) {
	t.Helper()
	for _, size := range []int{1, 60, 1200, 4000} {
		sent := bytes.Repeat([]byte{7}, size)
		if err := s.Write(sent); err != nil {
			t.Fatal(err)
		}
		got, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("sent %d bytes, got %d back or others", size, len(got))
		}
	}
}

func TestHandshakes(t *testing.T) {
	tests := []struct {
		name        string
		target      string
		server      func(*testpki.Set) *dtls.Config
		credentials func(*testing.T, *testpki.Set) messages.Credentials
	}{
		{"PSK", "coaps://server.test",
			func(*testpki.Set) *dtls.Config { return pskServer() },
			func(*testing.T, *testpki.Set) messages.Credentials { return psk() }},
		{"PSK with GCM", "coaps://server.test",
			func(*testpki.Set) *dtls.Config {
				config := pskServer()
				config.CipherSuites = pskSuites[1:]
				return config
			},
			func(*testing.T, *testpki.Set) messages.Credentials { return psk() }},
		{"usage 2, DNS name", "coaps://server.test",
			func(set *testpki.Set) *dtls.Config { return x509Server(set, set.Server) },
			func(t *testing.T, set *testpki.Set) messages.Credentials { return x509Client(t, set, set.Client) }},
		{"usage 2, IPv4 SAN", "coaps://127.0.0.1",
			func(set *testpki.Set) *dtls.Config { return x509Server(set, set.Server) },
			func(t *testing.T, set *testpki.Set) messages.Credentials { return x509Client(t, set, set.Client) }},
		{"usage 2, IPv6 SAN", "coaps://[::1]",
			func(set *testpki.Set) *dtls.Config { return x509Server(set, set.Server) },
			func(t *testing.T, set *testpki.Set) messages.Credentials { return x509Client(t, set, set.Client) }},
		{"usage 2, ServerName", "coaps://192.0.2.1",
			func(set *testpki.Set) *dtls.Config { return x509Server(set, set.Server) },
			func(t *testing.T, set *testpki.Set) messages.Credentials {
				c := x509Client(t, set, set.Client)
				c.ServerName = testpki.ServerName
				return c
			}},
		{"usage 2, GCM", "coaps://server.test",
			func(set *testpki.Set) *dtls.Config {
				config := x509Server(set, set.Server)
				config.CipherSuites = x509Suites[3:]
				return config
			},
			func(t *testing.T, set *testpki.Set) messages.Credentials { return x509Client(t, set, set.Client) }},
		{"usage 3, expired and of another name and authority", "coaps://server.test",
			func(set *testpki.Set) *dtls.Config { return x509Server(set, set.ServerExpired) },
			func(t *testing.T, set *testpki.Set) messages.Credentials {
				c := x509Client(t, set, set.Client)
				c.Usage, c.ServerCertificates = messages.UsageServerCertificate, [][]byte{set.ServerExpired.Cert.Raw}
				return c
			}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := newSet(t)
				client, remote := newPipe(t)
				result := echo(remote, test.server(set))
				s, err := shakeHands(within(t, time.Minute), client, secure(t, test.target, test.credentials(t, set)), terms{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := <-result; err != nil {
					t.Errorf("server: %v", err)
				}
				wantEcho(t, s)
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				if !client.isClosed() {
					t.Error("the socket is still open")
				}
			})
		})
	}
}

func TestWrongKeyStallsUntilTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, remote := newPipe(t)
		result := echo(remote, pskServer())
		credentials := psk()
		credentials.Key = messages.Secret("another key")
		begin := time.Now()
		_, err := shakeHands(within(t, 20*time.Second), client, secure(t, "coaps://server.test", credentials), terms{}, nil)
		if waited := time.Since(begin); waited != 20*time.Second {
			t.Errorf("it took %v, want 20s", waited)
		}
		if timeout := wantAs[*HandshakeTimeoutError](t, err); !timeout.Stalled() || timeout.Datagrams == 0 {
			t.Errorf("got %+v, want a whole flight", timeout)
		}
		wantClass(t, err, messages.ClassHandshakeStalled)
		remote.Close()
		<-result
	})
}

// RFC 6347 section 4.2.4.1: 1 s, doubled, at most 60 s.
func TestBlackHoleResendsExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newPipe(t)
		begin := time.Now()
		var sent []time.Duration
		client.intercept(func([]byte) bool {
			sent = append(sent, time.Since(begin))
			return true
		})
		_, err := shakeHands(within(t, 200*time.Second), client, secure(t, "coaps://server.test", psk()), terms{}, nil)
		if waited := time.Since(begin); waited != 200*time.Second {
			t.Errorf("it took %v, want 200s", waited)
		}
		want := seconds(0, 1, 3, 7, 15, 31, 63, 123, 183)
		if !slices.Equal(sent, want) {
			t.Errorf("flights left at %v, want %v", sent, want)
		}
		if timeout := wantAs[*HandshakeTimeoutError](t, err); timeout.ServerHello || timeout.Datagrams != 0 {
			t.Errorf("got %+v, want nothing received", timeout)
		}
		wantClass(t, err, messages.ClassHandshakeTimeout)
		if !client.isClosed() {
			t.Error("the socket is still open")
		}
	})
}

// The last flight has several messages and, with certificates, several
// datagrams: all of them are spaced together. From the third resend on they are
// smaller, as a path that loses large ones may need.
func TestFlight5ResendsExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := newSet(t)
		own, err := set.CA.Issue(testpki.Request{Role: testpki.Client, CommonName: "device", Padding: 2500})
		if err != nil {
			t.Fatal(err)
		}
		client, remote := newPipe(t)
		begin := time.Now()
		sent := make(map[time.Duration]int)
		hellos := 0
		client.intercept(func(datagram []byte) bool {
			if m, ok := firstMessage(datagram); ok && m.Type == handshake.TypeClientHello {
				hellos++
				return false
			}
			sent[time.Since(begin)]++
			return true
		})
		server := x509Server(set, set.Server)
		server.FlightInterval = time.Hour
		result := echo(remote, server)
		_, err = shakeHands(within(t, 100*time.Second), client, secure(t, "coaps://server.test", x509Client(t, set, own)), terms{}, nil)
		wantClass(t, err, messages.ClassHandshakeStalled)
		if hellos != 2 {
			t.Errorf("%d ClientHellos left, want 2", hellos)
		}
		instants := seconds(0, 1, 3, 7, 15, 31, 63)
		if len(sent) != len(instants) {
			t.Errorf("flight 5 left at %v, want %v", sent, instants)
		}
		for i, at := range instants {
			want := 3
			if i >= 3 {
				want = 7
			}
			if sent[at] != want {
				t.Errorf("%d datagrams at %v, want %d", sent[at], at, want)
			}
		}
		remote.Close()
		<-result
	})
}

func TestHandshakeSurvivesLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, remote := newPipe(t)
		everySecond := func(count int) func([]byte) bool {
			return func([]byte) bool { count++; return count%2 == 0 }
		}
		client.intercept(everySecond(1))
		remote.intercept(everySecond(0))
		result := echo(remote, pskServer())
		s, err := shakeHands(within(t, time.Minute), client, secure(t, "coaps://server.test", psk()), terms{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		client.intercept(nil)
		remote.intercept(nil)
		<-result
		wantEcho(t, s)
		s.Close()
	})
}
