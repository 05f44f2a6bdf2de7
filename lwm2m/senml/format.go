package senml

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/records"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// Format is one of the two representations.
type Format uint8

// The representations.
const (
	JSON Format = iota + 1 // application/senml+json, 110
	CBOR                   // application/senml+cbor, 112
)

// String is the name that errors have.
func (f Format) String() string {
	if f == JSON {
		return formatJSON
	}
	return formatCBOR
}

// read reads the records of a pack. With a fault, the last record is the one at
// fault, if any is.
func (f Format) read(data []byte, limits lwm2m.Limits) ([]records.Record, strict.Fault) {
	limits = limits.OrDefault()
	if len(data) > limits.Bytes {
		return nil, strict.Refuse(lwm2m.ReasonLimit, "input too long")
	}
	if f == JSON {
		return readJSON(data, limits.Nodes)
	}
	return readCBOR(data, limits.Nodes)
}

func packFor(f Format, target lwm2m.Path, reg *lwm2m.Registry) records.Pack {
	return records.Pack{Format: f.String(), Target: target, Registry: reg, Convert: records.Convert}
}

// decode reads and resolves a pack.
func (f Format) decode(p records.Pack, data []byte, limits lwm2m.Limits) (lwm2m.Payload, error) {
	read, fault := f.read(data, limits)
	if fault != strict.None {
		return lwm2m.Payload{}, p.Fail(len(read)-1, p.Target, fault)
	}
	return p.Resolve(read)
}
