package tlv

import (
	"errors"
	"slices"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

func TestDecodeCreate(t *testing.T) {
	inside := func(inst uint16) []lwm2m.Node {
		at := lwm2m.PathOf(1, inst)
		return []lwm2m.Node{{Path: at.Child(0), Value: lwm2m.Integer(7)}, {Path: at.Child(1), Value: lwm2m.Integer(60)}}
	}
	for _, tc := range []struct {
		in       string
		instance uint16
		nodes    []lwm2m.Node
	}{
		{"06 05 c1 00 07 c1 01 3c", 5, inside(5)},
		{"26 03e8 c1 00 07 c1 01 3c", 1000, inside(1000)},
		{"c1 00 07 c1 01 3c", lwm2m.MaxID, inside(lwm2m.MaxID)},
		{"00 05", 5, nil},
		{"", lwm2m.MaxID, nil},
	} {
		got, err := DecodeCreate(1, unhex(t, tc.in), testRegistry(), lwm2m.Limits{})
		if err != nil || !slices.Equal(got.Nodes, tc.nodes) || !slices.Equal(got.Instances, []lwm2m.Path{lwm2m.PathOf(1, tc.instance)}) {
			t.Errorf("%s: %v, %v", tc.in, got, err)
		}
	}
}

func TestDecodeCreateRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     lwm2m.Reason
	}{
		{"two instances", "00 05 00 06", lwm2m.ReasonStructure},
		{"an instance twice", "00 05 00 05", lwm2m.ReasonDuplicate},
		{"the reserved ID", "20 ffff", lwm2m.ReasonPath},
		{"an instance, then a resource", "00 05 c1 00 07", lwm2m.ReasonStructure},
		{"a resource, then an instance", "c1 00 07 00 05", lwm2m.ReasonStructure},
		{"a resource instance", "41 00 07", lwm2m.ReasonStructure},
		{"an instance in an instance", "02 05 00 06", lwm2m.ReasonStructure},
		{"cut short", "06 05 c1 00 07", lwm2m.ReasonTruncated},
		{"three bytes of length", "18 05 ffffff", lwm2m.ReasonTruncated},
	} {
		got, err := DecodeCreate(1, unhex(t, tc.in), testRegistry(), lwm2m.Limits{})
		var de *lwm2m.DecodeError
		if !errors.As(err, &de) || de.Reason != tc.want || got.Instances != nil {
			t.Errorf("%s: %v, %v, want %q", tc.name, got, err, tc.want)
		}
	}
}
