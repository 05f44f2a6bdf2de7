package dtls

import (
	"testing"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// newPair returns a resumed session and the server's protection of its records.
func newPair(t *testing.T) (*Session, *record.Protector) {
	t.Helper()
	up, down := direction(t, 1), direction(t, 2)
	protector := func(write, read record.Direction) *record.Protector {
		p, err := record.NewProtector(record.AES128CCM8, 1, write, read)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	finished := handshake.Message{Type: handshake.TypeFinished, Sequence: 2, Body: make([]byte, verifyDataSize)}
	s := &Session{
		protector: protector(up, down), mtu: defaultMTU, sequence: 3,
		last: []item{{change: true}, {sealed: true, message: finished}},
	}
	return s, protector(down, up)
}

func direction(t *testing.T, seed uint64) record.Direction {
	t.Helper()
	d := record.Direction{Key: make([]byte, record.AES128CCM8.KeySize()), Salt: make([]byte, record.AES128CCM8.SaltSize())}
	random := source(seed)
	for _, b := range [][]byte{d.Key, d.Salt} {
		if _, err := random.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// The last flight of an abbreviated handshake is repeated when the server
// repeats its Finished, each time in records with numbers of their own.
func TestLastFlightIsRepeated(t *testing.T) {
	s, server := newPair(t)
	seal := func(content record.Content, body []byte) []byte {
		sealed, err := server.Seal(nil, content, body)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	wantFlight := func(e Event, number uint64) {
		t.Helper()
		if e.Err != nil || len(e.Send) != 1 {
			t.Fatalf("%+v", e)
		}
		change, rest, _ := record.Next(e.Send[0], 0)
		finished, rest, ok := record.Next(rest, 0)
		if !ok || len(rest) > 0 || change.Content != record.ChangeCipherSpec || change.Sequence != 3+number ||
			finished.Content != record.Handshake || finished.Epoch != 1 || finished.Sequence != number {
			t.Errorf("flight %d: %+v, %+v", number, change, finished)
		}
	}
	repeated := handshake.Message{Type: handshake.TypeFinished, Sequence: 2, Body: make([]byte, verifyDataSize)}
	e, _ := s.Next(seal(record.Handshake, repeated.Append(nil)))
	wantFlight(e, 0)
	if e, _ = s.Next(seal(record.Handshake, handshake.Message{Type: handshake.TypeHelloRequest}.Append(nil))); len(e.Send) > 0 {
		t.Error("a HelloRequest is answered")
	}
	e, _ = s.Next(seal(record.Handshake, repeated.Append(nil)))
	wantFlight(e, 1)
	s.last = nil // a full handshake ends with the server's flight
	if e, _ = s.Next(seal(record.Handshake, repeated.Append(nil))); len(e.Send) > 0 {
		t.Error("a Finished is answered with nothing")
	}
}
