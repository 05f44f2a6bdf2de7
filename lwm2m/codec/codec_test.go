package codec

import (
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// object has a single and a multiple resource of every type: of the kind's number,
// and that plus multiple.
const (
	object   = 4242
	multiple = 100
)

var kinds = []lwm2m.Kind{
	lwm2m.KindString, lwm2m.KindInteger, lwm2m.KindUnsigned, lwm2m.KindFloat, lwm2m.KindBoolean,
	lwm2m.KindOpaque, lwm2m.KindTime, lwm2m.KindObjectLink, lwm2m.KindCoreLink,
}

var registry = func() *lwm2m.Registry {
	def := lwm2m.ObjectDef{ID: object, Resources: []lwm2m.ResourceDef{{ID: 99, Kind: lwm2m.KindNone}}}
	for _, k := range kinds {
		def.Resources = append(def.Resources,
			lwm2m.ResourceDef{ID: uint16(k), Kind: k},
			lwm2m.ResourceDef{ID: uint16(k) + multiple, Kind: k, Multiple: true})
	}
	return lwm2m.NewRegistry(def)
}()

var everyFormat = []lwm2m.Format{
	lwm2m.FormatText, lwm2m.FormatLinkFormat, lwm2m.FormatOpaque, lwm2m.FormatCBOR, lwm2m.FormatSenMLJSON,
	lwm2m.FormatSenMLCBOR, lwm2m.FormatTLV, lwm2m.FormatJSON, lwm2m.FormatLwM2MCBOR, 4711,
	lwm2m.FormatSenMLEtchJSON, lwm2m.FormatSenMLEtchCBOR,
}

// carries says whether a format has a form for one value of a kind.
func carries(f lwm2m.Format, k lwm2m.Kind) bool {
	switch f {
	case lwm2m.FormatText, lwm2m.FormatTLV, lwm2m.FormatSenMLCBOR, lwm2m.FormatSenMLJSON, lwm2m.FormatCBOR, lwm2m.FormatJSON:
		return true
	case lwm2m.FormatOpaque:
		return k == lwm2m.KindOpaque
	}
	return false
}

// Every value of every type comes back from every format that has a form for it,
// as a resource and as a resource instance; every other format refuses it.
func TestEveryValueSurvivesEveryFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		format := rapid.SampledFrom(everyFormat).Draw(t, "format")
		target := lwm2m.PathOf(object, 3, uint16(kind))
		if rapid.Bool().Draw(t, "multiple") {
			target = lwm2m.PathOf(object, 3, uint16(kind)+multiple, rapid.Uint16Max(lwm2m.MaxID-1).Draw(t, "instance"))
		}
		tree := single(target, valuetest.Draw(t, kind)).Tree()
		p, _ := tree.Payload(target)
		data, err := Encode(format, target, p)
		if !carries(format, kind) {
			var unfit *FormatError
			if !errors.As(err, &unfit) || unfit.Format != format {
				t.Fatalf("encode: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(format, target, data, registry, lwm2m.Limits{})
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if !back.Tree().Equal(tree) {
			t.Fatalf("%q: %v came back as %v", data, p.Nodes, back.Nodes)
		}
	})
}

// An instance with a value of every type comes back from every format that can
// have more than one value.
func TestInstancesSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := lwm2m.NewTree()
		for _, k := range kinds {
			tree.PutResource(object, 3, lwm2m.Resource{ID: uint16(k), Value: valuetest.Draw(t, k)})
			tree.PutResource(object, 3, lwm2m.Resource{ID: uint16(k) + multiple, Multiple: true, Instances: []lwm2m.ResourceInstance{
				{ID: 1, Value: valuetest.Draw(t, k)}, {ID: 7, Value: valuetest.Draw(t, k)},
			}})
		}
		target := lwm2m.PathOf(object, 3)
		p, _ := tree.Payload(target)
		for _, f := range []lwm2m.Format{lwm2m.FormatTLV, lwm2m.FormatSenMLCBOR, lwm2m.FormatSenMLJSON, lwm2m.FormatJSON} {
			data, err := Encode(f, target, p)
			if err != nil {
				t.Fatal(err)
			}
			back, err := Decode(f, target, data, registry, lwm2m.Limits{Nodes: 100})
			if err != nil || !back.Tree().Equal(tree) {
				t.Fatalf("format %d: %v, %v", f, back.Nodes, err)
			}
		}
	})
}

