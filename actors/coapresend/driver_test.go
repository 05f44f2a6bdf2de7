package coapresend

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

const epoch messages.Epoch = 7

// start is the instant at which every driver begins.
var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// testRand counts instead of drawing: tokens end in 1, 2, 3 ..., message IDs
// begin at 100.
type testRand struct {
	float  float64
	tokens uint64
}

func (r *testRand) Float64() float64 { return r.float }
func (r *testRand) MID() uint16      { return 100 }

func (r *testRand) Token() []byte {
	r.tokens++
	return binary.BigEndian.AppendUint64(nil, r.tokens)
}

// token returns the n-th token that a testRand draws.
func token(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// driver is the shell of a machine in virtual time. What the machine does is
// written down, one line for each message that it tells, with the instant.
type driver struct {
	t      *testing.T
	m      *Machine
	now    time.Time
	timers map[core.Timer]time.Time
	lines  []string
	sent   [][]byte // datagrams
	told   []any    // everything else
	steps  []string // how far requests of ours have come, apart from the rest

	observe func(message any) // instead of writing down, when there is too much
}

// newDriver returns the driver of a machine whose link is up, with the minimum
// draw.
func newDriver(t *testing.T, cfg Config) *driver {
	return newDriverRand(t, cfg, &testRand{})
}

func newDriverRand(t *testing.T, cfg Config, rnd Rand) *driver {
	t.Helper()
	cfg.Epoch, cfg.Peer = epoch, messages.ManagementPeer(1)
	d := &driver{t: t, m: New(cfg, rnd), now: start, timers: map[core.Timer]time.Time{}}
	d.in(messages.LinkUp{Epoch: epoch})
	return d
}

func (d *driver) in(input any) {
	for _, effect := range d.m.Step(d.now, input) {
		switch effect := effect.(type) {
		case core.SetTimer:
			d.timers[effect.Timer] = d.now.Add(effect.After)
		case core.StopTimer:
			if _, armed := d.timers[effect.Timer]; !armed {
				d.t.Errorf("%v: stopped the timer %q, which is not set", d.now.Sub(start), effect.Timer)
			}
			delete(d.timers, effect.Timer)
		case send:
			d.record(effect)
		case core.Tell:
			d.tell(effect)
		}
	}
}

// tell writes down a message; what the shared actor update is told is marked.
func (d *driver) tell(effect core.Tell) {
	lines := len(d.lines)
	d.record(effect.Message)
	if effect.To == core.Update && len(d.lines) > lines {
		at, rest, _ := strings.Cut(d.lines[lines], " ")
		d.lines[lines] = at + " update: " + rest
	}
}

func (d *driver) record(message any) {
	if step, ok := message.(messages.RequestStep); ok {
		d.steps = append(d.steps, fmt.Sprintf("%v %s /%s resent %d, heard %s",
			d.now.Sub(start), step.Code, strings.Join(step.Path, "/"), step.Resent, step.Heard))
		return
	}
	if d.observe != nil {
		d.observe(message)
		return
	}
	d.lines = append(d.lines, fmt.Sprintf("%v %s", d.now.Sub(start), render(message)))
	if datagram, ok := message.(send); ok {
		d.sent = append(d.sent, datagram.data)
	} else {
		d.told = append(d.told, message)
	}
}

// run lets virtual time pass until an instant, firing what is due.
func (d *driver) run(until time.Duration) {
	end := start.Add(until)
	for {
		timer, at, ok := d.next()
		if !ok || at.After(end) {
			break
		}
		d.now = at
		delete(d.timers, timer)
		d.in(core.Expired{Timer: timer})
	}
	d.now = end
}

func (d *driver) next() (timer core.Timer, at time.Time, ok bool) {
	for name, due := range d.timers {
		if !ok || due.Before(at) || due.Equal(at) && name.String() < timer.String() {
			timer, at, ok = name, due, true
		}
	}
	return timer, at, ok
}

// expect compares what happened since the last expect with want.
func (d *driver) expect(want ...string) {
	d.t.Helper()
	if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(d.lines, "\n")); diff != "" {
		d.t.Errorf("(-want +got):\n%s", diff)
	}
	d.lines = nil
}

// peer delivers a message of the peer.
func (d *driver) peer(msg coap.Message) {
	d.t.Helper()
	data, err := coap.Encode(msg)
	if err != nil {
		d.t.Fatal(err)
	}
	d.raw(data...)
}

func (d *driver) raw(data ...byte) {
	d.in(messages.Datagram{Epoch: epoch, Data: data})
}

// get asks for a GET on /a.
func (d *driver) get(id uint64) {
	d.in(messages.Request{Epoch: epoch, ID: id, Code: messages.GET, Path: []string{"a"}})
}

// reply answers what the handler was asked last.
func (d *driver) reply(code messages.CoAPCode, payload []byte) {
	d.in(messages.Reply{Epoch: epoch, ID: d.lastInbound().ID, Code: code, Payload: payload})
}

