package accounts

import (
	"bytes"

	"github.com/fxamacker/cbor/v2"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// The record "credentials" is one CBOR array (RFC 8949, core deterministic
// encoding), in CDDL:
//
//	record   = [version: 1, [* object]]
//	object   = [id: uint16, [* instance]]
//	instance = [id: uint16, [* resource]]
//	resource = [id: uint16, multiple: bool, [* value]]
//	value    = [id: uint16, kind: uint8, number: uint64, content: bstr]
//
// Everything is sorted by ID. A resource that is not multiple has one value,
// of ID 0. Strings, opaques and core links stand in content, everything else
// in number: signed integers as two's complement, times as Unix seconds,
// object links as object * 65536 + instance, floats as IEEE 754 bits.
const recordVersion = 1

// RecordReason says why a record was refused.
type RecordReason string

// The reasons of a [RecordError].
const (
	RecordTooLarge  RecordReason = "larger than 1 MiB"
	RecordMalformed RecordReason = "not the CBOR of a credentials record"
	RecordVersion   RecordReason = "of an unknown version"
	RecordContent   RecordReason = "holds an impossible value"
	RecordForm      RecordReason = "not in the form in which it is written"
)

// RecordError is the error of [Decode]. It repeats nothing of the content.
type RecordError struct{ Reason RecordReason }

// Error implements error.
func (e *RecordError) Error() string { return "credentials record: " + string(e.Reason) }

type recordCBOR struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Objects []objectCBOR
}

type objectCBOR struct {
	_         struct{} `cbor:",toarray"`
	ID        uint16
	Instances []instanceCBOR
}

type instanceCBOR struct {
	_         struct{} `cbor:",toarray"`
	ID        uint16
	Resources []resourceCBOR
}

type resourceCBOR struct {
	_        struct{} `cbor:",toarray"`
	ID       uint16
	Multiple bool
	Values   []valueCBOR
}

type valueCBOR struct {
	_       struct{} `cbor:",toarray"`
	ID      uint16
	Kind    lwm2m.Kind
	Number  uint64
	Content []byte
}

var (
	encMode = mode(cbor.CoreDetEncOptions().EncMode())
	decMode = mode(cbor.DecOptions{
		MaxNestedLevels:   maxNesting,
		MaxArrayElements:  MaxElements,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode())
)

// mode unwraps what constant options give.
func mode[M any](m M, err error) M {
	if err != nil {
		panic(err)
	}
	return m
}

// Encode makes the content of the record "credentials" of a tree, kinds of
// values included. The tree must hold valid identifiers only.
func Encode(tree *lwm2m.Tree) []byte {
	record := recordCBOR{Version: recordVersion, Objects: []objectCBOR{}}
	for _, id := range tree.Objects() {
		record.Objects = append(record.Objects, encodeObject(tree, id))
	}
	data, err := encMode.Marshal(record)
	if err != nil {
		panic(err) // no type here can fail to encode
	}
	return data
}

func encodeObject(tree *lwm2m.Tree, id uint16) objectCBOR {
	object := objectCBOR{ID: id, Instances: []instanceCBOR{}}
	for _, inst := range tree.Instances(id) {
		i, _ := tree.Instance(id, inst)
		instance := instanceCBOR{ID: inst, Resources: []resourceCBOR{}}
		for _, r := range i.Resources {
			instance.Resources = append(instance.Resources, encodeResource(r))
		}
		object.Instances = append(object.Instances, instance)
	}
	return object
}

func encodeResource(r lwm2m.Resource) resourceCBOR {
	out := resourceCBOR{ID: r.ID, Multiple: r.Multiple, Values: []valueCBOR{}}
	if !r.Multiple {
		out.Values = append(out.Values, encodeValue(0, r.Value))
	}
	for _, ri := range r.Instances {
		out.Values = append(out.Values, encodeValue(ri.ID, ri.Value))
	}
	return out
}

// Decode reads what [Encode] has written, and nothing else: a record that does
// not encode to the same bytes again is refused. The error is a
// [*RecordError].
func Decode(data []byte) (*lwm2m.Tree, error) {
	if len(data) > MaxRecord {
		return nil, &RecordError{RecordTooLarge}
	}
	var record recordCBOR
	if err := decMode.Unmarshal(data, &record); err != nil {
		return nil, &RecordError{RecordMalformed}
	}
	if record.Version != recordVersion {
		return nil, &RecordError{RecordVersion}
	}
	tree := lwm2m.NewTree()
	for _, o := range record.Objects {
		if !decodeObject(tree, o) {
			return nil, &RecordError{RecordContent}
		}
	}
	if !bytes.Equal(Encode(tree), data) {
		return nil, &RecordError{RecordForm}
	}
	return tree, nil
}

func decodeObject(tree *lwm2m.Tree, o objectCBOR) bool {
	if o.ID == lwm2m.MaxID {
		return false
	}
	tree.PutObject(o.ID)
	for _, i := range o.Instances {
		instance := lwm2m.Instance{ID: i.ID}
		for _, rc := range i.Resources {
			r, ok := decodeResource(rc)
			if !ok {
				return false
			}
			instance.Resources = append(instance.Resources, r)
		}
		if i.ID == lwm2m.MaxID {
			return false
		}
		tree.PutInstance(o.ID, instance)
	}
	return true
}

func decodeResource(rc resourceCBOR) (lwm2m.Resource, bool) {
	r := lwm2m.Resource{ID: rc.ID, Multiple: rc.Multiple}
	if rc.ID == lwm2m.MaxID || (!rc.Multiple && len(rc.Values) != 1) {
		return r, false
	}
	for _, vc := range rc.Values {
		v, ok := decodeValue(vc)
		if !ok || vc.ID == lwm2m.MaxID {
			return r, false
		}
		if !rc.Multiple {
			r.Value = v
			continue
		}
		r.Instances = append(r.Instances, lwm2m.ResourceInstance{ID: vc.ID, Value: v})
	}
	return r, true
}
