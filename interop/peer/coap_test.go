package peer

import (
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// A few messages of RFC 7252 and 7959, written out by hand: enough of a device
// to prove that a Leshan peer works, and independent of the client under test.

const (
	typeCON = 0
	typeACK = 2

	codePOST        = 2
	codeContent     = 0x45
	codeDeleted     = 0x42
	codeChanged     = 0x44
	codeContinue    = 0x5f
	codeUnsupported = 0x8f
	codeDELETE      = 4
	codeGET         = 1
	optionPath      = 11
	optionFormat    = 12
	optionQuery     = 15
	optionAccept    = 17
	optionBlock1    = 27
	formatTLV       = 11542
	formatSenML     = 112
	formatLinks     = 40
	formatOpaque    = 42
	payloadMarker   = 0xff
)

type option struct {
	number int
	value  []byte
}

type message struct {
	kind    byte
	code    byte
	id      uint16
	token   []byte
	options []option // in ascending order
	payload []byte
}

func text(number int, values ...string) []option {
	var options []option
	for _, v := range values {
		options = append(options, option{number, []byte(v)})
	}
	return options
}

func number(n int, value uint32) option {
	raw := binary.BigEndian.AppendUint32(nil, value)
	for len(raw) > 0 && raw[0] == 0 {
		raw = raw[1:]
	}
	return option{n, raw}
}

func (m message) encode() []byte {
	out := []byte{1<<6 | m.kind<<4 | byte(len(m.token)), m.code}
	out = binary.BigEndian.AppendUint16(out, m.id)
	out = append(out, m.token...)
	last := 0
	for _, o := range m.options {
		out = append(out, nibble(o.number-last)<<4|nibble(len(o.value)))
		out = append(out, extension(o.number-last)...)
		out = append(out, extension(len(o.value))...)
		out = append(out, o.value...)
		last = o.number
	}
	if len(m.payload) > 0 {
		out = append(append(out, payloadMarker), m.payload...)
	}
	return out
}

func nibble(n int) byte {
	if n >= 13 {
		return 13
	}
	return byte(n)
}

// extension covers what a test needs: less than 269.
func extension(n int) []byte {
	if n >= 13 {
		return []byte{byte(n - 13)}
	}
	return nil
}

// decode trusts the peer: a test panics where a client must not.
func decode(raw []byte) message {
	length := int(raw[0] & 0x0f)
	m := message{
		kind:  raw[0] >> 4 & 3,
		code:  raw[1],
		id:    binary.BigEndian.Uint16(raw[2:]),
		token: slices.Clone(raw[4 : 4+length]),
	}
	last := 0
	for rest := raw[4+length:]; len(rest) > 0; {
		if rest[0] == payloadMarker {
			m.payload = slices.Clone(rest[1:])
			return m
		}
		delta, size := int(rest[0]>>4), int(rest[0]&0x0f)
		rest = rest[1:]
		delta, rest = extended(delta, rest)
		size, rest = extended(size, rest)
		last += delta
		m.options = append(m.options, option{last, slices.Clone(rest[:size])})
		rest = rest[size:]
	}
	return m
}

func extended(n int, rest []byte) (int, []byte) {
	switch n {
	case 13:
		return 13 + int(rest[0]), rest[1:]
	case 14:
		return 269 + int(binary.BigEndian.Uint16(rest)), rest[2:]
	}
	return n, rest
}

func (m message) option(n int) (uint32, bool) {
	for _, o := range m.options {
		if o.number == n {
			var value uint32
			for _, b := range o.value {
				value = value<<8 | uint32(b)
			}
			return value, true
		}
	}
	return 0, false
}

func (m message) path() string {
	var path strings.Builder
	for _, o := range m.options {
		if o.number == optionPath {
			path.WriteString("/" + string(o.value))
		}
	}
	return path.String()
}

// device is a client with just enough manners.
type device struct {
	t    *testing.T
	conn net.Conn
	id   uint16
}

func newDevice(t *testing.T, conn net.Conn) *device {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		t.Fatal(err)
	}
	// pion keeps a goroutine for a deadline until that passes or is lifted.
	t.Cleanup(func() { _ = conn.SetDeadline(time.Time{}) })
	return &device{t: t, conn: conn}
}

func (d *device) receive() message {
	d.t.Helper()
	buffer := make([]byte, 2048)
	n, err := d.conn.Read(buffer)
	if err != nil {
		d.t.Fatal(err)
	}
	return decode(buffer[:n])
}

func (d *device) send(m message) {
	d.t.Helper()
	if _, err := d.conn.Write(m.encode()); err != nil {
		d.t.Fatal(err)
	}
}

// request sends a confirmable request and returns its response, piggybacked.
func (d *device) request(code byte, options []option, payload string) message {
	d.t.Helper()
	d.id++
	d.send(message{typeCON, code, d.id, []byte{byte(d.id)}, options, []byte(payload)})
	answer := d.receive()
	if answer.kind != typeACK || answer.id != d.id {
		d.t.Fatalf("answer to request %d = %+v", d.id, answer)
	}
	return answer
}

// register returns the code of the response.
func (d *device) register(endpoint string) byte {
	d.t.Helper()
	options := append(text(optionPath, "rd"), number(optionFormat, formatLinks))
	options = append(options, text(optionQuery, "ep="+endpoint, "lt=300", "lwm2m=1.1", "b=U")...)
	return d.request(codePOST, options, "</1/0>,</3/0>").code
}

// reply answers a request, piggybacked.
func (d *device) reply(to message, code byte, options []option, payload []byte) {
	d.t.Helper()
	d.send(message{typeACK, code, to.id, to.token, options, payload})
}

// serveBootstrap says yes to everything until it has answered Finish, or until
// the write of stop has been answered. It returns what was written to each
// path, put together from its blocks, and the greatest number of blocks.
func (d *device) serveBootstrap(stop string) (map[string][]byte, int) {
	d.t.Helper()
	written := make(map[string][]byte)
	most := 0
	for {
		m := d.receive()
		path := m.path()
		switch {
		case m.code == codeDELETE:
			d.reply(m, codeDeleted, nil, nil)
			continue
		case m.code == codePOST:
			d.reply(m, codeChanged, nil, nil)
			return written, most
		}
		written[path] = append(written[path], m.payload...)
		block, blockwise := m.option(optionBlock1)
		most = max(most, int(block>>4)+1)
		if d.acknowledge(m, block, blockwise) && path == stop {
			return written, most
		}
	}
}

// serveWrite takes a Write of a path in a format, and returns what was written, put together
// from its blocks, and the number of blocks.
func (d *device) serveWrite(path string, format uint32) (written []byte, blocks int) {
	d.t.Helper()
	for {
		m := d.receive()
		if f, _ := m.option(optionFormat); m.path() != path || f != format {
			d.t.Fatalf("a Write of %s in %d", m.path(), f)
		}
		block, blockwise := m.option(optionBlock1)
		if int(block>>4) == blocks { // no resend
			written = append(written, m.payload...)
			blocks++
		}
		if d.acknowledge(m, block, blockwise) {
			return written, blocks
		}
	}
}

// acknowledge answers a Write or one block of it; it tells whether that was
// the last.
func (d *device) acknowledge(m message, block uint32, blockwise bool) bool {
	d.t.Helper()
	const more = 1 << 3
	var options []option
	if blockwise {
		options = []option{number(optionBlock1, block)}
	}
	if block&more != 0 {
		d.reply(m, codeContinue, options, nil)
		return false
	}
	d.reply(m, codeChanged, options, nil)
	return true
}
