package lwm2mtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

var pskKey = []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// pskClient is the configuration of a pion client.
func pskClient(identity string, key []byte) *dtls.Config {
	return &dtls.Config{
		LoggerFactory: silentLogs, PSKIdentityHint: []byte(identity),
		PSK:          func([]byte) ([]byte, error) { return key, nil },
		CipherSuites: []dtls.CipherSuiteID{dtls.TLS_PSK_WITH_AES_128_CCM_8},
	}
}

// x509Client is the configuration of a pion client; leaf may be nil.
func x509Client(ca *testpki.Authority, leaf *testpki.Leaf) *dtls.Config {
	c := &dtls.Config{
		LoggerFactory: silentLogs, RootCAs: ca.Pool(), ServerName: testpki.ServerName,
		CipherSuites: []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8},
	}
	if leaf != nil {
		c.Certificates = []tls.Certificate{leaf.TLS()}
	}
	return c
}

// connected makes a connected socket a net.PacketConn for pion.
type connected struct{ net.Conn }

func (c connected) ReadFrom(buf []byte) (int, net.Addr, error) {
	n, err := c.Read(buf)
	return n, c.RemoteAddr(), err
}

func (c connected) WriteTo(data []byte, _ net.Addr) (int, error) { return c.Write(data) }

// handshake connects a DTLS client within a minute.
func (r *rig) handshake(port uint16, config *dtls.Config) (*client, error) {
	r.t.Helper()
	conn := must(r.terminal.Dial(r.t.Context(), netip.AddrPortFrom(serverAddr, port)))(r.t)
	return r.handshakeOver(conn, config)
}

func (r *rig) handshakeOver(conn net.Conn, config *dtls.Config) (*client, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	session, err := dtls.ClientWithContext(ctx, connected{conn}, conn.RemoteAddr(), config)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &client{t: r.t, conn: session, mid: 100}, nil
}

// mustHandshake is handshake that must succeed; the session is closed at the
// end.
func (r *rig) mustHandshake(port uint16, config *dtls.Config) *client {
	r.t.Helper()
	return must(r.handshake(port, config))(r.t)
}

// alert returns the number of the fatal alert that err stands for, or 0.
func alert(err error) byte {
	var a interface {
		error
		Marshal() ([]byte, error)
	}
	if !errors.As(err, &a) {
		return 0
	}
	raw, err := a.Marshal()
	if err != nil || len(raw) != 2 {
		return 0
	}
	return raw[1]
}

