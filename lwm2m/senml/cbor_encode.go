package senml

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/records"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// cborRecord is a record as it is written: at most one value field is set.
type cborRecord struct {
	BaseName string  `cbor:"-2,keyasint,omitempty"`
	Name     string  `cbor:"0,keyasint,omitempty"`
	Number   any     `cbor:"2,keyasint,omitempty"`
	Text     *string `cbor:"3,keyasint,omitempty"`
	Boolean  *bool   `cbor:"4,keyasint,omitempty"`
	Data     *[]byte `cbor:"8,keyasint,omitempty"`
	Link     *string `cbor:"vlo,omitempty"`
}

// EncodeCBOR encodes the nodes of target, in their order, with target as the
// base name of the first record. SenML has no form for an instance or a multiple
// resource without content: those are left out. Nodes outside target, values
// without content (KindNone) and text that is not UTF-8 are a [*lwm2m.EncodeError].
func EncodeCBOR(target lwm2m.Path, p lwm2m.Payload) ([]byte, error) {
	out, err := cborRecords(target, p)
	return finish(out, err, strict.Marshal)
}

func cborRecords(target lwm2m.Path, p lwm2m.Payload) ([]cborRecord, error) {
	if err := records.Check(formatCBOR, target, p.Nodes); err != nil {
		return nil, err
	}
	names := records.NamesFor(target, p.Nodes)
	out := make([]cborRecord, len(p.Nodes))
	for i, n := range p.Nodes {
		out[i].Name = names.Relative(n.Path)
		out[i].setValue(n.Value)
	}
	if len(out) > 0 {
		out[0].BaseName = names.Base
	}
	return out, nil
}

func (r *cborRecord) setValue(v lwm2m.Value) {
	switch v.Kind() {
	case lwm2m.KindString, lwm2m.KindCoreLink:
		r.Text = new(v.Text())
	case lwm2m.KindInteger, lwm2m.KindTime:
		r.Number = v.Int()
	case lwm2m.KindUnsigned:
		r.Number = v.Uint()
	case lwm2m.KindFloat:
		r.Number = strict.Shortest(v.Float64())
	case lwm2m.KindBoolean:
		r.Boolean = new(v.Bool())
	case lwm2m.KindOpaque:
		r.Data = new(v.Bytes())
	case lwm2m.KindObjectLink:
		r.Link = new(v.String())
	}
}
