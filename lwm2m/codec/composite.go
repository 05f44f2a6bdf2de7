package codec

import (
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// EncodePaths writes the request of a Read-Composite or Observe-Composite (section
// 6.3.8). The error is a [*FormatError].
func EncodePaths(f lwm2m.Format, paths []lwm2m.Path) ([]byte, error) {
	row, err := find(ReadComposite, f, lwm2m.Path{})
	if err != nil {
		return nil, err
	}
	return row.senml.EncodePaths(paths)
}

// DecodePaths reads the request of a Read-Composite or Observe-Composite: each path once,
// in order of appearance, and at least one. Limits.Nodes counts records. The error is a
// [*FormatError] or a [*lwm2m.DecodeError].
func DecodePaths(f lwm2m.Format, data []byte, limits lwm2m.Limits) ([]lwm2m.Path, error) {
	row, err := find(ReadComposite, f, lwm2m.Path{})
	if err != nil {
		return nil, err
	}
	return row.senml.DecodePaths(data, limits)
}

// EncodeComposite writes the answer to a Read-Composite or Observe-Composite: nodes from
// anywhere, each path once. Nothing found is an empty pack. The error is a [*FormatError]
// or a [*lwm2m.EncodeError].
func EncodeComposite(f lwm2m.Format, p lwm2m.Payload) ([]byte, error) {
	return encodeComposite(CompositeAnswer, f, p)
}

// DecodeComposite reads the answer to a Read-Composite or Observe-Composite. The error is
// a [*FormatError] or a [*lwm2m.DecodeError].
func DecodeComposite(f lwm2m.Format, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	row, err := find(CompositeAnswer, f, lwm2m.Path{})
	if err != nil {
		return lwm2m.Payload{}, err
	}
	return row.decode(lwm2m.Path{}, data, reg, limits)
}

// EncodeWriteComposite writes the request of a Write-Composite (section 6.3.9): the nodes,
// and the removal of the resource instances in Deleted. Errors are those of
// [EncodeComposite].
func EncodeWriteComposite(f lwm2m.Format, p lwm2m.Payload) ([]byte, error) {
	return encodeComposite(WriteComposite, f, p)
}

func encodeComposite(o Operation, f lwm2m.Format, p lwm2m.Payload) ([]byte, error) {
	row, err := find(o, f, lwm2m.Path{})
	if err != nil {
		return nil, err
	}
	return row.senml.EncodeComposite(p)
}

// DecodeWriteComposite reads the request of a Write-Composite: something is written or, in
// Deleted, removed. The error is a [*FormatError] or a [*lwm2m.DecodeError].
func DecodeWriteComposite(f lwm2m.Format, data []byte, reg *lwm2m.Registry, limits lwm2m.Limits) (lwm2m.Payload, error) {
	row, err := find(WriteComposite, f, lwm2m.Path{})
	if err != nil {
		return lwm2m.Payload{}, err
	}
	return row.senml.DecodeComposite(data, reg, limits)
}

// EncodeSamples writes the content of a Send (section 6.4.6), whose target is the root, or
// of a notification with what was stored. Times are written to the millisecond; zero means
// the time of sending. The error is a [*FormatError] or a [*lwm2m.EncodeError].
func EncodeSamples(f lwm2m.Format, target lwm2m.Path, samples []lwm2m.Sample) ([]byte, error) {
	row, err := find(Send, f, target)
	if err != nil {
		return nil, err
	}
	return row.senml.EncodeSamples(target, samples)
}

// DecodeSamples reads what [EncodeSamples] writes: one sample for each time, in order of
// appearance; now is what relative times are relative to. The error is a [*FormatError] or
// a [*lwm2m.DecodeError].
func DecodeSamples(f lwm2m.Format, target lwm2m.Path, data []byte, now time.Time, reg *lwm2m.Registry, limits lwm2m.Limits) ([]lwm2m.Sample, error) {
	row, err := find(Send, f, target)
	if err != nil {
		return nil, err
	}
	return row.senml.DecodeSamples(target, data, now, reg, limits)
}
