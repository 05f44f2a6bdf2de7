package answers

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestEncode(t *testing.T) {
	lifetime := lwm2m.PathOf(1, 0, 1)
	one := lwm2m.Payload{Nodes: []lwm2m.Node{{Path: lifetime, Value: lwm2m.Integer(60)}}}
	none := lwm2m.Payload{Nodes: []lwm2m.Node{{Path: lifetime, Value: lwm2m.Float(math.NaN())}}}
	for _, c := range []struct {
		name   string
		format messages.Format
		path   lwm2m.Path
		p      lwm2m.Payload
		want   messages.CoAPCode
	}{
		{"text", messages.FormatText, lifetime, one, messages.Content},
		{"text of an instance", messages.FormatText, lwm2m.PathOf(1, 0), one, messages.NotAcceptable},
		{"unknown format", 4711, lifetime, one, messages.NotAcceptable},
		{"NaN as text", messages.FormatText, lifetime, none, messages.NotAcceptable},
		{"NaN in JSON", messages.FormatSenMLJSON, lifetime, none, messages.NotAcceptable},
		{"NaN in JSON of 1.0", messages.FormatJSON, lifetime, none, messages.NotAcceptable},
		{"NaN in CBOR", messages.FormatSenMLCBOR, lifetime, none, messages.Content},
		{"no value", messages.FormatTLV, lifetime, lwm2m.Payload{}, messages.InternalServerError},
	} {
		if got := Encode(c.format, c.path, c.p); got.Code != c.want {
			t.Errorf("%s: %v %s", c.name, got.Code, got.Payload)
		}
	}
	got := Encode(messages.FormatText, lifetime, one).Reply(messages.Inbound{Epoch: 3, ID: 9})
	want := messages.Reply{Epoch: 3, ID: 9, Code: messages.Content, ContentFormat: new(messages.FormatText), Payload: []byte("60")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecode(t *testing.T) {
	lifetime := lwm2m.PathOf(1, 0, 1)
	for _, c := range []struct {
		name   string
		format *messages.Format
		body   string
		want   messages.CoAPCode
	}{
		{"text", new(messages.FormatText), "60", messages.Empty},
		{"no format", nil, "60", messages.UnsupportedFormat},
		{"unknown format", new(messages.Format(4711)), "60", messages.UnsupportedFormat},
		{"opaque of an integer", new(messages.FormatOpaque), "60", messages.UnsupportedFormat},
		{"no number", new(messages.FormatText), "sixty", messages.BadRequest},
		{"too long", new(messages.FormatText), "000000060", messages.BadRequest},
		{"broken TLV", new(messages.FormatTLV), "\xc1", messages.BadRequest},
	} {
		in := messages.Inbound{ContentFormat: c.format, Payload: []byte(c.body)}
		p, refusal := Decode(in, lifetime, objects.Core(), lwm2m.Limits{Bytes: 8})
		if refusal.Code != c.want || refusal.IsZero() != (c.want == messages.Empty) {
			t.Errorf("%s: %v %s", c.name, refusal.Code, refusal.Payload)
		}
		if refusal.IsZero() && (len(p.Nodes) != 1 || p.Nodes[0].Value != lwm2m.Integer(60)) {
			t.Errorf("%s: %v", c.name, p.Nodes)
		}
	}
}
