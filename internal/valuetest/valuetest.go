package valuetest

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Object has one resource of every kind, KindNone included, whose ID is the kind's
// number, and one that is multiple, whose ID is Multiple higher.
const (
	Object   = 1000
	Multiple = 100
)

// Registry returns the definitions of Object and of the objects that clients have.
func Registry() *lwm2m.Registry {
	return lwm2m.NewRegistry(definition(), objects.DeviceDef(), objects.SecurityDef(), objects.ServerDef())
}

func definition() lwm2m.ObjectDef {
	d := lwm2m.ObjectDef{ID: Object, Multiple: true}
	for k := lwm2m.KindNone; k <= lwm2m.KindCoreLink; k++ {
		d.Resources = append(d.Resources,
			lwm2m.ResourceDef{ID: uint16(k), Kind: k},
			lwm2m.ResourceDef{ID: uint16(k) + Multiple, Kind: k, Multiple: true})
	}
	return d
}

// Draw returns any value of a kind that has content. An opaque one may be longer than
// 255 bytes, from where on representations write longer lengths.
func Draw(t *rapid.T, kind lwm2m.Kind) lwm2m.Value {
	switch kind {
	case lwm2m.KindString:
		return lwm2m.String(rapid.String().Draw(t, "string"))
	case lwm2m.KindInteger:
		return lwm2m.Integer(rapid.Int64().Draw(t, "integer"))
	case lwm2m.KindUnsigned:
		return lwm2m.Unsigned(rapid.Uint64().Draw(t, "unsigned"))
	case lwm2m.KindFloat:
		return lwm2m.Float(rapid.Float64().Draw(t, "float"))
	case lwm2m.KindBoolean:
		return lwm2m.Boolean(rapid.Bool().Draw(t, "boolean"))
	case lwm2m.KindOpaque:
		return lwm2m.Opaque(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "opaque"))
	case lwm2m.KindTime:
		return lwm2m.Time(time.Unix(rapid.Int64().Draw(t, "time"), 0))
	case lwm2m.KindObjectLink:
		return lwm2m.ObjectLink(rapid.Uint16().Draw(t, "object"), rapid.Uint16().Draw(t, "instance"))
	default:
		return lwm2m.CoreLink(rapid.String().Draw(t, "link"))
	}
}

// Path parses a path; one that is none is a fault of the test, and panics.
func Path(s string) lwm2m.Path {
	p, err := lwm2m.ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

// Node returns a value at a path.
func Node(path string, v lwm2m.Value) lwm2m.Node { return lwm2m.Node{Path: Path(path), Value: v} }

// Unhex returns the bytes of hexadecimal digits, between which spaces may stand.
func Unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
