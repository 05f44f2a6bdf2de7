package coapresend

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// unproven returns the driver of a link whose session has been stored, with a request
// under way.
func unproven(t *testing.T) *driver {
	d := newDriver(t, Config{})
	d.in(messages.LinkUp{Epoch: epoch, Unproven: true})
	d.get(1)
	return d
}

// numbered is a datagram of the peer in a record with a number.
func (d *driver) numbered(record uint64, msg coap.Message) {
	d.in(messages.Datagram{Epoch: epoch, Data: mustEncode(msg), Record: record})
}

// What somebody has recorded before a restart and repeats after it has no effect: not
// before the server has answered, and not afterwards, by its number.
func TestRepeatsOfBeforeARestartAreDropped(t *testing.T) {
	old := []coap.Message{
		message(coap.CON, messages.POST, 9, token(77), path("3", "0", "4")), // an Execute: reboot
		message(coap.NON, messages.POST, 9, token(77), path("3", "0", "4")),
		message(coap.ACK, messages.Changed, 100, token(5)), // an answer to another request
		message(coap.CON, messages.Content, 9, token(5)),
		coap.EmptyACK(100),
		coap.Reset(100),
		{Type: coap.CON, MID: 10}, // a ping
	}
	d := unproven(t)
	for i, msg := range old {
		d.numbered(uint64(40+i), msg)
	}
	d.raw(0xff) // undecodable
	d.run(time.Second)
	d.numbered(50, message(coap.ACK, messages.Changed, 100, token(1)))
	for i, msg := range old {
		d.numbered(uint64(49-i), msg)
	}
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "1s response 1 2.04")
	d.numbered(51, old[0])
	d.numbered(51, coap.Message{Type: coap.CON, MID: 10})
	d.expect("1s inbound 0.02 /3/0/4", "1s send RST 0.00 mid=10")
}

// An answer that comes separately does as well, and an empty acknowledgement, which
// anybody may have recorded, does not keep a request from being resent.
func TestSeparateAnswerProvesALink(t *testing.T) {
	d := unproven(t)
	d.numbered(7, coap.EmptyACK(100))
	d.run(2 * time.Second)
	d.numbered(8, message(coap.CON, messages.Content, 9, token(1)))
	d.expect("0s send CON 0.01 mid=100 token=01 /a", "2s send CON 0.01 mid=100 token=01 /a",
		"2s send ACK 0.00 mid=9", "2s response 1 2.05")
}

// Where the session is not from a store, and where there is none, everything counts.
func TestOtherLinksTakeEverything(t *testing.T) {
	d := newDriver(t, Config{})
	d.numbered(0, coap.Message{Type: coap.CON, MID: 10})
	d.expect("0s send RST 0.00 mid=10")
}

// The owner of a link that goes on with a session is told, once, that the peer knows it:
// of any other link nobody has a doubt, and after a restart an acknowledgement says nothing.
func TestAcknowledgementShowsThatTheSessionIsKnown(t *testing.T) {
	for up, want := range map[messages.LinkUp]int{
		{Epoch: epoch, Origin: messages.SessionKept}:                 1,
		{Epoch: epoch, Origin: messages.SessionKept, Unproven: true}: 0,
		{Epoch: epoch, Origin: messages.SessionResumed}:              0,
		{Epoch: epoch, Origin: messages.SessionNew}:                  0,
	} {
		d := newDriver(t, Config{})
		d.in(up)
		told := 0
		for i := range uint64(2) {
			d.get(i + 1)
			for _, effect := range d.m.Step(d.now, messages.Datagram{Epoch: epoch, Data: mustEncode(coap.EmptyACK(uint16(100 + i))), Record: 7 + i}) {
				tell, _ := effect.(core.Tell)
				if in, is := tell.Message.(messages.Acknowledged); is && in.Epoch == epoch && tell.To == core.Owner {
					told++
				}
			}
		}
		if told != want {
			t.Errorf("%+v: told %d times, want %d", up, told, want)
		}
	}
}
