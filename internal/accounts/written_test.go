package accounts

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// rewritten is what servers have written to the accounts of provisioned.
func rewritten(t testing.TB) Written {
	tree := provisioned(t)
	put(tree, "/1/0/1", lwm2m.Integer(60))
	return WrittenOn(tree, BasisOf(provisioned(t)))
}

func encodeWritten(t testing.TB, w Written) []byte {
	t.Helper()
	data, err := EncodeWritten(w)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The stored form is a contract with every later version.
func TestWrittenGolden(t *testing.T) {
	tree := lwm2m.NewTree()
	put(tree, "/1/0/1", lwm2m.Integer(300))
	put(tree, "/0/0/0", lwm2m.String("coap://h")) // not part of it
	const zeros = "00000000000000000000000000000000000000000000000000000000000000"
	const want = "83" + "01" + "582001" + zeros + "54" + "8201818201818200818301f48184000219012c40"
	if got := hex.EncodeToString(encodeWritten(t, WrittenOn(tree, Digest{1}))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWrittenRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := WrittenOn(anyTree().Draw(t, "tree"), Digest(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "basis")))
		data, err := EncodeWritten(w)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeWritten(data)
		if err != nil || got.Basis != w.Basis || !got.Server.Equal(w.Server) {
			t.Fatalf("%v", err)
		}
	})
}

func TestWrittenRefused(t *testing.T) {
	good := string(encodeWritten(t, rewritten(t)))
	whole, _ := encMode.Marshal(writtenCBOR{Version: 1, Basis: make([]byte, 32), Content: Encode(provisioned(t))})
	short, _ := encMode.Marshal(writtenCBOR{Version: 1, Basis: make([]byte, 31), Content: Encode(lwm2m.NewTree())})
	for name, c := range map[string]struct {
		data string
		want RecordReason
	}{
		"nothing":           {"", RecordMalformed},
		"truncated":         {good[:len(good)-1], RecordMalformed},
		"something behind":  {good + "\x00", RecordMalformed},
		"a later version":   {"\x83\x02" + good[2:], RecordVersion},
		"another form":      {"\x83\x18\x01" + good[2:], RecordForm},
		"with keys":         {string(whole), RecordContent},
		"a short basis":     {string(short), RecordContent},
		"too large":         {strings.Repeat("x", MaxRecord+1), RecordTooLarge},
		"another's content": {string(Encode(provisioned(t))), RecordMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			var refused *RecordError
			if err := CheckRecord(messages.RecordServer, []byte(c.data)); !errors.As(err, &refused) || refused.Reason != c.want {
				t.Errorf("%v", err)
			}
		})
	}
}

// What is written is restored over the same accounts, whatever their keys, and over
// no others.
func TestRestore(t *testing.T) {
	data := encodeWritten(t, rewritten(t))
	for name, c := range map[string]struct {
		change func(*lwm2m.Tree)
		void   bool
	}{
		"the same":             {func(*lwm2m.Tree) {}, false},
		"another key":          {func(tree *lwm2m.Tree) { put(tree, "/0/1/5", lwm2m.Opaque([]byte("another key"))) }, false},
		"another bootstrap":    {func(tree *lwm2m.Tree) { put(tree, "/0/0/0", lwm2m.String("coaps://other.example")) }, false},
		"no bootstrap account": {func(tree *lwm2m.Tree) { tree.DeleteInstance(0, 0) }, false},
		"another server":       {func(tree *lwm2m.Tree) { put(tree, "/0/1/0", lwm2m.String("coaps://other.example")) }, true},
		"another lifetime":     {func(tree *lwm2m.Tree) { put(tree, "/1/1/1", lwm2m.Integer(7)) }, true},
		"an account less":      {func(tree *lwm2m.Tree) { tree.DeleteInstance(0, 2) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			factory := provisioned(t)
			c.change(factory)
			got, err := Restore(factory, data)
			if c.void {
				if !errors.Is(err, ErrVoid) {
					t.Errorf("%v", err)
				}
				return
			}
			put(factory, "/1/0/1", lwm2m.Integer(60))
			if err != nil || !got.Equal(factory) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A record that would leave an account unusable is not used.
func TestRestoreOfWhatCannotBeUsed(t *testing.T) {
	w := rewritten(t)
	w.Server.DeleteResource(mustPath("/1/0/1"))
	var faults Faults
	if _, err := Restore(provisioned(t), encodeWritten(t, w)); !errors.As(err, &faults) {
		t.Errorf("%v", err)
	}
}

// Nothing that stands in the file can stop the client, and what is read is what was
// written.
func FuzzDecodeWritten(f *testing.F) {
	f.Add(encodeWritten(f, rewritten(f)))
	f.Add([]byte{0x83, 0x01, 0x40, 0x40})
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := DecodeWritten(data)
		if err != nil {
			return
		}
		if again := encodeWritten(t, w); string(again) != string(data) {
			t.Fatal("it is written otherwise")
		}
	})
}
