package reporting

import (
	"bytes"
	"crypto/sha256"
	"iter"
	"math"

	"github.com/fxamacker/cbor/v2"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// Record is what of the observations of one server outlives the process. It belongs to
// a registration, as the record of state does, and to the same owner.
type Record struct {
	Owner accounts.StateOwner
	// Sequence is the first number of the Observe option that had not been used
	// when this was written, as far ahead as numbers are reserved.
	Sequence     uint32
	Observations []Spec // of one peer, which the record's name says
	Attributes   Table
}

// The record is one CBOR array (RFC 8949, core deterministic encoding), in CDDL:
//
//	record      = [version: 1, endpoint: tstr, server: tstr, identity: bstr .size 32,
//	               sequence: uint, [* observation], [* attributes]]
//	observation = [token: bstr .size (0..8), composite: bool, format: uint16,
//	               [+ path], key: tstr]
//	attributes  = [path, [+ [attribute: uint8, value: float]]]
//	path        = [0*4 uint16]
//
// The version comes first in every version of the format.
const recordVersion = 1

// MaxKey is the length in bytes of the longest key of a request that fits into a record.
const MaxKey = 16 << 10

// Bounds of a record.
const (
	maxElements = 1 << 16 // of one array
	maxToken    = 8
)

// RecordReason says why a record was refused.
type RecordReason string

// The reasons of a [RecordError].
const (
	RecordTooLarge  RecordReason = "larger than 1 MiB"
	RecordMalformed RecordReason = "not the CBOR of a record of observations"
	RecordContent   RecordReason = "of another version, or holds an impossible value"
	RecordForm      RecordReason = "not in the form in which it is written"
)

// RecordError is the error of [DecodeRecord] and [EncodeRecord].
type RecordError struct{ Reason RecordReason }

// Error implements error.
func (e *RecordError) Error() string { return "record of observations: " + string(e.Reason) }

type recordCBOR struct {
	_            struct{} `cbor:",toarray"`
	Version      uint64
	Endpoint     string
	Server       string
	Identity     []byte
	Sequence     uint32
	Observations []observationCBOR
	Attributes   []attributesCBOR
}

type observationCBOR struct {
	_         struct{} `cbor:",toarray"`
	Token     []byte
	Composite bool
	Format    uint16
	Targets   [][]uint16
	Key       string
}

type attributesCBOR struct {
	_      struct{} `cbor:",toarray"`
	Path   []uint16
	Values []attributeCBOR
}

type attributeCBOR struct {
	_         struct{} `cbor:",toarray"`
	Attribute uint8
	Value     float64
}

var (
	encMode = mode(cbor.CoreDetEncOptions().EncMode())
	decMode = mode(cbor.DecOptions{
		MaxNestedLevels:   6,
		MaxArrayElements:  maxElements,
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

// EncodeRecord makes the content of a record. It refuses what [DecodeRecord] would not
// read as the same.
func EncodeRecord(r Record) ([]byte, error) {
	c := recordCBOR{
		Version: recordVersion, Endpoint: r.Owner.Endpoint, Server: r.Owner.Server, Identity: r.Owner.Identity[:],
		Sequence: r.Sequence, Observations: []observationCBOR{}, Attributes: []attributesCBOR{},
	}
	for _, o := range r.Observations {
		c.Observations = append(c.Observations, encodeObservation(o))
	}
	for _, path := range r.Attributes.Paths() {
		c.Attributes = append(c.Attributes, encodeAttributes(path, r.Attributes.At(path)))
	}
	data, err := encMode.Marshal(c)
	switch {
	case err != nil:
		panic(err) // no type here can fail to encode
	case len(data) > accounts.MaxRecord:
		return nil, &RecordError{RecordTooLarge}
	case !c.possible():
		return nil, &RecordError{RecordContent}
	}
	return data, nil
}

func encodeObservation(o Spec) observationCBOR {
	c := observationCBOR{Token: []byte(o.Token), Composite: o.Composite, Format: uint16(o.Format), Key: o.Key}
	for _, target := range o.Targets {
		c.Targets = append(c.Targets, identifiers(target))
	}
	return c
}

func encodeAttributes(path lwm2m.Path, a Attributes) attributesCBOR {
	c := attributesCBOR{Path: identifiers(path)}
	for at, value := range a.All() {
		c.Values = append(c.Values, attributeCBOR{Attribute: uint8(at), Value: value})
	}
	return c
}

// DecodeRecord reads what [EncodeRecord] has written for a peer, and nothing else. The
// error is a [*RecordError].
func DecodeRecord(peer messages.Peer, data []byte) (Record, error) {
	var c recordCBOR
	if len(data) > accounts.MaxRecord {
		return Record{}, &RecordError{RecordTooLarge}
	}
	if err := decMode.Unmarshal(data, &c); err != nil {
		return Record{}, &RecordError{RecordMalformed}
	}
	switch again, _ := encMode.Marshal(c); {
	case !c.possible():
		return Record{}, &RecordError{RecordContent}
	case !bytes.Equal(again, data):
		return Record{}, &RecordError{RecordForm}
	}
	return c.record(peer), nil
}

// CheckRecord says what is wrong with the content of a record, if anything is. The
// error is a [*RecordError].
func CheckRecord(data []byte) error {
	_, err := DecodeRecord(messages.Peer{}, data)
	return err
}

func (c *recordCBOR) possible() bool {
	if c.Version != recordVersion || c.Endpoint == "" || c.Server == "" ||
		len(c.Identity) != sha256.Size || c.Sequence > messages.MaxSequence || len(c.Attributes) > MaxAttributed {
		return false
	}
	tokens, paths := map[string]bool{}, map[lwm2m.Path]bool{}
	for _, o := range c.Observations {
		if !o.possible() || tokens[string(o.Token)] {
			return false
		}
		tokens[string(o.Token)] = true
	}
	for _, a := range c.Attributes {
		if !a.possible() || paths[lwm2m.PathOf(a.Path...)] {
			return false
		}
		paths[lwm2m.PathOf(a.Path...)] = true
	}
	return true
}

func (c *observationCBOR) possible() bool {
	if len(c.Token) > maxToken || len(c.Key) > MaxKey || len(c.Targets) == 0 || len(c.Targets) > 1 && !c.Composite {
		return false
	}
	for _, target := range c.Targets {
		if !possiblePath(target) {
			return false
		}
	}
	return true
}

func (c *attributesCBOR) possible() bool {
	last := -1
	for _, v := range c.Values {
		if int(v.Attribute) <= last || v.Attribute >= uint8(attributeCount) || math.IsNaN(v.Value) || math.IsInf(v.Value, 0) ||
			!Attribute(v.Attribute).possible(v.Value) {
			return false
		}
		last = int(v.Attribute)
	}
	return len(c.Path) > 0 && possiblePath(c.Path) && len(c.Values) > 0
}

// possible reports whether a query could have set the attribute to the value.
func (a Attribute) possible(value float64) bool {
	switch {
	case a == Confirm:
		return value == 0 || value == 1
	case !a.isThreshold():
		return value >= 0 && value <= math.MaxUint32 && value == math.Trunc(value)
	}
	return a != Step || value >= 0
}

func possiblePath(ids []uint16) bool {
	for _, id := range ids {
		if id == lwm2m.MaxID {
			return false
		}
	}
	return len(ids) <= lwm2m.MaxPathLength
}

func (c *recordCBOR) record(peer messages.Peer) Record {
	r := Record{
		Owner:    accounts.StateOwner{Endpoint: c.Endpoint, Server: c.Server, Identity: accounts.Digest(c.Identity)},
		Sequence: c.Sequence,
	}
	for _, o := range c.Observations {
		r.Observations = append(r.Observations, o.spec(peer))
	}
	for path, a := range c.attributes() {
		_ = r.Attributes.Put(path, a) // they are counted
	}
	return r
}

func (c *observationCBOR) spec(peer messages.Peer) Spec {
	o := Spec{Peer: peer, Token: string(c.Token), Composite: c.Composite, Format: messages.Format(c.Format), Key: c.Key}
	for _, target := range c.Targets {
		o.Targets = append(o.Targets, lwm2m.PathOf(target...))
	}
	return o
}

func (c *recordCBOR) attributes() iter.Seq2[lwm2m.Path, Attributes] {
	return func(yield func(lwm2m.Path, Attributes) bool) {
		for _, entry := range c.Attributes {
			var a Attributes
			for _, v := range entry.Values {
				a = a.With(Attribute(v.Attribute), v.Value)
			}
			if !yield(lwm2m.PathOf(entry.Path...), a) {
				return
			}
		}
	}
}

// identifiers is a path as the record has it.
func identifiers(path lwm2m.Path) []uint16 {
	all := [lwm2m.MaxPathLength]uint16{path.Object(), path.Instance(), path.Resource(), path.ResourceInstance()}
	return all[:path.Len()]
}
