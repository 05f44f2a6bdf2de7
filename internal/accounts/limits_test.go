package accounts

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// longest makes a tree whose list of what m measures has n elements, from the
// identifier first on.
func longest(m Measure, n int, first uint16) *lwm2m.Tree {
	tree := lwm2m.NewTree()
	values := lwm2m.Resource{ID: 16, Multiple: true}
	instance := lwm2m.Instance{ID: 7}
	for i := range n {
		id := first + uint16(i)
		switch m {
		case MeasureObjects:
			tree.PutObject(id)
		case MeasureInstances:
			tree.PutInstance(1, lwm2m.Instance{ID: id})
		case MeasureResources:
			instance.Resources = append(instance.Resources, lwm2m.Resource{ID: id, Value: lwm2m.Integer(1)})
		case MeasureValues:
			values.Instances = append(values.Instances, lwm2m.ResourceInstance{ID: id, Value: lwm2m.Unsigned(1)})
		}
	}
	switch m {
	case MeasureResources:
		tree.PutInstance(1, instance)
	case MeasureValues:
		tree.PutResource(0, 7, values)
	}
	return tree
}

// fataler is what *testing.T and *rapid.T have in common here.
type fataler interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// wantStored demands that what is within the limits comes back as it was, and
// that what is beyond one is refused for it, by writer and reader alike.
func wantStored(t fataler, tree *lwm2m.Tree, limits Limits, beyond Measure) {
	data, err := EncodeWithin(tree, limits)
	var limit *LimitError
	switch {
	case beyond != "":
		if !errors.As(err, &limit) || limit.Measure != beyond || data != nil {
			t.Fatalf("got %v, want too many %s", err, beyond)
		}
	case err != nil:
		t.Fatal(err)
	default:
		back, err := Decode(data)
		if err != nil || !back.Equal(tree) {
			t.Fatalf("what was stored cannot be read: %v", err)
		}
	}
}

// Every list up to its limit is stored and read again; one element more is
// neither written nor read.
func TestListsAtTheirLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom([]Measure{MeasureObjects, MeasureInstances, MeasureResources, MeasureValues}).Draw(t, "measure")
		n := MaxElements + rapid.IntRange(-2, 2).Draw(t, "beyond")
		first := rapid.Uint16Range(0, lwm2m.MaxID-MaxElements-2).Draw(t, "first")
		tree := longest(m, n, first)
		if n <= MaxElements {
			wantStored(t, tree, Limits{}, "")
			return
		}
		wantStored(t, tree, Limits{}, m)
		if _, err := Decode(Encode(tree)); err == nil {
			t.Fatal("it is read all the same")
		}
	})
}

// The bytes are those of the record as it is stored, to the last one.
func TestBytesAtTheirLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := anyTree().Draw(t, "tree")
		tree.PutResource(0, 1, lwm2m.Resource{ID: 4, Value: lwm2m.Opaque(make([]byte, 70_000))})
		size := len(Encode(tree))
		limit := size + rapid.IntRange(-2, 2).Draw(t, "room")
		beyond := Measure("")
		if size > limit {
			beyond = MeasureBytes
		}
		wantStored(t, tree, Limits{Bytes: limit}, beyond)
	})
}

// No configuration allows a record that cannot be read.
func TestLargestRecord(t *testing.T) {
	tree := lwm2m.NewTree()
	put(tree, "/0/1/4", lwm2m.Opaque(make([]byte, 1<<19)))
	fill := MaxRecord - len(Encode(tree))
	for room := -2; room <= 2; room++ {
		largest := tree.Clone()
		largest.PutResource(0, 1, lwm2m.Resource{ID: 4, Value: lwm2m.Opaque(make([]byte, 1<<19+fill-room))})
		beyond := Measure("")
		if room < 0 {
			beyond = MeasureBytes
		}
		for _, limits := range []Limits{{}, {Bytes: MaxRecord}, {Bytes: 2 * MaxRecord}} {
			wantStored(t, largest, limits, beyond)
		}
		if _, err := Decode(Encode(largest)); (err != nil) != (room < 0) {
			t.Fatalf("%d bytes left, and reading says %v", room, err)
		}
	}
}

// What was stored under a larger limit stays readable under a smaller one.
func TestLoweredLimitLeavesWhatIsStored(t *testing.T) {
	tree := ToTree([]messages.Account{bootstrapAccount(t), pskAccount(t, messages.ManagementPeer(1))})
	data, err := EncodeWithin(tree, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	lower := Limits{Bytes: len(data) - 1}
	if lower.Check(tree) == nil {
		t.Fatal("the limit is not lower")
	}
	if err := CheckRecord(messages.RecordCredentials, data); err != nil {
		t.Error(err)
	}
}

// A tree that would be read as another, or not at all, is never stored.
func TestUnreadableTreesAreNotEncoded(t *testing.T) {
	for name, r := range map[string]lwm2m.Resource{
		"no value":       {ID: 0},
		"reserved ID":    {ID: lwm2m.MaxID, Value: lwm2m.Integer(1)},
		"not UTF-8":      {ID: 0, Value: lwm2m.String("\xff")},
		"link not UTF-8": {ID: 0, Value: lwm2m.CoreLink("\xff")},
	} {
		tree := lwm2m.NewTree()
		tree.PutResource(1, 0, r)
		var refused *RecordError
		if data, err := EncodeWithin(tree, Limits{}); !errors.As(err, &refused) || data != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the records of the state directory have to be.
func TestCheckRecord(t *testing.T) {
	boot, server := bootstrapAccount(t), pskAccount(t, messages.ManagementPeer(1))
	broken := ToTree([]messages.Account{boot, server})
	broken.DeleteInstance(1, 0)
	void := ToTree([]messages.Account{server})
	void.DeleteInstance(1, 0)
	for _, c := range []struct {
		name                 string
		data                 []byte
		credentials, factory bool
	}{
		{"both accounts", Encode(ToTree([]messages.Account{boot, server})), true, true},
		{"a management account", Encode(ToTree([]messages.Account{server})), true, true},
		{"a bootstrap account", Encode(ToTree([]messages.Account{boot})), false, true},
		{"no account", Encode(ToTree(nil)), false, true},
		{"one of two accounts at fault", Encode(broken), false, true},
		{"the only account at fault", Encode(void), false, false},
		{"later version", unhex("820280"), false, false},
		{"garbage", unhex("a0"), false, false},
		{"too many instances", Encode(longest(MeasureInstances, MaxElements+1, 0)), false, false},
		{"nothing", nil, false, false},
	} {
		if err := CheckRecord(messages.RecordCredentials, c.data); (err == nil) != c.credentials {
			t.Errorf("%s as credentials: %v", c.name, err)
		}
		if err := CheckRecord(messages.RecordFactory, c.data); (err == nil) != c.factory {
			t.Errorf("%s of the factory: %v", c.name, err)
		}
		if err := CheckRecord("another", c.data); err != nil {
			t.Errorf("%s in a record of another's: %v", c.name, err)
		}
	}
}
