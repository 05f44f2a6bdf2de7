//go:build unix

package network

import (
	"context"
	"crypto/tls"
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/messages"
)

// BenchmarkHandshake is one handshake with pion's server over an in-memory pair
// of sockets, client and server together: by this package's client, and by
// pion's with the same suites, for comparison.
func BenchmarkHandshake(b *testing.B) {
	set := newSet(b)
	for _, kind := range []struct {
		name        string
		server      *dtls.Config
		credentials messages.Credentials
	}{
		{"PSK", pskServer(), psk()},
		{"ECDSA", x509Server(set, set.Server), x509Client(b, set, set.Client)},
	} {
		s := secure(b, "coaps://server.test", kind.credentials)
		b.Run(kind.name+"/ours", func(b *testing.B) { benchmarkHandshake(b, kind.server, ours(s)) })
		b.Run(kind.name+"/pion", func(b *testing.B) { benchmarkHandshake(b, kind.server, pions(s)) })
	}
}

// ours shakes hands as a link does.
func ours(s *security) func(context.Context, *pipe) (io.Closer, error) {
	return func(ctx context.Context, p *pipe) (io.Closer, error) { return shakeHands(ctx, p, s, terms{}, nil) }
}

// pions shakes hands by pion's client, which verifies the server as ours does.
func pions(s *security) func(context.Context, *pipe) (io.Closer, error) {
	config := &dtls.Config{LoggerFactory: quiet, ServerName: s.serverName, ExtendedMasterSecret: dtls.RequestExtendedMasterSecret}
	if s.own == nil {
		config.CipherSuites, config.PSKIdentityHint = pskSuites, []byte(s.identity)
		config.PSK = func([]byte) ([]byte, error) { return s.key(), nil }
	} else {
		config.CipherSuites, config.RootCAs = x509Suites, poolOf(s.server.(*pkix).stored.certificates)
		config.Certificates = []tls.Certificate{{Certificate: s.own.chain, PrivateKey: s.own.signer}}
	}
	return func(ctx context.Context, p *pipe) (io.Closer, error) {
		return dtls.ClientWithContext(ctx, p, p.RemoteAddr(), config)
	}
}

// processorTime returns what this process has used. Machines with other work to
// do are better compared by it than by the clock.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func benchmarkHandshake(b *testing.B, server *dtls.Config, shake func(context.Context, *pipe) (io.Closer, error)) {
	b.ReportAllocs()
	before, n := processorTime(b), 0
	defer func() { b.ReportMetric(float64(processorTime(b)-before)/float64(n), "cpu-ns/op") }()
	for b.Loop() {
		n++
		client, remote := newEnds()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		var serving sync.WaitGroup
		serving.Go(func() {
			if conn, err := dtls.ServerWithContext(ctx, remote, remote.RemoteAddr(), server); err == nil {
				_, _ = conn.Read(make([]byte, 1)) // until close_notify
				_ = conn.Close()
			}
		})
		session, err := shake(ctx, client)
		if err != nil {
			b.Fatal(err)
		}
		_ = session.Close()
		remote.Close()
		serving.Wait()
		cancel()
	}
}
