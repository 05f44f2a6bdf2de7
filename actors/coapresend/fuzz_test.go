package coapresend

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// FuzzDatagrams feeds a machine, which has requests and transfers of its own
// under way, with datagrams: the input is cut into pieces, each led by its
// length. Nothing panics, every state stays bounded, and once time has passed
// nothing is left.
func FuzzDatagrams(f *testing.F) {
	piece := func(messages ...coap.Message) (all []byte) {
		for _, m := range messages {
			data, _ := coap.Encode(m)
			all = append(append(all, byte(len(data))), data...)
		}
		return all
	}
	f.Add(piece(coap.EmptyACK(100), message(coap.CON, messages.Content, 9, token(1), block2(0, true, 0), payload(make([]byte, 16)))))
	f.Add(piece(message(coap.ACK, messages.Content, 100, token(1), block2(0, true, 0), payload(make([]byte, 16))),
		message(coap.ACK, messages.Content, 101, token(3), block2(1, false, 0), payload([]byte("x")))))
	f.Add(piece(coap.Reset(100), message(coap.ACK, messages.Continue, 101, token(2), block1(0, true, 0))))
	f.Add(piece(message(coap.CON, messages.PUT, 1, nil, path("s"), block1(0, true, 0), payload(make([]byte, 16))),
		message(coap.CON, messages.PUT, 2, nil, path("s"), block1(1, false, 0), payload([]byte("x")))))
	f.Add(piece(post(1, block1(0, true, 0), payload(make([]byte, 16))), post(2, block1(1, true, 0), payload(make([]byte, 16)))))
	f.Add(piece(read(1), read(2, block2(1, false, 0)), message(coap.NON, 9, 3, nil)))
	f.Add(piece(message(coap.ACK, messages.Content, 100, token(1)), coap.Reset(101),
		message(coap.ACK, messages.Content, 102, token(3), etag("e"), block2(64, true, 0), uintOption(coap.Size2, 1<<32-1), payload(make([]byte, 16))),
		message(coap.ACK, messages.Content, 103, token(4), etag("f"), block2(65, true, 0), payload(make([]byte, 16)))))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := newDriver(t, Config{MaxBody: 64, DedupEntries: 8, BlockSize: 16, StreamPaths: []string{"/s"}})
		d.get(1)
		d.in(messages.Request{Epoch: epoch, ID: 1, For: messages.ForUpdate, Code: messages.GET, Path: []string{"a"}, Stream: true, From: 1024})
		d.put(100)
		for len(data) > 0 {
			length := min(int(data[0]), len(data)-1)
			d.feed(data[1 : 1+length])
			data = data[1+length:]
		}
		d.run(time.Hour)
		if m := d.m; len(m.active)+len(m.queue)+len(m.separate)+len(m.entries)+len(m.uploads)+len(m.bodies)+len(m.stalled)+m.calls > 0 || len(d.timers) > 0 {
			t.Errorf("left over: %+v", m)
		}
	})
}

// feed delivers a datagram, answers what the handler is asked, and lets some
// time pass.
func (d *driver) feed(datagram []byte) {
	told := len(d.told)
	d.raw(datagram...)
	for _, message := range d.told[told:] {
		switch message := message.(type) {
		case messages.Inbound:
			d.in(messages.Reply{Epoch: epoch, ID: message.ID, Code: messages.Content, Payload: pattern(40)})
		case messages.InboundBlock:
			d.in(messages.More{Epoch: epoch, ID: message.ID, Upload: true})
		case messages.ResponseBlock:
			if message.Offset%1024 != 16 { // else its requester has gone
				d.in(messages.More{Epoch: epoch, ID: message.ID, For: messages.ForUpdate})
			}
		}
	}
	m := d.m
	if len(m.entries) > 8+2 || len(m.uploads) > maxUploads || len(m.bodies) > maxBodies || len(m.active) > 2+8 || len(m.queue) > 2 || len(m.separate) > maxSeparate || len(d.timers) > 2*8+5 {
		d.t.Fatalf("unbounded: %+v", m)
	}
	for _, u := range m.uploads {
		if len(u.body) > 64 {
			d.t.Fatalf("a body of %d bytes", len(u.body))
		}
	}
	d.run(d.now.Sub(start) + 300*time.Millisecond)
}

var _ core.Machine = (*Machine)(nil)
