package interop

import (
	"bytes"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// A network that sends everything twice: every operation of the bootstrap is
// executed once, and both copies get the same answer.
func TestLeshanDuplicatedWriteIsExecutedOnce(t *testing.T) {
	t.Parallel()
	server := management(t)
	bs := bootstrap(t)
	bs.provision("TLV", noSecEntry(server.CoAP()))
	wire := newDuplicator(t, bs.CoAP())
	probe := lwm2mtest.NewProbe(nil)
	cfg := quick(t)
	cfg.Bootstrap = noSec(wire.addr())
	c := start(t, cfg, lwm2mtest.WithTap(probe))
	c.bootstrapped()
	c.registered()
	bs.event("bs_end")
	requests := operations(wire)
	wire.await("the answers to all copies", func() bool { return answeredAgain(wire, requests) })
	c.leave()

	if len(requests) < 5 { // two Deletes, two Writes, Finish
		t.Errorf("the bootstrap server sent %d requests", len(requests))
	}
	for mid, request := range requests {
		same(t, request, answers(wire, mid))
	}
	executed := 0
	for _, o := range probe.Pending() {
		if _, request := o.Message.(messages.Inbound); request {
			executed++
		}
	}
	if executed != len(requests) {
		t.Errorf("%d requests were executed, want %d", executed, len(requests))
	}
	if n := bs.count("bs_authorized"); n != 1 {
		t.Errorf("%d bootstraps, want 1", n)
	}
}

// operations returns the requests of the server, each once.
func operations(wire *relay) map[[2]byte]datagram {
	requests := map[[2]byte]datagram{}
	for _, d := range wire.datagrams() {
		if d.request() {
			requests[d.mid()] = d
		}
	}
	return requests
}

// answers returns the client's acknowledgements of a message. A copy that
// comes while the first is being worked on needs none of its own.
func answers(wire *relay, mid [2]byte) [][]byte {
	var all [][]byte
	for _, d := range wire.datagrams() {
		if !d.fromServer && d.kind() == typeACK && d.mid() == mid {
			all = append(all, d.data)
		}
	}
	return all
}

func answeredAgain(wire *relay, requests map[[2]byte]datagram) bool {
	for mid := range requests {
		if len(answers(wire, mid)) < 2 {
			return false
		}
	}
	return true
}

func same(t *testing.T, request datagram, answers [][]byte) {
	t.Helper()
	for _, a := range answers[1:] {
		if !bytes.Equal(a, answers[0]) {
			t.Errorf("request %x has the answers %x and %x", request.mid(), answers[0], a)
		}
	}
}
