package tlv

import "github.com/holdfast-iot/holdfast/lwm2m"

// DecodeCreate decodes the payload of a Create on an object (section 6.3.6): one Object
// Instance entry with its ID, or bare resources, whose instance then has the ID
// [lwm2m.MaxID] and the client chooses one. [Encode] writes the second form for the
// target that has this ID. Two instances are refused. The error is a
// [*lwm2m.DecodeError].
func DecodeCreate(object uint16, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	base := lwm2m.PathOf(object)
	if len(data) == 0 || data[0]>>6 != kindObjectInstance {
		return DecodeLimited(base.Child(lwm2m.MaxID), data, reg, limits)
	}
	p, err := DecodeLimited(base, data, reg, limits)
	if err == nil && len(p.Instances) > 1 {
		return lwm2m.Payload{}, &lwm2m.DecodeError{
			Format: format, Offset: -1, Path: base, Reason: lwm2m.ReasonStructure, Detail: "a Create makes one instance",
		}
	}
	return p, err
}
