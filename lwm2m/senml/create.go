package senml

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// DecodeCreate decodes the payload of a Create on an object: the resources of one
// instance. Their names have the instance's ID (/3303/5/5700), or no instance at all
// (/3303/5700): then the ID is [lwm2m.MaxID] and the client chooses one. [EncodeCBOR] and
// [EncodeJSON] write the second form for the target that has this ID. The error is a
// [*lwm2m.DecodeError].
func (f Format) DecodeCreate(object uint16, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	p := packFor(f, lwm2m.PathOf(object), reg)
	read, fault := f.read(data, limits)
	if fault != strict.None {
		return lwm2m.Payload{}, p.Fail(len(read)-1, p.Target, fault)
	}
	return p.Create(read)
}
