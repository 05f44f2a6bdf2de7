package wire

import (
	"bytes"
	"encoding/binary"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// tap is a socket that remembers what went through it.
type tap struct {
	net.Conn

	mu    sync.Mutex
	trace []datagram
}

// datagram is one that came or went.
type datagram struct {
	fromServer bool
	at         time.Time
	data       []byte
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil {
		c.note(true, b[:n])
	}
	return n, err
}

func (c *tap) Write(b []byte) (int, error) {
	c.note(false, b)
	return c.Conn.Write(b)
}

func (c *tap) note(fromServer bool, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trace = append(c.trace, datagram{fromServer, time.Now(), bytes.Clone(data)})
}

// count returns how many datagrams have come or gone.
func (c *tap) count(fromServer bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.trace {
		if d.fromServer == fromServer {
			n++
		}
	}
	return n
}

// curve returns the curve that a server has chosen; anyCurve if none was.
func (c *tap) curve() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.trace {
		for _, f := range fragments(d.data) {
			if d.fromServer && f.Type == handshake.TypeServerKeyExchange && f.Offset == 0 && len(f.Data) > 3 && f.Data[0] == 3 {
				return map[uint16]string{23: p256, 24: p384, 29: x25519}[binary.BigEndian.Uint16(f.Data[1:])]
			}
		}
	}
	return anyCurve
}

// fragments returns the pieces of handshake messages in clear of a datagram.
func fragments(data []byte) (all []handshake.Fragment) {
	for rest := data; len(rest) > 0; {
		r, tail, ok := record.Next(rest, 0)
		if !ok {
			return all
		}
		rest = tail
		if !r.Plain() || r.Content != record.Handshake {
			continue
		}
		for body := r.Body; len(body) > 0; {
			f, tail, ok := handshake.NextFragment(body)
			if !ok {
				break
			}
			all, body = append(all, f), tail
		}
	}
	return all
}

// datagrams returns what has gone through so far.
func (c *tap) datagrams() []datagram {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.trace)
}
