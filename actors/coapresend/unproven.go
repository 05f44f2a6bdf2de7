package coapresend

import (
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/messages"
)

// freshness keeps out what somebody repeats on a link whose session has been stored: which
// records had come before the restart is not known there, and a message ID tells a repeat
// only as long as it is remembered. The token of a request of ours is drawn at random, so
// that nothing recorded earlier can carry it: whatever answers it is new, and so are the
// records that the server has numbered higher.
type freshness struct {
	wanted bool   // the server has not answered yet
	since  uint64 // number of the record that did
}

// fresh reports whether a datagram may be looked at: it answers a request of ours, or it
// was sent after one that did. The server sends again what is dropped, where it matters.
func (m *Machine) fresh(in messages.Datagram, msg *coap.Message, fault *coap.FormatError) bool {
	f := &m.freshness
	if !f.wanted {
		return in.Record >= f.since
	}
	if fault != nil || msg.IsEmpty() || msg.IsRequest() || m.match(*msg) == nil {
		return false
	}
	f.wanted, f.since = false, in.Record
	return true
}
