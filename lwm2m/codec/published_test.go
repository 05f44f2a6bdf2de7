package codec

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// device is the Device object of the examples of LwM2M Core section 7.4.
func device() (*lwm2m.Registry, *lwm2m.Tree) {
	def := lwm2m.ObjectDef{ID: 3}
	tree := lwm2m.NewTree()
	one := func(id uint16, v lwm2m.Value) {
		def.Resources = append(def.Resources, lwm2m.ResourceDef{ID: id, Kind: v.Kind()})
		tree.PutResource(3, 0, lwm2m.Resource{ID: id, Value: v})
	}
	many := func(id uint16, values ...int64) {
		r := lwm2m.Resource{ID: id, Multiple: true}
		for i, v := range values {
			r.Instances = append(r.Instances, lwm2m.ResourceInstance{ID: uint16(i), Value: lwm2m.Integer(v)})
		}
		def.Resources = append(def.Resources, lwm2m.ResourceDef{ID: id, Kind: lwm2m.KindInteger, Multiple: true})
		tree.PutResource(3, 0, r)
	}
	one(0, lwm2m.String("Open Mobile Alliance"))
	one(1, lwm2m.String("Lightweight M2M Client"))
	one(2, lwm2m.String("345000123"))
	one(3, lwm2m.String("1.0"))
	many(6, 1, 5)
	many(7, 3800, 5000)
	many(8, 125, 900)
	one(9, lwm2m.Integer(100))
	one(10, lwm2m.Integer(15))
	many(11, 0)
	one(13, lwm2m.Time(time.Unix(1367491215, 0)))
	one(14, lwm2m.String("+02:00"))
	one(16, lwm2m.String("U"))
	return lwm2m.NewRegistry(def), tree
}

const deviceTLV = "c80014 4f70656e204d6f62696c6520416c6c69616e6365" +
	"c80116 4c69676874776569676874204d324d20436c69656e74 c80209 333435303030313233 c303 312e30" +
	"8606 410001 410105 880708 42000ed8 42011388 8708 41007d 42010384 c10964 c10a0f" +
	"830b 410000 c40d5182428f c60e 2b30323a3030 c11055"

// What the specifications print for a Read of the Device object, of 1.1 and, for its
// JSON, of 1.0.
func TestPublishedDevice(t *testing.T) {
	reg, tree := device()
	for _, tc := range []struct {
		format lwm2m.Format
		target lwm2m.Path
		want   string
	}{
		{lwm2m.FormatTLV, lwm2m.PathOf(3, 0), string(valuetest.Unhex(t, deviceTLV))},
		{lwm2m.FormatTLV, lwm2m.PathOf(3), string(valuetest.Unhex(t, "080079"+deviceTLV))},
		{lwm2m.FormatSenMLJSON, lwm2m.PathOf(3, 0), `[{"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"},` +
			`{"n":"1","vs":"Lightweight M2M Client"},{"n":"2","vs":"345000123"},{"n":"3","vs":"1.0"},` +
			`{"n":"6/0","v":1},{"n":"6/1","v":5},{"n":"7/0","v":3800},{"n":"7/1","v":5000},` +
			`{"n":"8/0","v":125},{"n":"8/1","v":900},{"n":"9","v":100},{"n":"10","v":15},{"n":"11/0","v":0},` +
			`{"n":"13","v":1367491215},{"n":"14","vs":"+02:00"},{"n":"16","vs":"U"}]`},
		{lwm2m.FormatJSON, lwm2m.PathOf(3, 0), `{"bn":"/3/0/","e":[{"n":"0","sv":"Open Mobile Alliance"},` +
			`{"n":"1","sv":"Lightweight M2M Client"},{"n":"2","sv":"345000123"},{"n":"3","sv":"1.0"},` +
			`{"n":"6/0","v":1},{"n":"6/1","v":5},{"n":"7/0","v":3800},{"n":"7/1","v":5000},` +
			`{"n":"8/0","v":125},{"n":"8/1","v":900},{"n":"9","v":100},{"n":"10","v":15},{"n":"11/0","v":0},` +
			`{"n":"13","v":1367491215},{"n":"14","sv":"+02:00"},{"n":"16","sv":"U"}]}`},
		{lwm2m.FormatText, lwm2m.PathOf(3, 0, 0), "Open Mobile Alliance"},
		{lwm2m.FormatCBOR, lwm2m.PathOf(3, 0, 9), "\x18\x64"},
		{lwm2m.FormatSenMLCBOR, lwm2m.PathOf(3, 0, 0), "\x81\xa2\x21\x66/3/0/0\x03\x74Open Mobile Alliance"},
	} {
		p, _ := tree.Payload(tc.target)
		got, err := Encode(tc.format, tc.target, p)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s in %d: %q, %v\nwant %q", tc.target, tc.format, got, err, tc.want)
		}
		back, err := Decode(tc.format, tc.target, []byte(tc.want), reg, lwm2m.Limits{})
		if err != nil || !back.Tree().Equal(p.Tree()) {
			t.Errorf("%s in %d: %v, %v", tc.target, tc.format, back.Nodes, err)
		}
	}
}

// The objects 65 and 66 of section 7.4, which link to one another, as a composite.
func TestPublishedLinks(t *testing.T) {
	reg := lwm2m.NewRegistry(
		lwm2m.ObjectDef{ID: 65, Resources: []lwm2m.ResourceDef{
			{ID: 0, Kind: lwm2m.KindObjectLink, Multiple: true}, {ID: 1, Kind: lwm2m.KindString}, {ID: 2, Kind: lwm2m.KindInteger}}},
		lwm2m.ObjectDef{ID: 66, Resources: []lwm2m.ResourceDef{
			{ID: 0, Kind: lwm2m.KindString}, {ID: 1, Kind: lwm2m.KindString}, {ID: 2, Kind: lwm2m.KindObjectLink}}})
	const published = `[{"bn":"/","n":"65/0/0/0","vlo":"66:0"},{"n":"65/0/0/1","vlo":"66:1"},{"n":"65/0/1","vs":"8613800755500"},` +
		`{"n":"65/0/2","v":1},{"n":"66/0/0","vs":"myService1"},{"n":"66/0/1","vs":"Internet.15.234"},{"n":"66/0/2","vlo":"67:0"},` +
		`{"n":"66/1/0","vs":"myService2"},{"n":"66/1/1","vs":"Internet.15.235"},{"n":"66/1/2","vlo":"65535:65535"}]`
	p, err := DecodeComposite(lwm2m.FormatSenMLJSON, []byte(published), reg, lwm2m.Limits{})
	if err != nil || len(p.Nodes) != 10 || p.Nodes[1].Value != lwm2m.ObjectLink(66, 1) || p.Nodes[9].Value != lwm2m.ObjectLink(65535, 65535) {
		t.Errorf("%v, %v", p.Nodes, err)
	}
	if got, err := EncodeComposite(lwm2m.FormatSenMLJSON, p); err != nil || string(got) != published {
		t.Errorf("%s, %v", got, err)
	}
	const tlv65 = "88000c 440000420000 440100420001 c8010d 38363133383030373535353030 c10201"
	first, _ := p.Tree().Payload(lwm2m.PathOf(65, 0))
	got, err := Encode(lwm2m.FormatTLV, lwm2m.PathOf(65, 0), first)
	if want := string(valuetest.Unhex(t, tlv65)); err != nil || string(got) != want {
		t.Errorf("%x, %v, want %x", got, err, want)
	}
}
