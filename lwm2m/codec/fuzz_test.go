package codec

import (
	"errors"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// seeds are payloads of every format, for a resource of object 4242.
var seeds = []struct {
	format lwm2m.Format
	kind   lwm2m.Kind
	data   string
}{
	{lwm2m.FormatText, lwm2m.KindFloat, "1e3"},
	{lwm2m.FormatOpaque, lwm2m.KindOpaque, "\x00"},
	{lwm2m.FormatCBOR, lwm2m.KindTime, "\xc1\x1a\x51\x4b\x67\xb0"},
	{lwm2m.FormatCBOR, lwm2m.KindFloat, "\xc4\x82\x21\x19\x6a\xb3"},
	{lwm2m.FormatCBOR, lwm2m.KindNone, "\x9f\x9f\xff"},
	{lwm2m.FormatTLV, lwm2m.KindInteger, "\xc1\x02\x05"},
	{lwm2m.FormatSenMLCBOR, lwm2m.KindBoolean, "\x81\xa2\x00g/4242/3\x04\xf5"},
	{lwm2m.FormatSenMLJSON, lwm2m.KindString, `[{"n":"/4242/3/1","vs":"\u00e9"}]`},
	{lwm2m.FormatJSON, lwm2m.KindOpaque, `{"bn":"/4242/3/6","e":[{"sv":"AP8="}]}`},
}

// Whatever arrives, a decoder returns, within its limits, what can be encoded
// again, or a typed error.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds {
		f.Add(uint16(s.format), uint16(s.kind), []byte(s.data))
	}
	f.Fuzz(func(t *testing.T, format, resource uint16, data []byte) {
		target := lwm2m.PathOf(object, 3, resource)
		p, err := Decode(lwm2m.Format(format), target, data, registry, lwm2m.Limits{Bytes: 1 << 10, Nodes: 64})
		if !typed(t, err) {
			return
		}
		for _, n := range p.Nodes {
			if !target.Contains(n.Path) || n.Value.Size() > 1<<10 {
				t.Fatalf("%s of %d bytes is not what was asked for", n.Path, n.Value.Size())
			}
		}
		if _, err := Encode(lwm2m.FormatTLV, target, p); err != nil && len(p.Nodes)+len(p.Multiples) > 0 {
			t.Fatal(err)
		}
	})
}

// Whatever arrives for a Create, it is one instance, which can be encoded again, or a
// typed error.
func FuzzDecodeCreate(f *testing.F) {
	for _, s := range seeds {
		f.Add(uint16(s.format), []byte(s.data))
	}
	f.Add(uint16(lwm2m.FormatTLV), []byte("\x03\x05\xc1\x02\x05"))
	f.Add(uint16(lwm2m.FormatSenMLJSON), []byte(`[{"n":"/4242/2","v":1},{"n":"/4242/102/1","v":1}]`))
	f.Add(uint16(lwm2m.FormatJSON), []byte(`{"e":[{"n":"2","v":1},{"n":"102/1","v":1}]}`))
	f.Fuzz(func(t *testing.T, format uint16, data []byte) {
		c, err := DecodeCreate(lwm2m.Format(format), object, data, registry, lwm2m.Limits{Bytes: 1 << 10, Nodes: 64})
		if !typed(t, err) {
			return
		}
		if !c.HasID && c.ID != 0 {
			t.Fatalf("%+v", c)
		}
		if _, err := EncodeCreate(lwm2m.FormatTLV, object, c); err != nil {
			t.Fatal(err)
		}
	})
}

// typed reports whether there is no error, and fails for one of another type.
func typed(t *testing.T, err error) bool {
	t.Helper()
	var unfit *FormatError
	var refused *lwm2m.DecodeError
	if err != nil && !errors.As(err, &unfit) && !errors.As(err, &refused) {
		t.Fatalf("an error of type %T", err)
	}
	return err == nil
}