// text/plain, opaque and CBOR are for one value; the first two for one of a known type.
func TestOneValueOnly(t *testing.T) {
	number := lwm2m.PathOf(object, 3, uint16(lwm2m.KindInteger))
	many := lwm2m.PathOf(object, 3, uint16(lwm2m.KindInteger)+multiple)
	for _, path := range []lwm2m.Path{
		{}, lwm2m.PathOf(object), lwm2m.PathOf(object, 3), many, number.Child(0),
		lwm2m.PathOf(object, 3, 99), lwm2m.PathOf(object, 3, 98), lwm2m.PathOf(4711, 0, 0),
	} {
		for _, f := range []lwm2m.Format{lwm2m.FormatText, lwm2m.FormatOpaque, lwm2m.FormatCBOR} {
			if _, known := registry.Resource(path); f == lwm2m.FormatCBOR && path.Len() > 2 && !known {
				continue // an item tells its type
			}
			var unfit *FormatError
			if _, err := Decode(f, path, []byte("1"), registry, lwm2m.Limits{}); !errors.As(err, &unfit) || unfit.Operation != Write {
				t.Errorf("decode %s in %d: %v", path, f, err)
			}
			p := lwm2m.Payload{Nodes: []lwm2m.Node{{Path: number, Value: lwm2m.Integer(1)}, {Path: many.Child(0), Value: lwm2m.Integer(1)}}}
			if _, err := Encode(f, path, p); !errors.As(err, &unfit) || unfit.Operation != Read || unfit.Path != path {
				t.Errorf("encode %s in %d: %v", path, f, err)
			}
		}
	}
	if _, err := Decode(lwm2m.FormatOpaque, number, []byte("1"), registry, lwm2m.Limits{}); err == nil {
		t.Error("an integer was read from opaque")
	}
}

// The formats of one value keep to the limit. In CBOR, g begins a text of seven bytes.
func TestLimit(t *testing.T) {
	for f, kind := range map[lwm2m.Format]lwm2m.Kind{lwm2m.FormatText: lwm2m.KindString, lwm2m.FormatOpaque: lwm2m.KindOpaque, lwm2m.FormatCBOR: lwm2m.KindString} {
		path := lwm2m.PathOf(object, 0, uint16(kind))
		if _, err := Decode(f, path, []byte("g2345678"), registry, lwm2m.Limits{Bytes: 8}); err != nil {
			t.Errorf("format %d: %v", f, err)
		}
		var refused *lwm2m.DecodeError
		if _, err := Decode(f, path, []byte("g23456789"), registry, lwm2m.Limits{Bytes: 8}); !errors.As(err, &refused) || refused.Reason != lwm2m.ReasonLimit {
			t.Errorf("format %d: %v", f, err)
		}
	}
}

