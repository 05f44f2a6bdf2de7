package wire

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

const (
	// attempt is what a handshake with a real peer may take: a third of what
	// the client gives one.
	attempt = time.Minute
	// echoPatience is how long an answer is waited for before the question is
	// put again, as CoAP does.
	echoPatience = 2 * time.Second
	// questions bounds how often.
	questions   = 30
	maxDatagram = 64 << 10
)

// link is a client: the pure core, on a socket.
type link struct {
	conn    net.Conn
	tap     *tap
	session *dtls.Session
	took    time.Duration
	resends int // flights that were sent again because the time was up
	// sent and received count the datagrams of the handshake.
	sent, received int
	said, heard    [][]byte // application data
	rest           []byte
}

// failure is a handshake that did not succeed.
type failure struct {
	err      error // why; nil when the time was up
	progress dtls.Progress
	took     time.Duration
}

func (f *failure) Error() string {
	return fmt.Sprintf("after %v: %v, %+v", f.took.Round(time.Millisecond), f.err, f.progress)
}

func (f *failure) Unwrap() error { return f.err }

// shake does one handshake within a limit. The error is a *failure, or of the
// socket or the configuration.
func shake(conn net.Conn, config dtls.Config, limit time.Duration) (*link, error) {
	if config.Random == nil {
		config.Random = rand.Reader
	}
	own := &tap{Conn: conn}
	l := &link{conn: own, tap: own}
	began := time.Now()
	core, out, err := dtls.Start(config, began)
	for err == nil {
		if err = l.write(out.Send); err != nil {
			break
		}
		l.took = time.Since(began)
		switch {
		case out.Session != nil:
			l.session, l.sent, l.received = out.Session, own.count(false), own.count(true)
			return l, conn.SetReadDeadline(time.Time{})
		case out.Err != nil || l.took >= limit:
			return nil, &failure{out.Err, core.Progress(), l.took}
		}
		out, err = l.step(core, out.Wake, began.Add(limit))
	}
	return nil, err
}

// step waits for a datagram, the instant at which the core wants to be called,
// or the end.
func (l *link) step(core *dtls.Handshake, wake, end time.Time) (dtls.Output, error) {
	if end.Before(wake) {
		wake = end
	}
	datagram, err := l.read(wake)
	switch {
	case err == nil:
		return core.Receive(time.Now(), datagram), nil
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return dtls.Output{}, err
	}
	out := core.Expire(time.Now())
	if len(out.Send) > 0 {
		l.resends++
	}
	return out, nil
}

// read returns the next datagram. One that was refused by an ICMP message is
// as good as lost.
func (l *link) read(deadline time.Time) ([]byte, error) {
	if err := l.conn.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	buffer := make([]byte, maxDatagram)
	n, err := l.conn.Read(buffer)
	return buffer[:n], err
}

func (l *link) write(datagrams [][]byte) error {
	for _, d := range datagrams {
		if _, err := l.conn.Write(d); err != nil {
			return err
		}
	}
	return nil
}

// send sends application data.
func (l *link) send(data []byte) error {
	sealed, err := l.session.Seal(nil, data)
	if err != nil {
		return err
	}
	l.said = append(l.said, data)
	return l.write([][]byte{sealed})
}

// errClosed says that the server has ended the session.
var errClosed = errors.New("the session was closed")

// receive returns the next application data.
func (l *link) receive(deadline time.Time) ([]byte, error) {
	for {
		if len(l.rest) == 0 {
			datagram, err := l.read(deadline)
			if err != nil {
				return nil, err
			}
			l.rest = datagram
		}
		var e dtls.Event
		e, l.rest = l.session.Next(l.rest)
		if err := l.write(e.Send); err != nil {
			return nil, err
		}
		switch {
		case e.Err != nil:
			return nil, e.Err
		case e.Closed:
			return nil, fmt.Errorf("%w: alert %d", errClosed, e.Alert)
		case e.Data != nil:
			l.heard = append(l.heard, e.Data)
			return e.Data, nil
		}
	}
}

// ask sends a question until its answer comes. Other data is passed over.
func (l *link) ask(question, answer []byte) error {
	var err error
	for range questions {
		if err = l.send(question); err != nil {
			return err
		}
		var data []byte
		for end := time.Now().Add(echoPatience); err == nil; {
			if data, err = l.receive(end); bytes.Equal(data, answer) && err == nil {
				return nil
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return fmt.Errorf("no answer %q: %w", answer, err)
}

// goodbye ends the session, as far as the client is concerned.
func (l *link) goodbye() error {
	sealed, err := l.session.Goodbye(nil)
	if err != nil {
		return err
	}
	return l.write([][]byte{sealed})
}

// socket opens a UDP socket to an address, until the test ends.
func socket(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := peer.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// connect does a handshake over a new socket, which has to succeed within an
// attempt.
func connect(t testing.TB, addr string, config dtls.Config) *link {
	t.Helper()
	l, err := shake(socket(t, addr), config, attempt)
	if err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return l
}
