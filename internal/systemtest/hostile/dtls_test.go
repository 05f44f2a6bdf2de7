package hostile_test

import (
	"bytes"
	"net"
	"testing"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Rows 31 and 33: what a server can do to a handshake before anything is
// authenticated costs one attempt: a bounded number of packets, one error, and
// a good server registers the client by the policy. A server that insists on
// another version or a suite that was not offered is no reason to give in.
func TestHostile31And33HostileHandshakesCostOneAttempt(t *testing.T) {
	sequence := uint64(0)
	hello := func(kind byte, messageSequence uint16, body []byte) []byte {
		sequence++
		return dtlsRecord(22, 0, sequence, dtlsMessage(kind, messageSequence, body))
	}
	verify := func(cookie int, n uint16) []byte {
		return hello(3, n, append([]byte{0xfe, 0xfd, byte(cookie)}, make([]byte, cookie)...))
	}
	fragment := func(length, offset, size int) []byte {
		m := []byte{2, byte(length >> 16), byte(length >> 8), byte(length), 0, 0,
			byte(offset >> 16), byte(offset >> 8), byte(offset), byte(size >> 16), byte(size >> 8), byte(size)}
		sequence++
		return dtlsRecord(22, 0, sequence, append(m, make([]byte, size)...))
	}
	n := uint16(0)
	for name, answer := range map[string]func() [][]byte{
		"HelloVerifyRequest for ever": func() [][]byte {
			n++
			return [][]byte{verify(20, n-1)}
		},
		"cookie of 255 bytes": func() [][]byte { return [][]byte{verify(255, 0)} },
		"cookie beyond its message": func() [][]byte {
			return [][]byte{hello(3, 0, []byte{0xfe, 0xfd, 255, 1, 2, 3})}
		},
		"message of 16 MiB in pieces": func() [][]byte {
			var out [][]byte
			for i := range 20 {
				out = append(out, fragment(1<<24-1, i*1000, 1000))
			}
			return out
		},
		"overlapping fragments": func() [][]byte {
			return [][]byte{fragment(100, 0, 60), fragment(100, 30, 60), fragment(50, 20, 40), fragment(100, 90, 60)}
		},
		"fragment beyond its message": func() [][]byte { return [][]byte{fragment(10, 5, 1000)} },
		"DTLS 1.0": func() [][]byte {
			return [][]byte{hello(2, 0, serverHello(0xfeff, 0xc0a8)), hello(14, 1, nil)}
		},
		"suite that was not offered": func() [][]byte {
			return [][]byte{hello(2, 0, serverHello(0xfefd, 0x002f)), hello(14, 1, nil)}
		},
		"NULL suite": func() [][]byte {
			return [][]byte{hello(2, 0, serverHello(0xfefd, 0x0000)), hello(14, 1, nil)}
		},
		"ECDHE_PSK": func() [][]byte {
			return [][]byte{hello(2, 0, serverHello(0xfefd, 0xc037)), hello(12, 1, []byte{0, 0, 3, 0, 23, 0}), hello(14, 2, nil)}
		},
		"certificates of 64 KiB": func() [][]byte {
			out := [][]byte{hello(2, 0, serverHello(0xfefd, 0xc0ae))}
			for range 64 {
				out = append(out, hello(11, 1, bytes.Repeat([]byte{0, 4, 0}, 340)))
			}
			return out
		},
		"records of garbage": func() [][]byte {
			return [][]byte{bytes.Repeat([]byte{0x16}, 8000), dtlsRecord(22, 0, 1, bytes.Repeat([]byte{0xff}, 4000))}
		},
		"CoAP": func() [][]byte { return [][]byte{{0x60, 0x41, 0, 1}} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				pc := w.Listen(systemtest.DTLSPort)
				w.ScriptRaw(pc, func([]byte) [][]byte { return answer() })
				c := w.Start(w.PSK())
				e := c.Next(holdfast.EventError)
				switch e.Code {
				case holdfast.CodeTimeout, holdfast.CodeNetwork, holdfast.CodeSecureConnection:
				default:
					t.Errorf("%+v", e)
				}
				t.Logf("%s: %s", e.Name, e.Detail)
				sent := 0
				for _, p := range w.Network.Packets() {
					if p.From.Addr() == systemtest.GatewayAddr {
						sent++
					}
				}
				if sent > 300 {
					t.Errorf("%d packets in one attempt", sent)
				}
				if err := pc.Close(); err != nil {
					t.Fatal(err)
				}
				w.ServePSK()
				w.ExpectHealthy(c)
				c.ExpectClose(nil)
			})
		})
	}
}

