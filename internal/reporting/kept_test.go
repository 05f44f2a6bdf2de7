package reporting

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// fresh reports whether a number is newer than another (RFC 7641 section 3.4).
func fresh(v1, v2 uint32) bool {
	return v1 < v2 && v2-v1 < 1<<23 || v1 > v2 && v1-v2 > 1<<23
}

// Numbers go on rising across restarts at any moment, also when what is written was
// reserved long before.
func TestSequenceRises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := RestoredSequence(rapid.Uint32Range(0, messages.MaxSequence).Draw(t, "begin"))
		written, _ := s.Reserve()
		last, writes, count := s.Next(), 1, 0
		restarts := rapid.IntRange(1, 20).Draw(t, "restarts")
		for range restarts {
			for range rapid.IntRange(0, 3*sequenceBlock).Draw(t, "notifications") {
				reserved, moved := s.Reserve()
				if moved {
					written = reserved
					writes++
				}
				n := s.Next()
				if count++; !fresh(last, n) || n > messages.MaxSequence {
					t.Fatalf("%d after %d", n, last)
				}
				last = n
			}
			if s = RestoredSequence(written); rapid.Bool().Draw(t, "reserves") {
				written, _ = s.Reserve()
			}
		}
		if writes > 1+restarts+count/(sequenceBlock/2) {
			t.Fatalf("%d writes for %d notifications", writes, count)
		}
	})
}

func TestBacklog(t *testing.T) {
	var b Backlog[string]
	for i := range MaxStored {
		b.Add(strconv.Itoa(i), 2)
	}
	if b.Len() != MaxStored || b.Dropped() != 0 {
		t.Fatalf("%d stored, %d dropped", b.Len(), b.Dropped())
	}
	b.Add("new", 1)
	if oldest, _ := b.Oldest(); oldest != "1" || b.Len() != MaxStored || b.Dropped() != 1 {
		t.Errorf("one more: %d stored, %d dropped, %q the oldest", b.Len(), b.Dropped(), oldest)
	}
	if b.Return("older", 1); b.Len() != MaxStored || b.Dropped() != 2 {
		t.Errorf("an older one: %d stored, %d dropped", b.Len(), b.Dropped())
	}
	b.Take()
	if b.Return("older", 1); b.Len() != MaxStored || b.Dropped() != 2 {
		t.Errorf("an older one, with room: %d stored, %d dropped", b.Len(), b.Dropped())
	}
	b.Add("large", MaxStoredBytes-1)
	if oldest, _ := b.Oldest(); oldest != "new" || b.Len() != 2 || b.bytes != MaxStoredBytes {
		t.Errorf("a large one leaves %d, %d bytes", b.Len(), b.bytes)
	}
	dropped := b.Dropped()
	b.Forget(func(s string) bool { return s == "large" })
	if b.Len() != 1 || b.bytes != 1 || b.Dropped() != dropped {
		t.Errorf("forgotten: %d left, %d bytes", b.Len(), b.bytes)
	}
	if b.Add("huge", MaxStoredBytes+1); b.Len() != 0 || b.bytes != 0 || b.Dropped() != dropped+2 {
		t.Error("what is larger than the room is kept")
	}
	b.Take()
	if _, ok := b.Oldest(); ok {
		t.Error("takes from nothing")
	}
}

func record() Record {
	r := Record{
		Owner: accounts.StateOwner{Endpoint: "gateway", Server: "coaps://h", Identity: accounts.Digest{1, 2, 3}}, Sequence: 70_000,
		Observations: []Spec{spec(1, "", "/3"), spec(1, "\x00\xff", "/3/0/9"), spec(1, "abcdefgh", "/", "/3/0/7/1")},
	}
	_ = r.Attributes.Put(valuetest.Path("/3"), Attributes{}.With(MinPeriod, 5).With(Confirm, 0))
	_ = r.Attributes.Put(valuetest.Path("/3/0/9"), Attributes{}.With(GreaterThan, -0.5).With(Step, 0.25))
	return r
}

