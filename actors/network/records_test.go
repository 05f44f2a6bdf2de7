package network

import (
	"bytes"
	"testing"
)

// handshakeMessage encodes a handshake message, or a fragment of one.
func handshakeMessage(kind byte, sequence uint16, offset int, body []byte) []byte {
	n := len(body)
	head := []byte{kind, 0, byte(n >> 8), byte(n), byte(sequence >> 8), byte(sequence),
		byte(offset >> 16), byte(offset >> 8), byte(offset), 0, byte(n >> 8), byte(n)}
	return append(head, body...)
}

func alertRecord(level, number byte) []byte {
	return rawRecord(contentAlert, 0, []byte{level, number})
}

// rawRecord encodes a DTLS 1.2 record with sequence number 0.
func rawRecord(content byte, epoch uint16, body []byte) []byte {
	head := []byte{content, 0xfe, 0xfd, byte(epoch >> 8), byte(epoch), 0, 0, 0, 0, 0, 0, byte(len(body) >> 8), byte(len(body))}
	return append(head, body...)
}

func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestFilter(t *testing.T) {
	hello := rawRecord(contentHandshake, 0, handshakeMessage(messageServerHello, 0, 0, []byte("hello")))
	data := rawRecord(contentApplicationData, 1, []byte("data"))
	alert := alertRecord(2, 40)
	change := rawRecord(contentChangeCipherSpec, 0, []byte{1})
	lateChange := rawRecord(contentChangeCipherSpec, 1, []byte{1})
	cid := rawRecord(25, 1, make([]byte, 20))
	empty := rawRecord(contentApplicationData, 1, nil)
	tests := []struct {
		name          string
		in            []byte
		handshake, up []byte
	}{
		{"nothing", nil, nil, nil},
		{"a handshake", concat(hello, change), concat(hello, change), nil},
		{"data", data, data, data},
		{"tls12_cid alone", cid, nil, nil},
		{"tls12_cid between others", concat(hello, cid, data), concat(hello, data), data},
		{"a cleartext alert", alert, alert, nil},
		{"an early change of epoch", concat(lateChange, data), data, data},
		{"an empty record", concat(empty, data), data, data},
		{"an unknown content", rawRecord(99, 0, []byte("x")), nil, nil},
		{"a later epoch", rawRecord(contentApplicationData, 2, []byte("x")), nil, nil},
		{"a cut record", data[:len(data)-1], nil, nil},
		{"a whole and a cut record", concat(data, data[:5]), nil, nil},
		{"a header only", data[:recordHeader-1], nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := bytes.Clone(test.in)
			if got := in[:filter(in, wantedInHandshake)]; !bytes.Equal(got, test.handshake) {
				t.Errorf("handshake: got %x, want %x", got, test.handshake)
			}
			in = bytes.Clone(test.in)
			if got := in[:filter(in, wantedWhenUp)]; !bytes.Equal(got, test.up) {
				t.Errorf("up: got %x, want %x", got, test.up)
			}
		})
	}
}

func TestHoldsServerHello(t *testing.T) {
	hello := handshakeMessage(messageServerHello, 1, 0, []byte("hello"))
	other := handshakeMessage(3, 0, 0, []byte("verify"))
	tests := []struct {
		name    string
		content byte
		epoch   uint16
		body    []byte
		want    bool
	}{
		{"alone", contentHandshake, 0, hello, true},
		{"second in its record", contentHandshake, 0, concat(other, hello), true},
		{"a fragment", contentHandshake, 0, handshakeMessage(messageServerHello, 1, 7, []byte("x")), true},
		{"another message", contentHandshake, 0, other, false},
		{"encrypted", contentHandshake, 1, hello, false},
		{"another content", contentAlert, 0, hello, false},
		{"cut", contentHandshake, 0, hello[:len(hello)-1], false},
		{"a piece of a header", contentHandshake, 0, hello[:5], false},
	}
	for _, test := range tests {
		r, _, ok := nextRecord(rawRecord(test.content, test.epoch, test.body))
		if got := holdsServerHello(r); !ok || got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

// A kind of message has one place in a server's flight.
func TestOrder(t *testing.T) {
	in := func(kind byte, sequence uint16) record {
		r, _, _ := nextRecord(rawRecord(contentHandshake, 0, handshakeMessage(kind, sequence, 0, []byte("body"))))
		return r
	}
	var o order
	for _, step := range []struct {
		kind     byte
		sequence uint16
		want     bool
	}{
		{3, 0, true}, {3, 1, true}, {2, 1, true}, {12, 3, true}, {12, 3, true}, {12, 5, false}, {2, 0, false}, {14, 4, true},
	} {
		if got := o.admits(in(step.kind, step.sequence)); got != step.want {
			t.Errorf("message %d with number %d: got %v, want %v", step.kind, step.sequence, got, step.want)
		}
	}
	if cut, _, _ := nextRecord(rawRecord(contentHandshake, 0, []byte{2, 0})); o.admits(cut) {
		t.Error("a cut message passes")
	}
}

func FuzzDatagram(f *testing.F) {
	hello := rawRecord(contentHandshake, 0, handshakeMessage(messageServerHello, 0, 0, []byte("hello")))
	data := rawRecord(contentApplicationData, 1, []byte("data"))
	for _, seed := range [][]byte{
		nil, hello, data, concat(hello, data), concat(rawRecord(25, 1, make([]byte, 9)), data),
		alertRecord(2, 48), hello[:20], {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		conn := &recordConn{}
		for _, established := range []bool{false, true} {
			in := bytes.Clone(datagram)
			conn.established = established
			wanted := wantedInHandshake
			if established {
				wanted = wantedWhenUp
			}
			// what passes is a sequence of whole, wanted records, each of
			// which the datagram holds
			for rest := in[:conn.receive(in)]; len(rest) > 0; {
				r, tail, ok := nextRecord(rest)
				if !ok || !wanted(r) || len(r.body) == 0 || !bytes.Contains(datagram, r.raw) {
					t.Fatalf("%x lets %x pass (established %v)", datagram, rest, established)
				}
				rest = tail
			}
		}
		conn.established = false
		conn.send(datagram)
	})
}
