package dtls

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// newMovable returns a session with a Connection ID, and the server's protection of its
// records.
func newMovable(t *testing.T) (*Session, *record.Protector) {
	t.Helper()
	up, down := direction(t, 1), direction(t, 2)
	up.CID = []byte{1, 2, 3, 4}
	state := Exported{
		Suite: PSKWithAES128CCM8, Proof: Proof{Kind: ProofPSK},
		Record: &record.State{Cipher: record.AES128CCM8, Epoch: 1, Write: up, Read: down},
	}
	s, err := Restore(state)
	if err != nil {
		t.Fatal(err)
	}
	server, err := record.NewProtector(record.AES128CCM8, 1, down, up)
	if err != nil {
		t.Fatal(err)
	}
	return s, server
}

// moved exports a session and goes on with what comes of its encoding.
func moved(t *testing.T, s *Session, change func(Exported) Exported) *Session {
	t.Helper()
	state, ok := s.Export()
	if !ok {
		t.Fatal("not exported")
	}
	read, err := ParseExported(state.Encode())
	if err != nil {
		t.Fatal(err)
	}
	restored, err := Restore(change(read))
	if err != nil {
		t.Fatal(err)
	}
	return restored
}

func same(e Exported) Exported { return e }

// sends seals a record, which the server must accept, and returns its number.
func sends(t *testing.T, s *Session, server *record.Protector) uint64 {
	t.Helper()
	sealed, err := s.Seal(nil, []byte("up"))
	if err != nil {
		t.Fatal(err)
	}
	r, _, ok := record.Next(sealed, server.CIDLength())
	if !ok || r.Content != record.ConnectionID {
		t.Fatalf("%+v", r)
	}
	if _, plain, err := server.Open(r); err != nil || string(plain) != "up" {
		t.Fatalf("%q, %v", plain, err)
	}
	return r.Sequence
}