func TestRecord(t *testing.T) {
	for name, r := range map[string]Record{"full": record(), "empty": {Owner: record().Owner}} {
		data, err := EncodeRecord(r)
		if err != nil {
			t.Fatal(name, err)
		}
		got, err := DecodeRecord(messages.ManagementPeer(1), data)
		if diff := cmp.Diff(r, got, cmp.AllowUnexported(Table{}, Attributes{}), cmp.Comparer(func(a, b lwm2m.Path) bool { return a == b })); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		for cut := range data {
			if CheckRecord(data[:cut]) == nil {
				t.Errorf("%s: %d of %d bytes are read as a record", name, cut, len(data))
			}
		}
		if CheckRecord(append(data, 0)) == nil {
			t.Errorf("%s: a byte too many is accepted", name)
		}
	}
}

func TestImpossibleRecords(t *testing.T) {
	for name, change := range map[string]func(*recordCBOR){
		"version":            func(c *recordCBOR) { c.Version = 2 },
		"no endpoint":        func(c *recordCBOR) { c.Endpoint = "" },
		"no server":          func(c *recordCBOR) { c.Server = "" },
		"identity":           func(c *recordCBOR) { c.Identity = c.Identity[1:] },
		"sequence":           func(c *recordCBOR) { c.Sequence = 1 << 24 },
		"token":              func(c *recordCBOR) { c.Observations[0].Token = make([]byte, 9) },
		"token twice":        func(c *recordCBOR) { c.Observations[0].Token = c.Observations[1].Token },
		"key":                func(c *recordCBOR) { c.Observations[0].Key = strings.Repeat("k", MaxKey+1) },
		"no target":          func(c *recordCBOR) { c.Observations[0].Targets = nil },
		"targets of one":     func(c *recordCBOR) { c.Observations[2].Composite = false },
		"target too long":    func(c *recordCBOR) { c.Observations[0].Targets[0] = []uint16{1, 2, 3, 4, 5} },
		"reserved ID":        func(c *recordCBOR) { c.Observations[0].Targets[0] = []uint16{65535} },
		"attributes of root": func(c *recordCBOR) { c.Attributes[0].Path = []uint16{} },
		"path twice":         func(c *recordCBOR) { c.Attributes[0].Path = c.Attributes[1].Path },
		"no attribute":       func(c *recordCBOR) { c.Attributes[0].Values = nil },
		"unknown attribute":  func(c *recordCBOR) { c.Attributes[0].Values[1].Attribute = uint8(attributeCount) },
		"attribute twice":    func(c *recordCBOR) { c.Attributes[0].Values[1] = c.Attributes[0].Values[0] },
		"half a second":      func(c *recordCBOR) { c.Attributes[0].Values[0].Value = 0.5 },
		"negative step":      func(c *recordCBOR) { c.Attributes[1].Values[1].Value = -1 },
		"flag of two":        func(c *recordCBOR) { c.Attributes[0].Values[1].Value = 2 },
	} {
		data, err := EncodeRecord(record())
		if err != nil {
			t.Fatal(err)
		}
		var c recordCBOR
		if err := decMode.Unmarshal(data, &c); err != nil {
			t.Fatal(err)
		}
		change(&c)
		data, err = encMode.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var refused *RecordError
		if err := CheckRecord(data); !errors.As(err, &refused) || refused.Reason != RecordContent {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := record()
	long.Observations[0].Token = "123456789"
	if _, err := EncodeRecord(long); err == nil {
		t.Error("encodes what cannot be decoded")
	}
}

func FuzzDecodeRecord(f *testing.F) {
	data, _ := EncodeRecord(record())
	f.Add(data)
	f.Add([]byte{0x87, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeRecord(messages.ManagementPeer(1), data)
		if err != nil {
			return
		}
		if again, err := EncodeRecord(r); err != nil || string(again) != string(data) {
			t.Errorf("%x becomes %x, %v", data, again, err)
		}
	})
}
