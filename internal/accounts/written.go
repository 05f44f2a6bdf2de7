package accounts

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Written is what management servers have written to objects 1 and 2 of the factory's
// accounts. To store it with the credentials would hide every later
// change of the configuration, so it is a record of its own.
type Written struct {
	// Basis says over which accounts it was written ([BasisOf]). It is void for
	// any others.
	Basis  Digest
	Server *lwm2m.Tree // objects 1 and 2
}

// The record "server" is one CBOR array (RFC 8949, core deterministic encoding),
// in CDDL; content is objects 1 and 2 in the form of the record "credentials":
//
//	written = [version: 1, basis: bstr .size 32, content: bstr]
const writtenVersion = 1

type writtenCBOR struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Basis   []byte
	Content []byte
}

// BasisOf identifies the management accounts of a tree by what may not change
// under a record of [Written]: their server URIs and the whole of objects 1 and 2. New
// keys do not count, nor does the bootstrap account.
func BasisOf(tree *lwm2m.Tree) Digest {
	parts := [][]byte{Encode(serverObject(tree))}
	for _, inst := range tree.Instances(objects.Security) {
		path := lwm2m.PathOf(objects.Security, inst)
		if isBootstrap(tree, path) {
			continue
		}
		id, _ := tree.Value(path.Child(objects.SecurityShortServerID))
		address, _ := tree.Value(path.Child(objects.SecurityServerURI))
		parts = append(parts, binary.BigEndian.AppendUint64(nil, uint64(id.Int())), []byte(normalURI(address.Text())))
	}
	return digest(parts...)
}

// serverObject is a tree of what servers can write: object 1, and object 2 if there is
// one.
func serverObject(tree *lwm2m.Tree) *lwm2m.Tree {
	only := tree.Clone()
	for _, obj := range tree.Objects() {
		if obj != objects.Server && obj != objects.AccessControl {
			only.DeleteObject(obj)
		}
	}
	return only
}

// WrittenOn returns what servers have written, where tree has it, over accounts
// of that basis.
func WrittenOn(tree *lwm2m.Tree, basis Digest) Written {
	return Written{Basis: basis, Server: serverObject(tree)}
}

// Apply returns a tree with objects 1 and 2 as servers have written them.
func (w Written) Apply(tree *lwm2m.Tree) *lwm2m.Tree {
	applied := tree.Clone()
	applied.DeleteObject(objects.AccessControl)
	applied.DeleteObject(objects.Server)
	applied.PutObject(objects.Server)
	for _, obj := range w.Server.Objects() {
		applied.PutObject(obj)
		for _, inst := range w.Server.Instances(obj) {
			i, _ := w.Server.Instance(obj, inst)
			applied.PutInstance(obj, i)
		}
	}
	return applied
}

// EncodeWritten makes the content of the record. It refuses what [DecodeWritten]
// would not read as the same; the error is a [*LimitError] or a [*RecordError].
func EncodeWritten(w Written) ([]byte, error) {
	content, err := EncodeWithin(w.Server, Limits{})
	if err != nil {
		return nil, err
	}
	data, err := encMode.Marshal(writtenCBOR{Version: writtenVersion, Basis: w.Basis[:], Content: content})
	if err != nil {
		panic(err) // no type here can fail to encode
	}
	if len(data) > MaxRecord {
		return nil, &LimitError{Measure: MeasureBytes, Max: MaxRecord}
	}
	return data, nil
}

// DecodeWritten reads what [EncodeWritten] has written, and nothing else. The error
// is a [*RecordError].
func DecodeWritten(data []byte) (Written, error) {
	if len(data) > MaxRecord {
		return Written{}, &RecordError{RecordTooLarge}
	}
	var c writtenCBOR
	if err := decMode.Unmarshal(data, &c); err != nil {
		return Written{}, &RecordError{RecordMalformed}
	}
	switch again, _ := encMode.Marshal(c); {
	case c.Version != writtenVersion:
		return Written{}, &RecordError{RecordVersion}
	case len(c.Basis) != sha256.Size:
		return Written{}, &RecordError{RecordContent}
	case !bytes.Equal(again, data):
		return Written{}, &RecordError{RecordForm}
	}
	tree, err := Decode(c.Content)
	if err != nil {
		return Written{}, err
	}
	if !tree.Equal(serverObject(tree)) {
		return Written{}, &RecordError{RecordContent}
	}
	return Written{Basis: Digest(c.Basis), Server: tree}, nil
}

// CheckWritten says what is wrong with the content of a record "server", if
// anything is. The error is a [*RecordError].
func CheckWritten(data []byte) error {
	_, err := DecodeWritten(data)
	return err
}

// ErrVoid is the error of [Restore] for a record that is intact, but about accounts
// that are no longer configured like that.
var ErrVoid = errors.New("it was written over accounts that were configured otherwise")

// Restore returns the factory's accounts as servers have written them since. The
// record has to be about these accounts, and leave them usable. The error is
// [ErrVoid], a [*RecordError] or [Faults].
func Restore(factory *lwm2m.Tree, record []byte) (*lwm2m.Tree, error) {
	w, err := DecodeWritten(record)
	if err != nil {
		return nil, err
	}
	if w.Basis != BasisOf(factory) {
		return nil, ErrVoid
	}
	tree := w.Apply(factory)
	before, _ := fromTree(factory)
	if after, faults := fromTree(tree); len(after) < len(before) {
		return nil, faults
	}
	return tree, nil
}
