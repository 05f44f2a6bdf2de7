package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// transferTimeout bounds a transfer by libcoap's coap-client on a busy machine.
const transferTimeout = 5 * time.Minute

// mostFiles is how many files a server of LibcoapFiles takes.
const mostFiles = 16

// LibcoapFiles starts libcoap's example server with nothing on it but what [CoAPClient.Put] puts
// there. It serves that on both of its addresses.
//
// It says little: with more, it prints every byte of an image before it sends the first. Its
// ETag (4.3.1) is not the content's: each transfer has a new one, also where it goes on in
// the middle from another port of the client.
func LibcoapFiles(t testing.TB, backend Backend, security Security) *DTLSPeer {
	t.Helper()
	Require(t, KindLibcoap)
	p := startDTLS(t, recipe{
		command: "coap-server-" + string(backend),
		ports:   2,
		args: func(port int) []string {
			all := []string{"-A", "127.0.0.1", "-p", strconv.Itoa(port), "-v", "3", "-d", strconv.Itoa(mostFiles)}
			return append(all, libcoapArgs(security)...)
		},
	})
	p.onNextPort(t)
	return p
}

// onNextPort takes the address of a libcoap server apart: DTLS is on the port after that of NoSec.
func (p *DTLSPeer) onNextPort(t testing.TB) {
	t.Helper()
	host, port := splitAddr(t, p.Addr)
	p.PlainAddr = p.Addr
	p.Addr = net.JoinHostPort(host, strconv.Itoa(port+1))
}

const (
	// pingPeriod is how long an answer to a ping is waited for before the next.
	pingPeriod = 50 * time.Millisecond
	pingID     = 0x7069
)

// awaitPing returns when a CoAP server answers: an empty confirmable message is answered with a
// Reset (RFC 7252 section 4.3). It is for servers that do not say when they listen.
func awaitPing(ctx context.Context, addr string, exited <-chan struct{}) error {
	conn, err := net.Dial("udp4", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		answered, err := ping(conn)
		switch {
		case answered, err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		select {
		case <-exited:
			return errExited
		default:
		}
	}
}

// ping sends one, and waits for the answer for the length of a period.
func ping(conn net.Conn) (answered bool, err error) {
	if err := conn.SetDeadline(time.Now().Add(pingPeriod)); err != nil {
		return false, err
	}
	if _, err := conn.Write([]byte{1 << 6, 0, pingID >> 8, pingID & 0xff}); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
		return false, err
	}
	answer := make([]byte, 64)
	for {
		n, err := conn.Read(answer)
		var timeout net.Error
		switch {
		case err == nil && n >= 4:
			return true, nil
		case errors.As(err, &timeout) && timeout.Timeout():
			return false, nil
		case err != nil && !errors.Is(err, syscall.ECONNREFUSED): // nobody listens yet: the period passes
			return false, err
		}
	}
}

// A CoAPClient is libcoap's coap-client. The zero value, with T, is one without DTLS.
type CoAPClient struct {
	T       testing.TB
	Backend Backend // "" means OpenSSL
	// Identity and Key are for DTLS; the key is printable.
	Identity string
	Key      []byte
	// BlockSize is in bytes, a power of two from 16 to 1024; 0 means 1024.
	BlockSize int
}

// Put writes a file to a URI. It ends the test when that fails.
func (c CoAPClient) Put(uri, file string) {
	c.T.Helper()
	if _, err := c.run("-m", "put", "-f", file, uri); err != nil {
		c.T.Fatalf("peer: put %s: %v", uri, err)
	}
}

// Get fetches a URI into a file, and returns how long that took, the start of the process
// included. coap-client calls most failures a success: look at the file.
func (c CoAPClient) Get(uri, file string) (time.Duration, error) {
	c.T.Helper()
	return c.run("-m", "get", "-o", file, uri)
}

func (c CoAPClient) run(args ...string) (took time.Duration, err error) {
	c.T.Helper()
	Require(c.T, KindLibcoap)
	began := time.Now()
	p, err := start(c.T, nil, nil, c.command(), append(c.flags(), args...)...)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(c.T.Context(), transferTimeout)
	defer cancel()
	select {
	case <-p.exited:
		return time.Since(began), p.err
	case <-ctx.Done():
		p.kill()
		return 0, fmt.Errorf("%w, having printed:\n%s", ctx.Err(), p.output)
	}
}

func (c CoAPClient) command() string {
	if c.Backend == "" {
		return "coap-client-" + string(BackendOpenSSL)
	}
	return "coap-client-" + string(c.Backend)
}

func (c CoAPClient) flags() []string {
	size := c.BlockSize
	if size == 0 {
		size = 1024
	}
	flags := []string{"-b", strconv.Itoa(size), "-B", strconv.Itoa(int(transferTimeout.Seconds()))}
	if len(c.Key) > 0 {
		flags = append(flags, "-u", c.Identity, "-k", string(c.Key))
	}
	return flags
}
