package codec

import (
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// The formats text/plain and opaque carry one value and nothing else: a resource
// that is not multiple, or a resource instance of one that is.

func encodeText(target lwm2m.Path, p lwm2m.Payload) ([]byte, error) {
	v, ok := onlyValue(target, p)
	if !ok {
		return nil, &FormatError{Operation: Read, Format: lwm2m.FormatText, Path: target}
	}
	text, ok := appendText(nil, v)
	if !ok {
		return nil, &lwm2m.EncodeError{Format: formatText, Path: target, Reason: lwm2m.ReasonMismatch, Detail: "no text of this value"}
	}
	return text, nil
}

func encodeOpaque(target lwm2m.Path, p lwm2m.Payload) ([]byte, error) {
	v, ok := onlyValue(target, p)
	if !ok || v.Kind() != lwm2m.KindOpaque {
		return nil, &FormatError{Operation: Read, Format: lwm2m.FormatOpaque, Path: target}
	}
	return v.Bytes(), nil
}

// onlyValue returns the one value that target names, false when it names more or
// something else.
func onlyValue(target lwm2m.Path, p lwm2m.Payload) (lwm2m.Value, bool) {
	if target.Len() < 3 || len(p.Nodes) != 1 || p.Nodes[0].Path != target {
		return lwm2m.Value{}, false
	}
	return p.Nodes[0].Value, true
}

func decodeText(target lwm2m.Path, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	def, ok := singleTarget(target, reg)
	if !ok {
		return lwm2m.Payload{}, &FormatError{Operation: Write, Format: lwm2m.FormatText, Path: target}
	}
	if len(data) > limits.OrDefault().Bytes {
		return lwm2m.Payload{}, refused(formatText, target, lwm2m.ReasonLimit, "too long")
	}
	v, ok := parseText(def.Kind, string(data))
	if !ok {
		return lwm2m.Payload{}, refused(formatText, target, lwm2m.ReasonValue, "the text is no value of the resource's type")
	}
	return single(target, v), nil
}

func decodeOpaque(target lwm2m.Path, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	def, ok := singleTarget(target, reg)
	if !ok || def.Kind != lwm2m.KindOpaque {
		return lwm2m.Payload{}, &FormatError{Operation: Write, Format: lwm2m.FormatOpaque, Path: target}
	}
	if len(data) > limits.OrDefault().Bytes {
		return lwm2m.Payload{}, refused(formatOpaque, target, lwm2m.ReasonLimit, "too long")
	}
	return single(target, lwm2m.Opaque(data)), nil
}

// singleTarget finds the definition of a target that has one value: the formats do not
// say all types apart, so there has to be one.
func singleTarget(target lwm2m.Path, reg *lwm2m.Registry) (lwm2m.ResourceDef, bool) {
	def, found := reg.Resource(target)
	return def, found && def.Kind != lwm2m.KindNone && def.Multiple == (target.Len() == 4)
}

// single is the payload of one value.
func single(target lwm2m.Path, v lwm2m.Value) lwm2m.Payload {
	p := lwm2m.Payload{
		Nodes:     []lwm2m.Node{{Path: target, Value: v}},
		Instances: []lwm2m.Path{target.Prefix(2)},
	}
	if target.Len() == 4 {
		p.Multiples = []lwm2m.Path{target.Prefix(3)}
	}
	return p
}

func refused(format string, target lwm2m.Path, reason lwm2m.Reason, detail string) error {
	return &lwm2m.DecodeError{Format: format, Offset: -1, Path: target, Reason: reason, Detail: detail}
}
