package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var allCiphers = []Cipher{AES128CCM8, AES128CCM, AES128GCM, AES256GCM}

// direction returns secrets made of one byte.
func direction(c Cipher, b byte, cid []byte) Direction {
	return Direction{Key: bytes.Repeat([]byte{b}, c.KeySize()), Salt: bytes.Repeat([]byte{b + 1}, c.SaltSize()), CID: cid}
}

// pair returns the protectors of both ends.
func pair(t testing.TB, c Cipher, cid []byte) (client, server *Protector) {
	t.Helper()
	up, down := direction(c, 1, cid), direction(c, 7, cid)
	client, err := NewProtector(c, 1, up, down)
	if err != nil {
		t.Fatal(err)
	}
	server, err = NewProtector(c, 1, down, up)
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}

// seal seals, and fails the test if that fails.
func seal(t testing.TB, p *Protector, content Content, payload []byte) []byte {
	t.Helper()
	sealed, err := p.Seal(nil, content, payload)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// parse splits the one record off a datagram.
func parse(t testing.TB, datagram []byte, cidLength int) Record {
	t.Helper()
	r, rest, ok := Next(datagram, cidLength)
	if !ok || len(rest) > 0 {
		t.Fatalf("%x is not one record", datagram)
	}
	return r
}

// everyWay runs a test with each cipher, with Connection IDs and without.
func everyWay(t *testing.T, test func(t *testing.T, c Cipher, cid []byte)) {
	for _, c := range allCiphers {
		for _, cid := range [][]byte{nil, {0xc1, 0xd2, 0xe3}} {
			t.Run(fmt.Sprintf("%s, %d", c, len(cid)), func(t *testing.T) { test(t, c, cid) })
		}
	}
}

func TestSealAndOpen(t *testing.T) {
	everyWay(t, func(t *testing.T, c Cipher, cid []byte) {
		client, server := pair(t, c, cid)
		for i, size := range []int{1, 2, 15, 16, 17, 1200, MaxPlaintext} {
			payload := bytes.Repeat([]byte{byte(size)}, size)
			datagram := seal(t, client, ApplicationData, payload)
			if grown := len(datagram) - size; grown > client.Overhead() {
				t.Errorf("%d bytes more, Overhead says %d", grown, client.Overhead())
			}
			r := parse(t, datagram, len(cid))
			if r.Sequence != uint64(i) || r.Epoch != 1 || !bytes.Equal(r.CID, cid) {
				t.Errorf("record %d: %+v", i, r)
			}
			content, opened, err := server.Open(r)
			if err != nil || content != ApplicationData || !bytes.Equal(opened, payload) {
				t.Errorf("%d bytes: got %s, %d bytes, %v", size, fmt.Sprint(content), len(opened), err)
			}
		}
	})
}

// RFC 5288 section 3, RFC 6655 section 3: the explicit nonce of every record is
// its epoch and sequence number, and none comes twice.
func TestNonces(t *testing.T) {
	everyWay(t, func(t *testing.T, c Cipher, cid []byte) {
		client, server := pair(t, c, cid)
		kinds := []Content{Handshake, ApplicationData, Alert}
		buffer := make([]byte, 0, 256)
		for n := range uint64(100_000 / 8 * 2) { // 200,000 over all ways
			datagram, err := client.Seal(buffer, kinds[n%3], []byte("data"))
			if err != nil {
				t.Fatal(err)
			}
			r := parse(t, datagram, len(cid))
			if got, want := binary.BigEndian.Uint64(r.Body), uint64(1)<<48|n; got != want || r.Sequence != n {
				t.Fatalf("record %d has nonce %x and number %d", n, got, r.Sequence)
			}
			if _, _, err := server.Open(r); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestReplayWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		seen := map[uint64]bool{}
		highest, any := uint64(0), false
		for range rapid.IntRange(1, 200).Draw(t, "records") {
			n := rapid.Uint64Range(0, 400).Draw(t, "number")
			if rapid.IntRange(0, 9).Draw(t, "far") == 0 {
				n = rapid.Uint64Range(0, MaxSequence).Draw(t, "far number")
			}
			tooOld := any && n+windowSize <= highest
			if got, want := w.fresh(n), !seen[n] && !tooOld; got != want {
				t.Fatalf("%d after %d: fresh %v, want %v", n, highest, got, want)
			}
			if w.fresh(n) {
				w.accept(n)
				seen[n], any, highest = true, true, max(highest, n)
			}
		}
	})
}

// Whatever a single bit of a record says else, it is not opened; and what was
// opened once is not opened again.
func TestForgedAndReplayedRecords(t *testing.T) {
	everyWay(t, func(t *testing.T, c Cipher, cid []byte) {
		client, server := pair(t, c, cid)
		genuine := seal(t, client, ApplicationData, []byte("payload"))
		for bit := range len(genuine) * 8 {
			forged := slices.Clone(genuine)
			forged[bit/8] ^= 1 << (bit % 8)
			r, _, ok := Next(forged, len(cid))
			if !ok {
				continue
			}
			if _, _, err := server.Open(r); err == nil {
				t.Fatalf("bit %d changed: opened", bit)
			}
		}
		replay := slices.Clone(genuine)
		if _, _, err := server.Open(parse(t, genuine, len(cid))); err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.Open(parse(t, replay, len(cid))); !errors.Is(err, ErrReplayed) {
			t.Errorf("replayed: %v", err)
		}
	})
}

// A forged record that is newer than every genuine one does not move the window.
func TestForgedRecordsDoNotMoveTheWindow(t *testing.T) {
	client, server := pair(t, AES128CCM8, nil)
	forged := AppendPlain(nil, ApplicationData, MaxSequence, make([]byte, 40))
	forged[4] = 1
	if _, _, err := server.Open(parse(t, forged, 0)); !errors.Is(err, ErrForged) {
		t.Errorf("got %v", err)
	}
	if _, _, err := server.Open(parse(t, seal(t, client, ApplicationData, []byte("x")), 0)); err != nil {
		t.Error(err)
	}
}

func TestRecordsOfOthers(t *testing.T) {
	client, server := pair(t, AES128GCM, nil)
	other, _ := pair(t, AES128GCM, []byte{9})
	for name, datagram := range map[string][]byte{
		"epoch 0":             AppendPlain(nil, ApplicationData, 0, make([]byte, 40)),
		"a Connection ID":     seal(t, other, ApplicationData, []byte("x")),
		"too short for a tag": append(AppendPlain(nil, ApplicationData, 0, nil)[:11], 0, 8, 1, 2, 3, 4, 5, 6, 7, 8),
	} {
		cidLength := 0
		if datagram[0] == byte(ConnectionID) {
			cidLength = 1
		} else if name != "epoch 0" {
			datagram[4] = 1
		}
		if _, _, err := server.Open(parse(t, datagram, cidLength)); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	old := seal(t, client, ApplicationData, []byte("x"))
	old[1], old[2] = 0xfe, 0xff
	if _, _, err := server.Open(parse(t, old, 0)); !errors.Is(err, ErrForeign) {
		t.Errorf("DTLS 1.0: got %v", err)
	}
}

// RFC 9146 section 4: what is authentic and has no content type, or nothing but
// padding, is no record.
func TestInnerPlaintext(t *testing.T) {
	for _, test := range []struct {
		outer   Content
		inner   []byte
		content Content
		want    []byte
	}{
		{ConnectionID, []byte{'a', 23}, ApplicationData, []byte("a")},
		{ConnectionID, []byte{'a', 0, 23, 0, 0}, ApplicationData, []byte("a\x00")},
		{ConnectionID, []byte{23}, 0, nil},
		{ConnectionID, []byte{0, 0, 0}, 0, nil},
		{ConnectionID, nil, 0, nil},
		{ApplicationData, nil, 0, nil},
		{Alert, []byte{1, 0}, Alert, []byte{1, 0}},
	} {
		content, got, err := unwrap(test.outer, test.inner)
		if content != test.content || !bytes.Equal(got, test.want) || (err == nil) != (test.want != nil) {
			t.Errorf("%d %x: got %d, %x, %v", test.outer, test.inner, content, got, err)
		}
	}
}

func TestLimits(t *testing.T) {
	client, server := pair(t, AES128CCM8, nil)
	if _, err := client.Seal(nil, ApplicationData, make([]byte, MaxPlaintext+1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	client.next = MaxSequence
	seal(t, client, ApplicationData, []byte("the last number"))
	if out, err := client.Seal([]byte("kept"), ApplicationData, []byte("x")); !errors.Is(err, ErrExhausted) || string(out) != "kept" {
		t.Errorf("numbers used up: %q, %v", out, err)
	}
	client, _ = pair(t, AES128CCM8, nil)
	client.sealed = MaxSealed - 1
	seal(t, client, ApplicationData, []byte("the last record"))
	if _, err := client.Seal(nil, ApplicationData, []byte("x")); !errors.Is(err, ErrExhausted) {
		t.Errorf("key used up: %v", err)
	}
	server.forged = MaxForged
	if _, _, err := server.Open(Record{}); !errors.Is(err, ErrExhausted) {
		t.Errorf("forgeries: %v", err)
	}
}

func TestInvalidProtectors(t *testing.T) {
	good := direction(AES128GCM, 1, nil)
	for name, make := range map[string]func() (*Protector, error){
		"epoch 0":      func() (*Protector, error) { return NewProtector(AES128GCM, 0, good, good) },
		"cipher":       func() (*Protector, error) { return NewProtector(99, 1, good, good) },
		"key length":   func() (*Protector, error) { return NewProtector(AES256GCM, 1, good, good) },
		"no salt":      func() (*Protector, error) { return NewProtector(AES128GCM, 1, good, Direction{Key: good.Key}) },
		"sequence":     func() (*Protector, error) { return Restore(State{Cipher: AES128GCM, Epoch: 1, Next: MaxSequence + 2}) },
		"restored key": func() (*Protector, error) { return Restore(State{Cipher: AES128GCM, Epoch: 1}) },
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A session that is exported and restored goes on where it was: no number is
// used again, no record is taken twice.
func TestExportAndRestore(t *testing.T) {
	everyWay(t, func(t *testing.T, c Cipher, cid []byte) {
		client, server := pair(t, c, cid)
		first := seal(t, client, ApplicationData, []byte("one"))
		replay := slices.Clone(first)
		if _, _, err := server.Open(parse(t, first, len(cid))); err != nil {
			t.Fatal(err)
		}
		client, server = reborn(t, client), reborn(t, server)
		if r := parse(t, seal(t, client, ApplicationData, []byte("two")), len(cid)); r.Sequence != 1 {
			t.Errorf("the number after the restore is %d", r.Sequence)
		} else if _, _, err := server.Open(r); err != nil {
			t.Error(err)
		}
		if _, _, err := server.Open(parse(t, replay, len(cid))); !errors.Is(err, ErrReplayed) {
			t.Errorf("replayed: %v", err)
		}
	})
}

func reborn(t *testing.T, p *Protector) *Protector {
	t.Helper()
	restored, err := Restore(p.Export())
	if err != nil {
		t.Fatal(err)
	}
	return restored
}

func TestStatePrintsNoKey(t *testing.T) {
	client, _ := pair(t, AES128GCM, []byte("cid"))
	state := client.Export()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, value := range []any{state, &state, state.Write, []any{state}} {
			if text := fmt.Sprintf(verb, value); strings.Contains(text, "1 1 1") || strings.Contains(text, "0101") || strings.Contains(text, "0x1") {
				t.Errorf("%s of %T: %s", verb, value, text)
			}
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	everyWay(t, func(t *testing.T, c Cipher, cid []byte) {
		client, server := pair(t, c, cid)
		payload, buffer := make([]byte, 1200), make([]byte, 0, 2000)
		allocations := testing.AllocsPerRun(100, func() {
			datagram, err := client.Seal(buffer, ApplicationData, payload)
			if err != nil {
				t.Fatal(err)
			}
			r, _, _ := Next(datagram, len(cid))
			if _, _, err := server.Open(r); err != nil {
				t.Fatal(err)
			}
		})
		if allocations != 0 {
			t.Errorf("%v allocations for a record", allocations)
		}
	})
}

func TestPlainRecords(t *testing.T) {
	good := AppendPlain(nil, Alert, 5, []byte{1, 0})
	for name, test := range map[string]struct {
		change func([]byte) []byte
		want   bool
	}{
		"good":     {func(b []byte) []byte { return b }, true},
		"DTLS 1.0": {func(b []byte) []byte { b[2] = 0xff; return b }, true},
		"DTLS 1.3": {func(b []byte) []byte { b[2] = 0xfc; return b }, false},
		"TLS":      {func(b []byte) []byte { b[1], b[2] = 3, 3; return b }, false},
		"epoch 1":  {func(b []byte) []byte { b[4] = 1; return b }, false},
		"empty":    {func([]byte) []byte { return AppendPlain(nil, Alert, 5, nil) }, false},
		"CID":      {func([]byte) []byte { return AppendPlain(nil, ConnectionID, 5, []byte{1}) }, false},
		"too long": {func([]byte) []byte { return AppendPlain(nil, Alert, 5, make([]byte, MaxPlaintext+1)) }, false},
	} {
		r, _, ok := Next(test.change(slices.Clone(good)), 0)
		if !ok || r.Plain() != test.want {
			t.Errorf("%s: whole %v, plain %v, want %v", name, ok, r.Plain(), test.want)
		}
	}
	for end := range good {
		if _, _, ok := Next(good[:end], 0); ok {
			t.Errorf("%d bytes of %d are a record", end, len(good))
		}
	}
}

func FuzzNext(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add(AppendPlain(AppendPlain(nil, Alert, 1, []byte{1, 0}), Handshake, 2, []byte("x")), 0)
	f.Add(appendHeader(nil, ConnectionID, 1, 7, []byte{1, 2}, 0), 2)
	f.Fuzz(func(t *testing.T, datagram []byte, cidLength int) {
		if cidLength < 0 || cidLength > maxCID {
			return
		}
		// the records and what is left are the datagram, and nothing else
		rest := datagram
		for len(rest) > 0 {
			r, tail, ok := Next(rest, cidLength)
			if !ok {
				return
			}
			head := HeaderSize + len(r.CID)
			if taken := rest[:len(rest)-len(tail)]; len(taken) != head+len(r.Body) || r.Sequence > MaxSequence {
				t.Fatalf("%x: record %+v", rest, r)
			}
			rest = tail
		}
	})
}

// Nothing that is not sealed with the key is ever opened.
func FuzzOpen(f *testing.F) {
	client, _ := pair(f, AES128CCM8, nil)
	f.Add(byte(1), seal(f, client, ApplicationData, []byte("x")))
	f.Add(byte(3), bytes.Repeat([]byte{23}, 60))
	f.Fuzz(func(t *testing.T, which byte, datagram []byte) {
		var cid []byte
		if which&4 != 0 {
			cid = []byte{1, 2}
		}
		c := allCiphers[which&3]
		d := Direction{Key: make([]byte, c.KeySize()), Salt: make([]byte, c.SaltSize()), CID: cid}
		for i := range d.Key {
			d.Key[i] = byte(rand.Uint32())
		}
		p, err := NewProtector(c, 1, d, d)
		if err != nil {
			t.Fatal(err)
		}
		if r, _, ok := Next(datagram, len(cid)); ok {
			if _, opened, err := p.Open(r); err == nil {
				t.Fatalf("opened %x of %x", opened, datagram)
			}
		}
	})
}

// A record that is authentic, has a Connection ID and no content type, which made other
// record layers panic, is dropped: no content, or nothing but zeros (RFC 9146 section 4).
func TestAuthenticButMalformed(t *testing.T) {
	for _, c := range allCiphers {
		client, server := pair(t, c, []byte("cid"))
		for _, zeros := range []int{0, 1, 2, 1000} {
			r := parse(t, seal(t, client, 0, make([]byte, zeros)), len("cid"))
			if _, _, err := server.Open(r); err != ErrMalformed {
				t.Errorf("%s, %d zeros: %v", c, zeros, err)
			}
		}
		r := parse(t, seal(t, client, ApplicationData, nil), len("cid")) // a type, and nothing else
		if _, _, err := server.Open(r); err != ErrMalformed {
			t.Errorf("%s, a type alone: %v", c, err)
		}
	}
}
