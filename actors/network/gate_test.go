package network

import (
	"slices"
	"testing"
)

// passing returns which of n sendings of a flight pass the gate, from 0.
func passing(g *gate, n int, datagrams ...[]byte) []int {
	var passed []int
	for i := range n {
		all, none := true, true
		for _, d := range datagrams {
			if g.passes(d) {
				none = false
			} else {
				all = false
			}
		}
		if all {
			passed = append(passed, i)
		} else if !none {
			passed = append(passed, -i) // only a part of the flight passed
		}
	}
	return passed
}

func TestGateSpacing(t *testing.T) {
	hello := func(sequence uint16) []byte {
		return rawRecord(contentHandshake, 0, handshakeMessage(messageClientHello, sequence, 0, []byte("hello")))
	}
	certificate := rawRecord(contentHandshake, 0, handshakeMessage(11, 2, 0, []byte("cert")))
	tail := rawRecord(contentHandshake, 0, handshakeMessage(11, 2, 4, []byte("ificate")))
	exchange := rawRecord(contentHandshake, 0, handshakeMessage(16, 3, 0, []byte("key")))
	finished := rawRecord(contentHandshake, 1, make([]byte, 40))
	change := rawRecord(contentChangeCipherSpec, 0, []byte{1})

	g := &gate{}
	want := []int{0, 1, 3, 7, 15, 31, 63, 123, 183, 243}
	for name, flight := range map[string][][]byte{
		"flight 1": {hello(0)}, "flight 3": {hello(1)},
	} {
		if got := passing(&gate{}, 250, flight...); !slices.Equal(got, want) {
			t.Errorf("%s passes at %v, want %v", name, got, want)
		}
	}
	// every new flight begins anew, in the middle of whatever wait
	if got := passing(g, 6, hello(0)); !slices.Equal(got, []int{0, 1, 3}) {
		t.Errorf("flight 1 passes at %v", got)
	}
	if got := passing(g, 6, hello(1)); !slices.Equal(got, []int{0, 1, 3}) {
		t.Errorf("flight 3 passes at %v", got)
	}
	if got := passing(g, 250, certificate, tail, exchange, change, finished); !slices.Equal(got, want) {
		t.Errorf("flight 5 passes at %v, want %v", got, want)
	}
}

func TestGateLetsAlertsPass(t *testing.T) {
	g := &gate{}
	hello := rawRecord(contentHandshake, 0, handshakeMessage(messageClientHello, 0, 0, []byte("hello")))
	for range 3 {
		g.passes(hello)
	}
	if g.open {
		t.Fatal("the gate is open")
	}
	if !g.passes(alertRecord(2, 40)) {
		t.Error("an alert was kept")
	}
}