// undisturbed has somebody write the address of a server to a client that is
// registered over PSK, and demands that the client reports nothing and goes on.
func undisturbed(t *testing.T, attack func(w *systemtest.World, server net.PacketConn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		server := w.Listen(systemtest.DTLSPort)
		w.Server.ServeManagement(server, lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key))
		c := w.Start(w.PSK())
		c.WaitFor(holdfast.Registered)
		c.Next(holdfast.EventRegistered)
		attack(w, server)
		c.ExpectQuiet()
		w.ExpectHealthy(c)
		c.ExpectClose(nil)
	})
}

// Row 2: a record that is larger than the buffer is dropped, and the session
// goes on.
func TestHostile02OversizedRecordIsDropped(t *testing.T) {
	undisturbed(t, func(w *systemtest.World, server net.PacketConn) {
		for _, size := range []int{8192, 8193, 16384, 65000} {
			w.Inject(server, dtlsRecord(23, 1, 100, make([]byte, size-13)))
		}
		w.Inject(server, bytes.Repeat(dtlsRecord(21, 1, 100, []byte{2, 40}), 4000))
	})
}

// Row 31: a server cannot make the client renegotiate.
func TestHostile31RenegotiationIsRefused(t *testing.T) {
	undisturbed(t, func(w *systemtest.World, server net.PacketConn) {
		before := w.LastPacket()
		for n := range uint16(20) {
			w.Inject(server, dtlsRecord(22, 0, uint64(50+n), dtlsMessage(0, n, nil)))
			w.Inject(server, dtlsRecord(22, 1, uint64(50+n), dtlsMessage(0, n, nil)))
			synctest.Wait()
		}
		for _, p := range w.Network.Packets() {
			if p.Seq > before && p.From.Addr() == systemtest.GatewayAddr {
				w.T.Errorf("sent %x", p.Data)
			}
		}
	})
}

// Row 32: a server certificate that is expired, for another purpose, for
// another name or from somebody else is refused in every attempt; once the
// server has a good one, the client registers without a person.
func TestHostile32BadServerCertificatesAreRefused(t *testing.T) {
	for name, pick := range map[string]func(*testpki.Set) *testpki.Leaf{
		"expired":           func(s *testpki.Set) *testpki.Leaf { return s.ServerExpired },
		"another authority": func(s *testpki.Set) *testpki.Leaf { return s.ServerOtherCA },
		"another name":      func(s *testpki.Set) *testpki.Leaf { return s.ServerOtherName },
		"a client's":        func(s *testpki.Set) *testpki.Leaf { return s.Client },
		"name in the CN only": func(s *testpki.Set) *testpki.Leaf {
			return leafOf(t, s, testpki.Request{CommonName: testpki.ServerName})
		},
		"wildcard of all": func(s *testpki.Set) *testpki.Leaf {
			return leafOf(t, s, testpki.Request{DNSNames: []string{"*", "*.test.", "*."}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				pki, err := testpki.NewSet(systemtest.Endpoint)
				if err != nil {
					t.Fatal(err)
				}
				service := w.Serve(systemtest.DTLSPort, lwm2mtest.X509(pick(pki).TLS(), pki.CA.Pool()))
				files := pki.Client.WriteFiles(t)
				cfg := w.NoSec()
				cfg.Server = &holdfast.Account{
					URI: "coaps://" + testpki.ServerName, Security: holdfast.SecurityX509,
					Certificate: files.Cert, PrivateKey: files.Key, Trust: pki.CA.WriteFile(t),
				}
				c := w.Start(cfg)
				for attempt := range uint64(3) {
					e := c.Next(holdfast.EventError)
					if e.Code != holdfast.CodeSecureConnection || e.Attempt != attempt+1 {
						t.Errorf("%+v", e)
					}
				}
				if w.Server.Seen(systemtest.Endpoint, lwm2mtest.Register) > 0 {
					t.Error("a Register came through")
				}
				service.SetCertificate(pki.Server.TLS())
				w.ExpectHealthy(c)
				c.ExpectClose(nil)
			})
		})
	}
}

func leafOf(t *testing.T, s *testpki.Set, r testpki.Request) *testpki.Leaf {
	t.Helper()
	leaf, err := s.CA.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}
