package codec

import (
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/valuetest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// A Create of an instance with a value of every type comes back from every format that
// serves it, with and without an ID.
func TestCreateSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want Creation
		if rapid.Bool().Draw(t, "with an ID") {
			want.ID, want.HasID = rapid.Uint16Max(lwm2m.MaxID-1).Draw(t, "ID"), true
		}
		for _, k := range kinds {
			want.Resources = append(want.Resources, lwm2m.Resource{ID: uint16(k), Value: valuetest.Draw(t, k)})
		}
		want.Resources = append(want.Resources, lwm2m.Resource{ID: 2 + multiple, Multiple: true, Instances: []lwm2m.ResourceInstance{
			{ID: 1, Value: lwm2m.Integer(1)}, {ID: rapid.Uint16Range(2, lwm2m.MaxID-1).Draw(t, "instance"), Value: lwm2m.Integer(2)},
		}})
		for _, f := range Formats(Create) {
			data, err := EncodeCreate(f, object, want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeCreate(f, object, data, registry, lwm2m.Limits{})
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("format %d: %+v became %+v, %v", f, want, got, err)
			}
		}
	})
}

func TestCreateWithoutResources(t *testing.T) {
	for _, f := range Formats(Create) {
		data, err := EncodeCreate(f, object, Creation{})
		if err != nil {
			t.Errorf("format %d: %v", f, err)
		}
		if got, err := DecodeCreate(f, object, data, registry, lwm2m.Limits{}); err != nil || got.HasID || len(got.Resources) > 0 {
			t.Errorf("format %d: %+v, %v", f, got, err)
		}
		data, err = EncodeCreate(f, object, Creation{ID: 5, HasID: true})
		var unfit *lwm2m.EncodeError
		switch {
		case f != lwm2m.FormatTLV && !errors.As(err, &unfit):
			t.Errorf("format %d: %x, %v", f, data, err)
		case f == lwm2m.FormatTLV:
			if got, err := DecodeCreate(f, object, data, registry, lwm2m.Limits{}); err != nil || !got.HasID || got.ID != 5 {
				t.Errorf("%+v, %v", got, err)
			}
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	for f, in := range map[lwm2m.Format]string{
		lwm2m.FormatSenMLJSON: `[{"n":"/4242/1/2","v":1},{"n":"/4242/2/2","v":1}]`,
		lwm2m.FormatSenMLCBOR: "\x82\xa2\x00i/4242/1/2\x02\x01\xa2\x00i/4242/2/2\x02\x01",
		lwm2m.FormatJSON:      `{"e":[{"n":"1/2","v":1},{"n":"2/2","v":1}]}`,
		lwm2m.FormatTLV:       "\x00\x01\x00\x02",
	} {
		var refused *lwm2m.DecodeError
		if got, err := DecodeCreate(f, object, []byte(in), registry, lwm2m.Limits{}); !errors.As(err, &refused) || refused.Reason != lwm2m.ReasonStructure {
			t.Errorf("two instances in %d: %+v, %v", f, got, err)
		}
	}
	if data, err := EncodeCreate(lwm2m.FormatTLV, object, Creation{Resources: []lwm2m.Resource{{ID: 1}}}); err == nil {
		t.Errorf("a resource without a value: %x", data)
	}
}