// answer answers a request of the handler by its number.
func (d *driver) answer(id uint64, code messages.CoAPCode) {
	d.in(messages.Reply{Epoch: epoch, ID: id, Code: code})
}

func (d *driver) lastInbound() messages.Inbound {
	d.t.Helper()
	for _, message := range slices.Backward(d.told) {
		switch message := message.(type) {
		case messages.Inbound:
			return message
		case messages.InboundBlock:
			return message.Inbound
		}
	}
	d.t.Fatal("the handler was not asked")
	return messages.Inbound{}
}

// lastResponse returns the response that was told last.
func (d *driver) lastResponse() messages.Response {
	d.t.Helper()
	for _, message := range slices.Backward(d.told) {
		if response, ok := message.(messages.Response); ok {
			return response
		}
	}
	d.t.Fatal("no response was told")
	return messages.Response{}
}

// edit changes a message in a test table.
type edit func(*coap.Message)

func message(t coap.Type, code messages.CoAPCode, mid uint16, token []byte, edits ...edit) coap.Message {
	msg := coap.Message{Type: t, Code: code, MID: mid, Token: token}
	for _, e := range edits {
		e(&msg)
	}
	return msg
}

func path(segments ...string) edit {
	return func(m *coap.Message) { m.AddStrings(coap.URIPath, segments) }
}

func payload(p []byte) edit { return func(m *coap.Message) { m.Payload = p } }

func uintOption(number uint16, v uint32) edit {
	return func(m *coap.Message) { m.AddUint(number, v) }
}

func bytesOption(number uint16, v string) edit {
	return func(m *coap.Message) { m.AddString(number, v) }
}

func block1(num uint32, more bool, szx uint8) edit {
	return func(m *coap.Message) { m.AddBlock(coap.Block1, coap.Block{Num: num, More: more, SZX: szx}) }
}

func block2(num uint32, more bool, szx uint8) edit {
	return func(m *coap.Message) { m.AddBlock(coap.Block2, coap.Block{Num: num, More: more, SZX: szx}) }
}

// pattern returns n bytes, of which no two blocks are equal.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i*7)
	}
	return b
}

// render returns one line for a message that the machine told.
func render(message any) string {
	switch m := message.(type) {
	case send:
		return "send " + renderDatagram(m.data)
	case messages.Response:
		return fmt.Sprintf("response %d %s%s", m.ID, m.Code, size(m.Payload))
	case messages.RequestFailed:
		return fmt.Sprintf("failed %d %s", m.ID, m.Reason)
	case messages.ResponseBlock:
		return fmt.Sprintf("part %d at %d%s", m.ID, m.Offset, size(m.Data))
	case messages.Inbound:
		return "inbound " + renderInbound(m)
	case messages.InboundBlock:
		return fmt.Sprintf("inbound part %s at %d more=%t", renderInbound(m.Inbound), m.Offset, m.Next)
	case messages.Notified:
		return fmt.Sprintf("notified %d %s", m.ID, m.Outcome)
	case messages.Silence:
		return "silence"
	case messages.Overloaded:
		return fmt.Sprintf("overloaded %+v", m.Shed)
	case messages.Malformed:
		return "malformed " + reason(m.Cause)
	}
	return fmt.Sprintf("%T", message)
}

func reason(err error) string {
	if fault, ok := errors.AsType[*coap.FormatError](err); ok {
		return "(" + fault.Reason.String() + ")"
	}
	return err.Error()
}

func renderInbound(m messages.Inbound) string {
	return fmt.Sprintf("%s /%s%s", m.Code, strings.Join(m.Path, "/"), size(m.Payload))
}

// renderDatagram shows everything but what is the same in nearly all tests.
func renderDatagram(data []byte) string {
	m, err := coap.Decode(data)
	if err != nil {
		return err.Error()
	}
	line := fmt.Sprintf("%s %s mid=%d", m.Type, m.Code, m.MID)
	if len(m.Token) > 0 {
		line += fmt.Sprintf(" token=%x", trimZeros(m.Token))
	}
	if path := m.Path(); path != nil {
		line += " /" + strings.Join(path, "/")
	}
	if v, ok := m.Uint(coap.Observe); ok {
		line += fmt.Sprintf(" observe=%d", v)
	}
	for _, option := range []struct {
		name   string
		number uint16
	}{{"b1", coap.Block1}, {"b2", coap.Block2}} {
		if b, ok := m.Block(option.number); ok {
			line += fmt.Sprintf(" %s=%s", option.name, b)
		}
	}
	for _, option := range []struct {
		name   string
		number uint16
	}{{"size1", coap.Size1}, {"size2", coap.Size2}} {
		if v, ok := m.Uint(option.number); ok {
			line += fmt.Sprintf(" %s=%d", option.name, v)
		}
	}
	return line + size(m.Payload)
}

func trimZeros(token []byte) []byte {
	for len(token) > 1 && token[0] == 0 {
		token = token[1:]
	}
	return token
}

func size(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	return fmt.Sprintf(" [%d]", len(p))
}
