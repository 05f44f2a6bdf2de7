package senml

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// DecodePaths decodes the request of a Read-Composite or Observe-Composite (section
// 6.3.8): records that have names and no values. Each path comes once, in order of
// appearance; none at all is refused. A record with a base name alone names it unless it
// ends in a slash, which makes it a prefix. Limits.Nodes counts records. The error is a
// [*lwm2m.DecodeError].
func (f Format) DecodePaths(data []byte, limits lwm2m.Limits) ([]lwm2m.Path, error) {
	p := packFor(f, lwm2m.Path{}, nil)
	read, fault := f.read(data, limits)
	if fault != strict.None {
		return nil, p.Fail(len(read)-1, lwm2m.Path{}, fault)
	}
	return p.Paths(read)
}

// EncodePaths encodes the request of a Read-Composite or Observe-Composite.
func (f Format) EncodePaths(paths []lwm2m.Path) ([]byte, error) {
	if f == JSON {
		return marshal(wanted(paths))
	}
	return strict.Marshal(wanted(paths))
}

// wantedRecord is a record of a path list, in either representation.
type wantedRecord struct {
	Name string `cbor:"0,keyasint" json:"n"`
}

func wanted(paths []lwm2m.Path) []wantedRecord {
	out := make([]wantedRecord, len(paths))
	for i, p := range paths {
		out[i].Name = p.String()
	}
	return out
}

// DecodeComposite decodes the request of a Write-Composite (section 6.3.9): values
// anywhere below the root, and resource instances to be removed, which have null or no
// value. One that says neither is refused. The error is a [*lwm2m.DecodeError].
func (f Format) DecodeComposite(data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	p := packFor(f, lwm2m.Path{}, reg)
	p.Deletes = true
	out, err := f.decode(p, data, limits)
	if err == nil && len(out.Nodes)+len(out.Deleted) == 0 {
		return out, p.Fail(-1, lwm2m.Path{}, strict.Refuse(lwm2m.ReasonStructure, "nothing to write"))
	}
	return out, err
}

// EncodeComposite encodes what a Read-Composite found, or the request of a
// Write-Composite: the nodes, in their order, and null for what is to be removed.
// Errors are those of [EncodeCBOR] and [EncodeJSON].
func (f Format) EncodeComposite(p lwm2m.Payload) ([]byte, error) {
	if f == JSON {
		out, err := jsonRecords(lwm2m.Path{}, p)
		if err != nil || len(p.Deleted) == 0 {
			return finish(out, err, marshal)
		}
		return marshal(withNulls(out, p.Deleted))
	}
	out, err := cborRecords(lwm2m.Path{}, p)
	if err != nil || len(p.Deleted) == 0 {
		return finish(out, err, strict.Marshal)
	}
	return strict.Marshal(withNulls(out, p.Deleted))
}

// finish writes the records that could be made.
func finish(out any, err error, write func(any) ([]byte, error)) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return write(out)
}

// nullRecord removes a resource instance, in either representation.
type nullRecord struct {
	BaseName string    `cbor:"-2,keyasint,omitempty" json:"bn,omitempty"`
	Name     string    `cbor:"0,keyasint" json:"n"`
	Value    *struct{} `cbor:"2,keyasint" json:"v"`
}

// withNulls adds records that remove something to others.
func withNulls[R any](out []R, deleted []lwm2m.Path) []any {
	all := make([]any, 0, len(out)+len(deleted))
	for _, r := range out {
		all = append(all, r)
	}
	for i, p := range deleted {
		null := nullRecord{Name: p.String()[len("/"):]}
		if i == 0 {
			null.BaseName = "/"
		}
		all = append(all, null)
	}
	return all
}
