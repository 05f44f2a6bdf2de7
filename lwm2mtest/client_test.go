package lwm2mtest

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// client is the least that talks CoAP to the server: it resends nothing and
// remembers nothing, so that a test decides about every datagram.
type client struct {
	t    *testing.T
	conn net.Conn
	mid  uint16
}

// links is what the clients register with.
const links = "</1/0>,</3/0>"

// message composes a confirmable request with a fresh message ID and token.
func (c *client) message(code lwm2m.Code, path []string, query []string, payload string) coap.Message {
	c.mid++
	m := coap.Message{Type: coap.CON, Code: code, MID: c.mid, Token: binary.BigEndian.AppendUint16(nil, c.mid), Payload: []byte(payload)}
	m.AddStrings(coap.URIPath, path)
	m.AddStrings(coap.URIQuery, query)
	if payload != "" {
		format := lwm2m.FormatLinkFormat
		m.AddFormat(coap.ContentFormat, &format)
	}
	return m
}

// registerMessage is a Register of the endpoint.
func (c *client) registerMessage(endpoint string, more ...string) coap.Message {
	query := append([]string{"ep=" + endpoint, "lwm2m=1.1"}, more...)
	return c.message(lwm2m.CodePOST, []string{"rd"}, query, links)
}

// send encodes and sends a message and returns the datagram.
func (c *client) send(m coap.Message) []byte {
	c.t.Helper()
	data := must(coap.Encode(m))(c.t)
	must(c.conn.Write(data))(c.t)
	return data
}

// next reads one message, waiting at most 10 minutes.
func (c *client) next() coap.Message {
	c.t.Helper()
	m, err := c.read(10 * time.Minute)
	if err != nil {
		c.t.Fatalf("no message: %v", err)
	}
	return m
}

func (c *client) read(wait time.Duration) (coap.Message, error) {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(wait))
	defer func() { _ = c.conn.SetReadDeadline(time.Time{}) }() // pion keeps a goroutine while one is set
	buf := make([]byte, 4096)
	n, err := c.conn.Read(buf)
	if err != nil {
		return coap.Message{}, err
	}
	return must(coap.Decode(buf[:n]))(c.t), nil
}

// silence asserts that the server sends nothing for ten minutes.
func (c *client) silence() {
	c.t.Helper()
	var timeout net.Error
	if m, err := c.read(10 * time.Minute); !errors.As(err, &timeout) || !timeout.Timeout() {
		c.t.Errorf("got %v, %v, want silence", m, err)
	}
}

// ask sends a request and returns the piggybacked answer.
func (c *client) ask(m coap.Message) coap.Message {
	c.t.Helper()
	c.send(m)
	answer := c.next()
	if answer.Type != coap.ACK || answer.MID != m.MID || string(answer.Token) != string(m.Token) {
		c.t.Fatalf("answer %v to %v", answer, m)
	}
	return answer
}

// register registers an endpoint and returns its Location-Path.
func (c *client) register(endpoint string, more ...string) []string {
	c.t.Helper()
	answer := c.ask(c.registerMessage(endpoint, more...))
	if answer.Code != lwm2m.CodeCreated {
		c.t.Fatalf("register: %v", answer)
	}
	return answer.Strings(coap.LocationPath)
}

// answerWith answers a request of the server.
func (c *client) answerWith(request coap.Message, code lwm2m.Code, payload []byte) {
	c.t.Helper()
	c.send(coap.Message{Type: coap.ACK, Code: code, MID: request.MID, Token: request.Token, Payload: payload})
}

// rig is a server and a client host on a network in a bubble.
type rig struct {
	*Network
	t        *testing.T
	server   *Server
	service  *Service // management
	bs       *Service // bootstrap
	host     *Host    // the server's
	terminal *Host    // the client's
	start    time.Time
}

// serverBubble runs a test against a management and a bootstrap server.
func serverBubble(t *testing.T, opts ServerOptions, security Security, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := NewNetwork(NetworkOptions{})
		r := &rig{Network: n, t: t, server: NewServer(opts), start: time.Now()}
		r.host, r.terminal = n.Host("server.test", serverAddr), n.Host("client.test", clientAddr)
		r.service = r.server.ServeManagement(must(r.host.ListenPacket(5683))(t), security)
		r.bs = r.server.ServeBootstrap(must(r.host.ListenPacket(5684))(t), security)
		test(t, r)
		if err := errors.Join(r.server.Close(), n.Close()); err != nil {
			t.Error(err)
		}
	})
}

// dial returns a client without security at a port of the server.
func (r *rig) dial(port uint16) *client {
	r.t.Helper()
	return r.dialFrom(r.terminal, port)
}

// dialFrom does the same on another host.
func (r *rig) dialFrom(host *Host, port uint16) *client {
	r.t.Helper()
	conn := must(host.Dial(r.t.Context(), netip.AddrPortFrom(serverAddr, port)))(r.t)
	return &client{t: r.t, conn: conn, mid: 100}
}

// restart replaces the management service, keeping the server's memory.
func (r *rig) restart(security Security) {
	r.t.Helper()
	r.service = r.server.ServeManagement(must(r.host.ListenPacket(5683))(r.t), security)
}

func assertCode(t *testing.T, m coap.Message, want lwm2m.Code) {
	t.Helper()
	if m.Code != want {
		t.Errorf("answer %v, want %v", m, want)
	}
}