// A session goes on as a value, both ways, as if nothing had happened: with the next
// sequence number, and with what it knows of the records that have come.
func TestSessionGoesOnElsewhere(t *testing.T) {
	s, server := newMovable(t)
	down, err := server.Seal(nil, record.ApplicationData, []byte("down"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(5) {
		if n := sends(t, s, server); n != i {
			t.Errorf("sequence number %d instead of %d", n, i)
		}
		if i == 2 {
			if e, _ := s.Next(bytes.Clone(down)); string(e.Data) != "down" {
				t.Fatalf("%+v", e)
			}
		}
		s = moved(t, s, same)
		if !s.Movable() || s.NextSequence() != i+1 || s.Proof().Kind != ProofPSK {
			t.Errorf("%d: %+v", i, s)
		}
	}
	if e, _ := s.Next(bytes.Clone(down)); e.Data != nil {
		t.Error("a record is taken twice")
	}
}

// Who does not know what has been sent goes on beyond what was reserved, and takes
// nothing that may have come already.
func TestSessionGoesOnBeyond(t *testing.T) {
	s, server := newMovable(t)
	s.Reserve(100)
	seal := func(i uint64) []byte {
		b, err := server.Seal(nil, record.ApplicationData, fmt.Append(nil, i))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first, second := seal(0), seal(1)
	if e, _ := s.Next(bytes.Clone(second)); string(e.Data) != "1" || e.Sequence != 1 {
		t.Fatalf("%+v", e)
	}
	sends(t, s, server)
	restored := moved(t, s, func(e Exported) Exported { return e.Beyond(s.Reserved()) })
	if n := sends(t, restored, server); n != 100 {
		t.Errorf("goes on with %d", n)
	}
	if state, _ := restored.Export(); state.Record.Sealed != 101 {
		t.Errorf("%d records count as sealed", state.Record.Sealed)
	}
	for _, old := range [][]byte{first, second} {
		if e, _ := restored.Next(bytes.Clone(old)); e.Data != nil {
			t.Errorf("a record of before is taken: %q", e.Data)
		}
	}
	if e, _ := restored.Next(seal(2)); string(e.Data) != "2" {
		t.Errorf("%+v", e)
	}
}

// No sequence number is used that has not been reserved, for whatever record.
func TestUnreservedNumbersAreNotUsed(t *testing.T) {
	s, server := newMovable(t)
	s.Reserve(2)
	sends(t, s, server)
	sends(t, s, server)
	if _, err := s.Seal(nil, []byte("up")); !errors.Is(err, ErrUnreserved) {
		t.Errorf("sealed: %v", err)
	}
	if _, err := s.Goodbye(nil); !errors.Is(err, ErrUnreserved) {
		t.Errorf("close_notify: %v", err)
	}
	s.Reserve(3)
	if n := sends(t, s, server); n != 2 {
		t.Errorf("goes on with %d", n)
	}
	s.Reserve(0)
	sends(t, s, server)
}

// exports are states of every shape.
func exports(t testing.TB) []Exported {
	key := func(n int, with byte) []byte { return bytes.Repeat([]byte{with}, n) }
	proof := Proof{Kind: ProofCertificate, Digest: [32]byte{1}, Ends: time.Unix(1<<40, 0)}
	return []Exported{
		{Suite: PSKWithAES128CCM8, Proof: Proof{Kind: ProofPSK}, Record: &record.State{
			Cipher: record.AES128CCM8, Epoch: 1, Next: 7, Sealed: 8, Forged: 9, WindowNext: 10, WindowSeen: math.MaxUint64,
			Write: record.Direction{Key: key(16, 1), Salt: key(4, 2), CID: key(255, 3)},
			Read:  record.Direction{Key: key(16, 4), Salt: key(4, 5), CID: key(255, 6)},
		}},
		{Suite: ECDHEECDSAWithAES256GCMSHA384, Proof: proof, Record: &record.State{
			Cipher: record.AES256GCM, Epoch: 1,
			Write: record.Direction{Key: key(32, 1), Salt: key(4, 2), CID: key(1, 3)},
			Read:  record.Direction{Key: key(32, 4), Salt: key(4, 5), CID: []byte{}},
		}},
		{Suite: ECDHEECDSAWithAES128CCM, Proof: Proof{Kind: ProofRawKey, Digest: [32]byte{9}}, Resume: &Resumption{
			ID: key(32, 7), Suite: ECDHEECDSAWithAES128CCM, Master: key(48, 8), Proof: Proof{Kind: ProofRawKey, Digest: [32]byte{9}},
		}},
	}
}

// What is encoded is read as the same, and nothing else is read: not a byte more or
// less, and not one changed where that makes something that no session can be.
func TestExportedSessionsAreReadAsWritten(t *testing.T) {
	for i, e := range exports(t) {
		data := e.Encode()
		read, err := ParseExported(data)
		if err != nil || !reflect.DeepEqual(read, e) {
			t.Errorf("%d: %v: %#v instead of %#v", i, err, read.Record, e.Record)
		}
		if _, err := ParseExported(append(bytes.Clone(data), 0)); err == nil {
			t.Errorf("%d: a byte more is read", i)
		}
		for n := range data {
			if _, err := ParseExported(data[:n]); err == nil {
				t.Errorf("%d: the first %d bytes are read", i, n)
			}
		}
		for _, at := range []int{0, 1, 3, 44} { // version, suite, proof, kind
			broken := bytes.Clone(data)
			broken[at] ^= 0x40
			if _, err := ParseExported(broken); err == nil {
				t.Errorf("%d: byte %d changed is read", i, at)
			}
		}
	}
}

// A way to be proven that does not go with the suite, and a session that no server finds,
// are not read.
func TestImpossibleSessionsAreNotRead(t *testing.T) {
	for name, change := range map[string]func(*Exported){
		"a certificate with PSK":     func(e *Exported) { e.Proof.Kind = ProofCertificate },
		"a digest with PSK":          func(e *Exported) { e.Proof.Digest[0] = 1 },
		"an end with PSK":            func(e *Exported) { e.Proof.Ends = time.Unix(5, 0) },
		"no Connection ID to send":   func(e *Exported) { e.Record.Write.CID = nil },
		"epoch 0":                    func(e *Exported) { e.Record.Epoch = 0 },
		"a number beyond the last":   func(e *Exported) { e.Record.Next = record.MaxSequence + 2 },
		"the key of another cipher":  func(e *Exported) { e.Record.Read.Key = e.Record.Read.Key[1:] },
		"the suite of other secrets": func(e *Exported) { e.Suite = ECDHEECDSAWithAES128GCMSHA256 },
	} {
		e := exports(t)[0]
		change(&e)
		if _, err := ParseExported(e.Encode()); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

// No way of printing shows a secret.
func TestExportedSessionsPrintNoSecret(t *testing.T) {
	for _, e := range exports(t) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			text := fmt.Sprintf(verb+verb, e, &e)
			if len(text) > 200 {
				t.Errorf("%s prints %q", verb, text)
			}
		}
	}
}

func FuzzParseExported(f *testing.F) {
	for _, e := range exports(f) {
		f.Add(e.Encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ParseExported(data)
		if err != nil {
			return
		}
		if !bytes.Equal(e.Encode(), data) {
			t.Errorf("%x is encoded as %x", data, e.Encode())
		}
		if e.Record == nil {
			return
		}
		s, err := Restore(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Seal(nil, []byte("x")); err != nil && !errors.Is(err, record.ErrExhausted) {
			t.Error(err)
		}
	})
}