// LwM2M Core Appendix C, column text/plain.
func TestText(t *testing.T) {
	for _, c := range []struct {
		text string
		want lwm2m.Value
	}{
		{"a b", lwm2m.String("a b")},
		{"", lwm2m.String("")},
		{"</1>", lwm2m.CoreLink("</1>")},
		{"-5", lwm2m.Integer(-5)},
		{"18446744073709551615", lwm2m.Unsigned(1<<64 - 1)},
		{"0", lwm2m.Boolean(false)},
		{"1", lwm2m.Boolean(true)},
		{"0.000001", lwm2m.Float(1e-6)},
		{"-12.5", lwm2m.Float(-12.5)},
		{"AP8=", lwm2m.Opaque([]byte{0, 255})},
		{"1700000000", lwm2m.Time(time.Unix(1700000000, 0))},
		{"66:0", lwm2m.ObjectLink(66, 0)},
	} {
		if got, ok := parseText(c.want.Kind(), c.text); !ok || got != c.want {
			t.Errorf("%v %q: got %v, %v", c.want.Kind(), c.text, got, ok)
		}
		if got, ok := appendText([]byte("> "), c.want); !ok || string(got) != "> "+c.text {
			t.Errorf("%v: got %q, %v", c.want, got, ok)
		}
	}
	if got, ok := parseText(lwm2m.KindFloat, "1.5e3"); !ok || got != lwm2m.Float(1500) {
		t.Errorf("an exponent: %v, %v", got, ok)
	}
}

// What we write every peer can read: text is UTF-8, whatever an application made of it.
func TestNoFormatWritesTextThatIsNotUTF8(t *testing.T) {
	for _, v := range []lwm2m.Value{lwm2m.String("caf\xe9"), lwm2m.CoreLink("</\xff>")} {
		target := lwm2m.PathOf(object, 0, uint16(v.Kind()))
		p := single(target, v)
		var refused *lwm2m.EncodeError
		for _, f := range []lwm2m.Format{lwm2m.FormatText, lwm2m.FormatCBOR, lwm2m.FormatTLV, lwm2m.FormatSenMLCBOR, lwm2m.FormatSenMLJSON, lwm2m.FormatJSON} {
			if data, err := Encode(f, target, p); !errors.As(err, &refused) {
				t.Errorf("format %d: %q, %v", f, data, err)
			}
		}
		for _, f := range Formats(Send) {
			if data, err := EncodeSamples(f, lwm2m.Path{}, []lwm2m.Sample{{Payload: p}}); !errors.As(err, &refused) {
				t.Errorf("samples in %d: %q, %v", f, data, err)
			}
			if data, err := EncodeWriteComposite(f, p); !errors.As(err, &refused) {
				t.Errorf("composite in %d: %q, %v", f, data, err)
			}
		}
	}
}

func TestNoText(t *testing.T) {
	for _, c := range []struct {
		kind lwm2m.Kind
		text string
	}{
		{lwm2m.KindString, "\xff"},
		{lwm2m.KindCoreLink, "\xff"},
		{lwm2m.KindInteger, ""},
		{lwm2m.KindInteger, "1.0"},
		{lwm2m.KindInteger, "9223372036854775808"},
		{lwm2m.KindUnsigned, "-1"},
		{lwm2m.KindFloat, ""},
		{lwm2m.KindFloat, "NaN"},
		{lwm2m.KindFloat, "-Inf"},
		{lwm2m.KindFloat, "0x1p3"},
		{lwm2m.KindFloat, "1_000"},
		{lwm2m.KindFloat, "1e999"},
		{lwm2m.KindBoolean, "true"},
		{lwm2m.KindOpaque, "AP8"},
		{lwm2m.KindOpaque, "AP\n8="},
		{lwm2m.KindTime, "now"},
		{lwm2m.KindObjectLink, "66"},
		{lwm2m.KindObjectLink, "66:65536"},
		{lwm2m.KindNone, ""},
	} {
		if got, ok := parseText(c.kind, c.text); ok {
			t.Errorf("%v %q: got %v", c.kind, c.text, got)
		}
	}
	for _, v := range []lwm2m.Value{{}, lwm2m.Float(math.NaN()), lwm2m.Float(math.Inf(-1))} {
		path := lwm2m.PathOf(object, 0, 0)
		var refused *lwm2m.EncodeError
		if data, err := Encode(lwm2m.FormatText, path, single(path, v)); !errors.As(err, &refused) {
			t.Errorf("%v: %q, %v", v, data, err)
		}
	}
}
