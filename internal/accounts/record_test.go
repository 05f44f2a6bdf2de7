package accounts

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// The stored form is a contract with every later version.
func TestRecordGolden(t *testing.T) {
	tree := lwm2m.NewTree()
	put(tree, "/1/0/1", lwm2m.Integer(300))
	put(tree, "/1/0/7", lwm2m.String("U"))
	tree.PutResource(1, 0, lwm2m.Resource{ID: 25, Multiple: true, Instances: []lwm2m.ResourceInstance{{ID: 2, Value: lwm2m.String("1.1")}}})
	const want = "8201" + "81" + "8201" + "81" + "8200" + "83" +
		"8301f4" + "81" + "84000219012c40" +
		"8307f4" + "81" + "840001004155" +
		"831819f5" + "81" + "8402010043312e31"
	if got := hex.EncodeToString(Encode(tree)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	tree := ToTree([]messages.Account{bootstrapAccount(t), x509Account(t, messages.ManagementPeer(1), set)})
	got, err := Decode(Encode(tree))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(tree) {
		t.Error("another tree came back")
	}
}

func TestRecordRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := anyTree().Draw(t, "tree")
		data := Encode(tree)
		got, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(tree) || !bytes.Equal(Encode(got), data) {
			t.Fatal("another tree came back")
		}
	})
}

func anyTree() *rapid.Generator[*lwm2m.Tree] {
	id := rapid.Uint16Range(0, lwm2m.MaxID-1)
	return rapid.Custom(func(t *rapid.T) *lwm2m.Tree {
		tree := lwm2m.NewTree()
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			obj, inst := id.Draw(t, "object")%3, id.Draw(t, "instance")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				tree.PutObject(obj)
			case 1:
				tree.PutInstance(obj, lwm2m.Instance{ID: inst})
			case 2:
				tree.PutResource(obj, inst, lwm2m.Resource{ID: id.Draw(t, "resource"), Value: anyValue().Draw(t, "value")})
			case 3:
				r := lwm2m.Resource{ID: id.Draw(t, "resource"), Multiple: true}
				for range rapid.IntRange(0, 3).Draw(t, "instances") {
					r.Instances = append(r.Instances, lwm2m.ResourceInstance{ID: id.Draw(t, "ri"), Value: anyValue().Draw(t, "value")})
				}
				tree.PutResource(obj, inst, r)
			}
		}
		return tree
	})
}

func anyValue() *rapid.Generator[lwm2m.Value] {
	return rapid.OneOf(
		rapid.Map(rapid.String(), lwm2m.String),
		rapid.Map(rapid.String(), lwm2m.CoreLink),
		rapid.Map(rapid.SliceOf(rapid.Byte()), lwm2m.Opaque),
		rapid.Map(rapid.Int64(), lwm2m.Integer),
		rapid.Map(rapid.Uint64(), lwm2m.Unsigned),
		rapid.Map(rapid.Float64(), lwm2m.Float),
		rapid.Map(rapid.Bool(), lwm2m.Boolean),
		rapid.Map(rapid.Int64(), func(s int64) lwm2m.Value { return lwm2m.Time(time.Unix(s, 0)) }),
		rapid.Map(rapid.Uint32(), func(n uint32) lwm2m.Value { return lwm2m.ObjectLink(uint16(n>>16), uint16(n)) }),
		rapid.Just(lwm2m.Float(math.NaN())),
	)
}

func TestRecordRefuses(t *testing.T) {
	good := Encode(ToTree([]messages.Account{nosecAccount(t, messages.ManagementPeer(1))}))
	for name, c := range map[string]struct {
		data   []byte
		reason RecordReason
	}{
		"empty":                     {nil, RecordMalformed},
		"cut short":                 {good[:len(good)-1], RecordMalformed},
		"trailing byte":             {append(bytes.Clone(good), 0), RecordMalformed},
		"too large":                 {make([]byte, MaxRecord+1), RecordTooLarge},
		"later version":             {unhex("820280"), RecordVersion},
		"version 0":                 {unhex("820080"), RecordVersion},
		"another structure":         {unhex("a0"), RecordMalformed},
		"too few fields":            {unhex("8101"), RecordMalformed},
		"too many fields":           {unhex("83018000"), RecordMalformed},
		"indefinite length":         {unhex("82019fff"), RecordMalformed},
		"tagged":                    {unhex("c0820180"), RecordMalformed},
		"null for an array":         {unhex("8201f6"), RecordForm},
		"number too wide":           {unhex("82180180"), RecordForm},
		"objects out of order":      {unhex("82018282018082" + "0080"), RecordForm},
		"object twice":              {unhex("82018282008082" + "0080"), RecordForm},
		"reserved object":           {unhex("82018182" + "19ffff" + "80"), RecordContent},
		"reserved instance":         {unhex("820181820081" + "8219ffff80"), RecordContent},
		"reserved resource":         {unhex("8201818200818200818319fffff58" + "0"), RecordContent},
		"single without value":      {unhex("82018182008182008183" + "00f480"), RecordContent},
		"single with ID":            {unhex("82018182008182008183" + "00f48184" + "01020040"), RecordForm},
		"unknown kind":              {unhex("82018182008182008183" + "00f48184" + "000a0040"), RecordContent},
		"no kind":                   {unhex("82018182008182008183" + "00f48184" + "00000040"), RecordContent},
		"boolean 2":                 {unhex("82018182008182008183" + "00f48184" + "00050240"), RecordContent},
		"wide object link":          {unhex("82018182008182008183" + "00f48184" + "00081b000000010000000040"), RecordContent},
		"string that is not UTF-8":  {unhex("82018182008182008183" + "00f48184" + "00010041ff"), RecordContent},
		"integer with content":      {unhex("82018182008182008183" + "00f48184" + "0002004101"), RecordForm},
		"string with number":        {unhex("82018182008182008183" + "00f48184" + "00010140"), RecordForm},
		"reserved resource inst.":   {unhex("82018182008182008183" + "00f58184" + "19ffff020040"), RecordContent},
		"text in place of an array": {unhex("820161" + "61"), RecordMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := Decode(c.data)
			var refused *RecordError
			if tree != nil || !errors.As(err, &refused) || refused.Reason != c.reason {
				t.Errorf("got %v, want %q", err, c.reason)
			}
		})
	}
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(lwm2m.NewTree()))
	f.Add(Encode(ToTree([]messages.Account{bootstrapAccount(f), pskAccount(f, messages.ManagementPeer(1))})))
	f.Add(unhex("82018182008182008183" + "00f48184" + "00050140"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := Decode(data)
		if err != nil {
			var refused *RecordError
			if !errors.As(err, &refused) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if !bytes.Equal(Encode(tree), data) {
			t.Fatal("accepted, but not what Encode writes")
		}
		_, _ = FromTree(tree) // must not panic on anything that can be stored
	})
}
