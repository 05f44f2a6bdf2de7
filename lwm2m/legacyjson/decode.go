package legacyjson

import (
	"encoding/base64"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/records"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// Decode decodes what was written to, or read from, target, which is not the root. The
// base name and a name together are the target or lie below it; without a base name they
// are relative to the target, unless they begin with a slash. The registry gives the
// types; a resource that it does not define is marked Unknown and has the type that its
// field implies. Zero limits mean the defaults; Limits.Nodes counts values. The error is
// a [*lwm2m.DecodeError] whose Offset is the value's index.
func Decode(target lwm2m.Path, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	p := pack(target, reg)
	if target.Len() == 0 {
		return lwm2m.Payload{}, p.Fail(-1, target, strict.Refuse(lwm2m.ReasonMismatch, "there is no form for the root"))
	}
	read, f := read(target, data, limits)
	if f != strict.None {
		return lwm2m.Payload{}, p.Fail(len(read)-1, target, f)
	}
	return p.Resolve(read)
}

// DecodeCreate decodes the payload of a Create on an object: the resources of one
// instance. Their names have the instance's ID, or no instance at all: then the ID is
// [lwm2m.MaxID] and the client chooses one. The error is a [*lwm2m.DecodeError].
func DecodeCreate(object uint16, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	p := pack(lwm2m.PathOf(object), reg)
	read, f := read(p.Target, data, limits)
	if f != strict.None {
		return lwm2m.Payload{}, p.Fail(len(read)-1, p.Target, f)
	}
	return p.Create(read)
}

func pack(target lwm2m.Path, reg *lwm2m.Registry) records.Pack {
	return records.Pack{Format: format, Target: target, Registry: reg, Convert: convert}
}

// convert gives a value the kind of its definition. What only a string can carry is
// read from one.
func convert(natural lwm2m.Value, kind lwm2m.Kind) (lwm2m.Value, error) {
	if kind != lwm2m.KindOpaque || natural.Kind() != lwm2m.KindString {
		return records.Convert(natural, kind)
	}
	data, ok := strict.DecodeBase64(base64.StdEncoding, natural.Text())
	if !ok {
		return lwm2m.Value{}, &lwm2m.ConvertError{From: natural.Kind(), To: kind}
	}
	return lwm2m.Opaque(data), nil
}

// reader reads one payload.
type reader struct {
	*strict.Scanner
	nodes    int // values that may come
	records  []records.Record
	baseName string
	listed   bool // there is a list of values
}

// read reads the values with their full names. With a fault, the last value is the one at
// fault, if any is.
func read(target lwm2m.Path, data []byte, limits lwm2m.Limits) ([]records.Record, strict.Fault) {
	limits = limits.OrDefault()
	if len(data) > limits.Bytes {
		return nil, strict.Refuse(lwm2m.ReasonLimit, "input too long")
	}
	s, f := strict.NewScanner(data)
	if f != strict.None {
		return nil, f
	}
	r := reader{Scanner: s, nodes: limits.Nodes}
	if f := r.payload(); f != strict.None {
		return r.records, f
	}
	r.name(target)
	return r.records, strict.None
}

func (r *reader) payload() strict.Fault {
	if r.Peek() != '{' {
		return r.Unlike("not an object")
	}
	if f := r.Members(r.member); f != strict.None {
		return f
	}
	if !r.listed {
		return strict.Refuse(lwm2m.ReasonStructure, "no list of values, e")
	}
	return r.End()
}

// member reads one member of the payload; unknown ones are ignored.
func (r *reader) member(label string) strict.Fault {
	if label == "e" {
		return r.list()
	}
	content, f := r.Value()
	switch {
	case f != strict.None:
		return f
	case label == "bn":
		text, ok := content.(string)
		r.baseName = text
		return strict.Must(ok, "bn is text")
	case label == "bt":
		_, ok := strict.Number(content)
		return strict.Must(ok, "a time is a number")
	}
	return strict.None
}

func (r *reader) list() strict.Fault {
	if r.Peek() != '[' {
		return r.Unlike("e is not a list")
	}
	r.listed = true
	return r.List('[', ']', func() strict.Fault {
		if len(r.records) == r.nodes {
			return strict.Refuse(lwm2m.ReasonLimit, "too many values")
		}
		if r.Peek() != '{' {
			return r.Unlike("e is not a list of objects")
		}
		r.records = append(r.records, records.Record{})
		return r.Object(r.field)
	})
}

// field reads one member of the last value; unknown ones are ignored.
func (r *reader) field(label string, content any) strict.Fault {
	rec := &r.records[len(r.records)-1]
	text, isText := content.(string)
	switch label {
	case "n":
		rec.Name = text
		return strict.Must(isText, "n is text")
	case "t":
		_, ok := strict.Number(content)
		return strict.Must(ok, "a time is a number")
	case "v":
		return rec.SetNumber(content)
	case "bv":
		b, ok := content.(bool)
		return rec.Set(lwm2m.Boolean(b), ok)
	case "sv":
		return rec.Set(lwm2m.String(text), isText)
	case "ov":
		return rec.Set(strict.ParseLink(text))
	}
	return strict.None
}

// name gives the values their full names.
func (r *reader) name(target lwm2m.Path) {
	for i := range r.records {
		name := r.baseName + r.records[i].Name
		if r.baseName == "" && !strings.HasPrefix(name, "/") {
			name = target.String() + "/" + name
		}
		if r.records[i].Name == "" {
			name = strings.TrimSuffix(name, "/")
		}
		r.records[i].Name = name
	}
}