func TestDTLSPSK(t *testing.T) {
	serverBubble(t, ServerOptions{}, PSK("gw-id", pskKey), func(t *testing.T, r *rig) {
		c := r.mustHandshake(5683, pskClient("gw-id", pskKey))
		location := c.register("gw")
		if reg, _ := r.server.Registration("gw"); reg.Identity != "gw-id" {
			t.Errorf("identity %q", reg.Identity)
		}
		go func() { c.answerWith(c.next(), lwm2m.CodeContent, []byte("x")) }()
		if _, err := r.server.Read(t.Context(), "gw", "/3", lwm2m.FormatTLV); err != nil {
			t.Error(err)
		}
		assertCode(t, c.ask(c.message(lwm2m.CodeDELETE, location, nil, "")), lwm2m.CodeDeleted)
		if err := c.conn.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A ClientHello that comes again, as a resend, while the server works at its answer: nothing
// reads what that sets, which the race detector would see.
func TestDTLSClientHelloDuringTheAnswer(t *testing.T) {
	security := PSK("gw", pskKey)
	security.ConnectionID = true
	serverBubble(t, ServerOptions{}, security, func(t *testing.T, r *rig) {
		config := pskClient("gw", pskKey)
		config.ConnectionIDGenerator = dtls.OnlySendCIDGenerator()
		for range 20 {
			conn := must(r.terminal.Dial(t.Context(), netip.AddrPortFrom(serverAddr, 5683)))(t)
			c := must(r.handshakeOver(&insistent{Conn: conn}, config))(t)
			c.register("gw")
			_ = c.conn.Close()
		}
		if d := time.Since(r.start); d != 0 {
			t.Errorf("it took %v", d)
		}
	})
}

// insistent sends each ClientHello with a cookie three times, as resends: with record
// sequence numbers of their own.
type insistent struct{ net.Conn }

func (c *insistent) Write(data []byte) (int, error) {
	if hello, ok := parseClientHello(data); ok && hello.message == 1 {
		for i := range byte(2) {
			again := bytes.Clone(data)
			again[10] += 30 + i
			defer func() { _, _ = c.Conn.Write(again) }()
		}
	}
	return c.Conn.Write(data)
}

func TestDTLSWrongKeyIsSilence(t *testing.T) {
	serverBubble(t, ServerOptions{}, PSK("gw", pskKey), func(t *testing.T, r *rig) {
		_, err := r.handshake(5683, pskClient("gw", []byte("another key 1234")))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(r.start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(r.start))
		}
	})
}

func TestDTLSKeyRotation(t *testing.T) {
	serverBubble(t, ServerOptions{}, PSK("gw", pskKey), func(t *testing.T, r *rig) {
		old := r.mustHandshake(5683, pskClient("gw", pskKey))
		rotated := []byte("fedcba9876543210")
		r.service.SetPSK("gw", rotated)
		old.register("gw") // the session goes on
		if _, err := r.handshake(5683, pskClient("gw", pskKey)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("old key: %v", err)
		}
		fresh := r.mustHandshake(5683, pskClient("gw", rotated))
		r.service.RemovePSK("gw")
		if _, err := r.handshake(5683, pskClient("gw", rotated)); alert(err) != 80 {
			t.Errorf("removed identity: %v", err)
		}
		_, _ = old.conn.Close(), fresh.conn.Close()
	})
}

func TestDTLSX509(t *testing.T) {
	pki := must(testpki.NewSet("gw"))(t)
	security := X509(pki.Server.TLS(), pki.CA.Pool())
	realX509(t, security, func(t *testing.T, r *realRig) {
		c := must(r.dial(x509Client(pki.CA, pki.Client)))(t)
		c.register("gw")
		if reg, _ := r.server.Registration("gw"); reg.Identity != "gw" {
			t.Errorf("identity %q", reg.Identity)
		}
		if _, err := r.dial(x509Client(pki.CA, pki.ClientOtherCA)); alert(err) == 0 {
			t.Errorf("stranger's certificate: %v", err)
		}
		if _, err := r.dial(x509Client(pki.CA, nil)); alert(err) == 0 {
			t.Errorf("no certificate: %v", err)
		}
		var unknown x509.UnknownAuthorityError
		if _, err := r.dial(x509Client(pki.OtherCA, pki.Client)); !errors.As(err, &unknown) {
			t.Errorf("unknown authority: %v", err)
		}
		r.service.SetCertificate(pki.ServerExpired.TLS())
		var invalid x509.CertificateInvalidError
		if _, err := r.dial(x509Client(pki.CA, pki.Client)); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
			t.Errorf("expired: %v", err)
		}
		if err := c.conn.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestDTLSX509InBubble(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		pki := must(testpki.NewSet("gw"))(t) // valid on the bubble's clock
		r.server.ServeManagement(must(r.host.ListenPacket(7000))(t), X509(pki.Server.TLS(), pki.CA.Pool()))
		c := r.mustHandshake(7000, x509Client(pki.CA, pki.Client))
		c.register("gw")
		if reg, _ := r.server.Registration("gw"); reg.Identity != "gw" {
			t.Errorf("identity %q", reg.Identity)
		}
		_ = c.conn.Close()
	})
}

// realRig is a server on a real socket, in real time.
type realRig struct {
	t       *testing.T
	server  *Server
	service *Service
}

func realX509(t *testing.T, security Security, test func(*testing.T, *realRig)) {
	t.Helper()
	r := &realRig{t: t, server: NewServer(ServerOptions{})}
	defer func() { _ = r.server.Close() }()
	r.service = r.server.ServeManagement(must(net.ListenPacket("udp", "127.0.0.1:0"))(t), security)
	test(t, r)
}

func (r *realRig) dial(config *dtls.Config) (*client, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	session, err := dtls.DialWithContext(ctx, "udp", net.UDPAddrFromAddrPort(r.service.Addr()), config)
	if err != nil {
		return nil, err
	}
	return &client{t: r.t, conn: session, mid: 100}, nil
}

func TestDTLSSameTupleNewSession(t *testing.T) {
	serverBubble(t, ServerOptions{}, PSK("gw", pskKey), func(t *testing.T, r *rig) {
		conn := must(r.terminal.Dial(t.Context(), netip.AddrPortFrom(serverAddr, 5683)))(t)
		shared := &abandonable{Conn: conn}
		first := must(r.handshakeOver(shared, pskClient("gw", pskKey)))(t)
		location := first.register("gw")
		// The client reboots: it forgets its session without a word, and comes
		// back from the same port.
		shared.abandon()
		if err := first.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		_ = conn.SetReadDeadline(time.Time{})
		second := must(r.handshakeOver(conn, pskClient("gw", pskKey)))(t)
		assertCode(t, second.ask(second.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeChanged)
		if err := second.conn.Close(); err != nil {
			t.Error(err)
		}
	})
}

// abandonable is a connection that one user can leave to the next.
type abandonable struct {
	net.Conn
	left atomic.Bool
}

func (c *abandonable) abandon() {
	c.left.Store(true)
	_ = c.Conn.SetReadDeadline(time.Now())
}

func (c *abandonable) Read(buf []byte) (int, error) {
	n, err := c.Conn.Read(buf)
	if c.left.Load() {
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *abandonable) Write(data []byte) (int, error) {
	if c.left.Load() {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(data)
}

func (c *abandonable) Close() error { return nil }

func (c *abandonable) SetReadDeadline(at time.Time) error {
	if c.left.Load() {
		return nil
	}
	return c.Conn.SetReadDeadline(at)
}

func TestDTLSForgottenSessionsAreSilent(t *testing.T) {
	serverBubble(t, ServerOptions{}, PSK("gw", pskKey), func(t *testing.T, r *rig) {
		c := r.mustHandshake(5683, pskClient("gw", pskKey))
		location := c.register("gw")
		before := len(r.Packets())
		r.server.ForgetSessions()
		c.send(c.message(lwm2m.CodePOST, location, nil, ""))
		c.silence()
		if got := len(r.Packets()) - before; got != 1 {
			t.Errorf("%d packets, want the Update alone", got)
		}
		if !r.server.Registered("gw") {
			t.Error("registration forgotten as well")
		}
		if err := c.conn.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestDTLSCloseNotifies(t *testing.T) {
	for _, graceful := range []bool{true, false} {
		serverBubble(t, ServerOptions{}, PSK("gw", pskKey), func(t *testing.T, r *rig) {
			c := r.mustHandshake(5683, pskClient("gw", pskKey))
			synctest.Wait() // until the server has finished its side
			before := len(r.Packets())
			if graceful {
				r.service.Close()
			} else {
				r.service.Abort()
			}
			_, err := c.read(time.Minute)
			sent := 0
			for _, p := range r.Packets()[before:] {
				if p.From.Addr() == serverAddr {
					sent++
				}
			}
			if err == nil || graceful != (sent > 0) {
				t.Errorf("graceful %v: %d packets from the server, read: %v", graceful, sent, err)
			}
			_ = c.conn.Close()
		})
	}
}

func TestDTLSRefusedHandshakes(t *testing.T) {
	serverBubble(t, ServerOptions{}, PSK("gw", pskKey), func(t *testing.T, r *rig) {
		r.server.RefuseHandshakes(40)
		if _, err := r.handshake(5683, pskClient("gw", pskKey)); alert(err) != 40 || time.Since(r.start) != 0 {
			t.Errorf("%v after %v", err, time.Since(r.start))
		}
		r.server.IgnoreHandshakes()
		if _, err := r.handshake(5683, pskClient("gw", pskKey)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ignored: %v", err)
		}
		r.server.AcceptHandshakes()
		c := r.mustHandshake(5683, pskClient("gw", pskKey))
		_ = c.conn.Close()
	})
}

func TestDTLSUpdateFromAnotherIdentity(t *testing.T) {
	security := Security{PSK: map[string]lwm2m.Secret{"a": pskKey, "b": pskKey}}
	serverBubble(t, ServerOptions{}, security, func(t *testing.T, r *rig) {
		a, b := r.mustHandshake(5683, pskClient("a", pskKey)), r.mustHandshake(5683, pskClient("b", pskKey))
		location := a.register("gw")
		assertCode(t, b.ask(b.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeNotFound)
		assertCode(t, b.ask(b.message(lwm2m.CodeDELETE, location, nil, "")), lwm2m.CodeNotFound)
		assertCode(t, a.ask(a.message(lwm2m.CodePOST, location, nil, "")), lwm2m.CodeChanged)
		_, _ = a.conn.Close(), b.conn.Close()
	})
}

func TestDTLSHandshakesUnderLoss(t *testing.T) {
	serverBubble(t, ServerOptions{}, PSK("gw", pskKey), func(t *testing.T, r *rig) {
		loss := r.Impair(Everywhere(), Conditions{Loss: 0.3, Latency: 20 * time.Millisecond})
		for range 20 {
			c := r.mustHandshake(5683, pskClient("gw", pskKey))
			_ = c.conn.Close()
		}
		loss.Lift()
	})
}

func TestDTLSSendRawIsEncrypted(t *testing.T) {
	serverBubble(t, ServerOptions{}, PSK("gw", pskKey), func(t *testing.T, r *rig) {
		c := r.mustHandshake(5683, pskClient("gw", pskKey))
		c.register("gw")
		if err := r.server.SendRaw("gw", []byte("garbage")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		if n, err := c.conn.Read(buf); err != nil || string(buf[:n]) != "garbage" {
			t.Errorf("got %q, %v", buf[:n], err)
		}
		last := r.Packets()[len(r.Packets())-1]
		if last.Data[0] != 23 {
			t.Errorf("record type %d on the wire", last.Data[0])
		}
		_ = c.conn.Close()
	})
}

func TestDTLSHostileDatagrams(t *testing.T) {
	serverBubble(t, ServerOptions{}, PSK("gw", pskKey), func(t *testing.T, r *rig) {
		conn := must(r.terminal.Dial(t.Context(), netip.AddrPortFrom(serverAddr, 5683)))(t)
		zeroCID := append([]byte{recordCID, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 16}, make([]byte, 16)...)
		for _, data := range [][]byte{zeroCID, {22}, {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, []byte("GET / HTTP/1.1\r\n\r\n"), {}} {
			must(conn.Write(data))(t)
		}
		c := r.mustHandshake(5683, pskClient("gw", pskKey))
		c.register("gw")
		_ = c.conn.Close()
	})
}

func TestBootstrapOverDTLSInBlocks(t *testing.T) {
	serverBubble(t, ServerOptions{NewTokenPerBlock: true}, PSK("gw", pskKey), func(t *testing.T, r *rig) {
		big := AccountConfig{Certificate: make([]byte, 5000), PrivateKey: []byte{1}, ServerCertificate: []byte{2}}
		r.server.SetBootstrap("gw", BootstrapConfig{Writes: big.Writes()[:1], NoFinish: true})
		c := r.mustHandshake(5684, pskClient("gw", pskKey))
		c.ask(c.bootstrapRequest("ep=gw"))
		tokens := make(map[string]bool)
		body := c.takeBlock1(tokens, coap.MaxSZX)
		if len(body) < 5000 || len(tokens) != 5 {
			t.Errorf("%d bytes with %d tokens", len(body), len(tokens))
		}
		_ = c.conn.Close()
	})
}
