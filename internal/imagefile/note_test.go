package imagefile

import (
	"bytes"
	"slices"
	"testing"
)

// notes are some that differ in everything.
func notes() []note {
	return []note{
		{id: "x", limit: 1},
		{
			id: string(content(1, MaxID)), etag: content(2, MaxETag), size: 1 << 40, limit: 1<<63 - 1, checkpoint: 1 << 39,
			sum: [32]byte(content(3, 32)), complete: true, boot: string(content(4, maxBoot)),
		},
	}
}

func TestNotesComeBack(t *testing.T) {
	for _, n := range notes() {
		got, err := decodeNote(n.encode())
		if err != nil || !bytes.Equal(got.encode(), n.encode()) || got.id != n.id || !bytes.Equal(got.etag, n.etag) || got.boot != n.boot {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// What encode would not have written is refused.
func TestNotesThatMakeNoSense(t *testing.T) {
	whole := notes()[1].encode()
	for length := range whole {
		if _, err := decodeNote(whole[:length]); err == nil {
			t.Errorf("cut to %d bytes", length)
		}
	}
	for at, b := range map[int]byte{0: 2, 1: 2, 2: 0x80, 10: 0x80, 18: 0x80, 59: MaxID + 1, 58: 0xff} {
		wrong := slices.Clone(whole)
		wrong[at] = b
		if _, err := decodeNote(wrong); err == nil {
			t.Errorf("byte %d is %#x", at, b)
		}
	}
	for _, n := range []note{
		{limit: 1}, {id: "x"}, {id: "x", limit: 5, checkpoint: 6},
		{id: "x", limit: 1, etag: make([]byte, MaxETag+1)}, {id: "x", limit: 1, boot: string(make([]byte, maxBoot+1))},
	} {
		if _, err := decodeNote(n.encode()); err == nil {
			t.Errorf("%+v", n)
		}
	}
	if _, err := decodeNote(append(whole, 0)); err == nil {
		t.Error("something follows")
	}
}

// A note has one form, and what is decoded of it is within bounds.
func FuzzNote(f *testing.F) {
	for _, n := range notes() {
		f.Add(n.encode())
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := decodeNote(data)
		if err != nil {
			return
		}
		if !bytes.Equal(n.encode(), data) {
			t.Errorf("%x becomes %x", data, n.encode())
		}
		if n.checkpoint > n.limit || len(n.id) > MaxID || len(n.etag) > MaxETag {
			t.Errorf("%+v", n)
		}
	})
}
