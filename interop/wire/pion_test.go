package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	piondtls "github.com/pion/dtls/v2"
	"github.com/pion/logging"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const (
	// pionAttempt is what the client gives an attempt. Time is virtual here.
	pionAttempt = 3 * time.Minute
	securePort  = 5684
)

// lab is pion's server in a network in memory, behind a relay.
type lab struct {
	t                     *testing.T
	config                piondtls.Config
	server, relay, client *lwm2mtest.Host
	wg                    sync.WaitGroup
}

// inLab runs a test in a bubble with a network.
func inLab(t *testing.T, config piondtls.Config, f func(*lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := lwm2mtest.NewNetwork(lwm2mtest.NetworkOptions{})
		host := func(address string) *lwm2mtest.Host { return network.Host("", netip.MustParseAddr(address)) }
		v := &lab{
			t: t, config: config,
			server: host("192.0.2.1"), relay: host("192.0.2.2"), client: host("192.0.2.3"),
		}
		t.Cleanup(func() { _ = network.Close(); v.wg.Wait() })
		f(v)
	})
}

func (v *lab) dial(from, to *lwm2mtest.Host) net.Conn {
	v.t.Helper()
	conn, err := from.Dial(v.t.Context(), netip.AddrPortFrom(to.Addr(), securePort))
	if err != nil {
		v.t.Fatal(err)
	}
	return conn
}

func (v *lab) listen(on *lwm2mtest.Host) net.PacketConn {
	v.t.Helper()
	pc, err := on.ListenPacket(securePort)
	if err != nil {
		v.t.Fatal(err)
	}
	return pc
}

// serve has the server take one client, which is at an address at first, and
// send back what it says until it says good-bye. The function that it returns
// waits for that.
func (v *lab) serve(client net.Addr) (wait func() error) {
	v.t.Helper()
	pc := v.listen(v.server)
	done := make(chan error, 1)
	v.wg.Go(func() {
		defer pc.Close()
		done <- v.echo(pc, client)
	})
	return func() error { return <-done }
}

func (v *lab) echo(pc net.PacketConn, client net.Addr) error {
	ctx, cancel := context.WithTimeout(context.Background(), pionAttempt)
	defer cancel()
	conn, err := piondtls.ServerWithContext(ctx, pc, client, &v.config)
	if err != nil {
		return err
	}
	defer conn.Close()
	buffer := make([]byte, maxDatagram)
	for {
		n, err := conn.Read(buffer)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_, err = conn.Write(buffer[:n])
		}
		if err != nil {
			return err
		}
	}
}

// travels shakes hands over a road, uses the session, and ends it.
func (v *lab) travels(client dtls.Config, via road) *link {
	v.t.Helper()
	r := runRelay(v.t, v.listen(v.relay), v.dial(v.relay, v.server), via)
	defer r.close()
	wait := v.serve(r.back.LocalAddr())
	l, err := shake(v.dial(v.client, v.relay), client, pionAttempt)
	if err != nil {
		v.t.Fatalf("handshake: %v", err)
	}
	defer l.conn.Close()
	v.ends(l, wait)
	return l
}

// ends uses a session, and ends it on both sides.
func (v *lab) ends(l *link, wait func() error) {
	v.t.Helper()
	if err := talkEcho(nil, l); err != nil {
		v.t.Errorf("data: %v", err)
	}
	if err := l.goodbye(); err != nil {
		v.t.Error(err)
	}
	if err := wait(); err != nil {
		v.t.Errorf("server: %v", err)
	}
}

var quiet = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}

// pionServer is a server that insists on one suite.
func (w *world) pionServer(suite dtls.SuiteID) piondtls.Config {
	c := piondtls.Config{LoggerFactory: quiet, CipherSuites: []piondtls.CipherSuiteID{piondtls.CipherSuiteID(suite)}}
	if isPSK(suite) {
		c.PSK = func(identity []byte) ([]byte, error) {
			if string(identity) != endpoint {
				return nil, errors.New("unknown identity")
			}
			return testKey, nil
		}
		return c
	}
	c.Certificates = []tls.Certificate{w.Server.TLS()}
	c.ClientAuth, c.ClientCAs = piondtls.RequireAndVerifyClientCert, w.CA.Pool()
	return c
}
