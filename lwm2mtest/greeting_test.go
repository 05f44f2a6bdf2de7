package lwm2mtest

import "testing"

// The server is waited for once, from the first ClientHello that has the cookie to the first
// word after it.
func TestGreeting(t *testing.T) {
	record := func(kind byte, message byte) []byte {
		data := make([]byte, 100)
		data[0], data[recordHeaderSize], data[recordHeaderSize+5] = recordHandshake, kind, message
		data[recordHeaderSize+3], data[recordHeaderSize+11] = 75, 75 // length, fragment_length
		return data
	}
	fragment := record(helloRequestType, 1)
	fragment[recordHeaderSize+11] = 70
	first, second := record(helloRequestType, 0), record(helloRequestType, 1)
	verify, hello := record(helloVerifyType, 0), record(2, 1)
	alert := []byte{recordAlert, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40}

	var g greeting
	for i, step := range []struct {
		data  []byte
		write bool
		want  bool // read: others wait; wrote: nobody waits any more
	}{
		{second, false, false}, // with the cookie of another server: it is not answered
		{first, false, false},
		{verify, true, false},
		{first, false, false},
		{fragment, false, false},
		{second[:20], false, false},
		{second, false, true},
		{verify, true, false}, // the answer to the first one that came again
		{hello, true, true},
		{second, false, false}, // a resend: what it would wait for is set
		{alert, true, true},
	} {
		got := g.read
		if step.write {
			got = g.wrote
		}
		if got(step.data) != step.want {
			t.Errorf("step %d: %v", i, !step.want)
		}
	}
}
