package senml

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/records"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// EncodeSamples encodes what was read of target at several times, in their order: the
// content of a Send, whose target is the root (section 6.4.6), or of a notification that
// was stored. Each sample begins with its base time, to the millisecond; a zero time
// stands for the moment of sending. Times before 1978-07-04T21:24:16Z or after the year
// 9999 are a [*lwm2m.EncodeError], and what [EncodeCBOR] and [EncodeJSON] refuse is.
func (f Format) EncodeSamples(target lwm2m.Path, samples []lwm2m.Sample) ([]byte, error) {
	timed, err := f.timed(target, samples)
	if err != nil {
		return nil, err
	}
	if f == JSON {
		return timedJSON(timed)
	}
	return timedCBOR(timed)
}

// DecodeSamples decodes what [Format.EncodeSamples] writes: one sample for each time, in
// order of appearance. now is what relative times are relative to. A record without a
// time, or with 0, belongs to the sample whose time is zero. The error is a
// [*lwm2m.DecodeError].
func (f Format) DecodeSamples(target lwm2m.Path, data []byte, now time.Time, reg *lwm2m.Registry, limits lwm2m.Limits) ([]lwm2m.Sample, error) {
	p := packFor(f, target, reg)
	read, fault := f.read(data, limits)
	if fault != strict.None {
		return nil, p.Fail(len(read)-1, target, fault)
	}
	return p.Samples(now, read)
}

// entry is a record to be written.
type entry struct {
	base     string   // written unless empty
	baseTime *float64 // written unless nil
	name     string
	value    lwm2m.Value
	path     lwm2m.Path // for errors
}

// timed lists the records of all samples.
func (f Format) timed(target lwm2m.Path, samples []lwm2m.Sample) ([]entry, error) {
	var (
		out      []entry
		inForce  float64
		names    records.Names
		encoding = f.String()
	)
	for _, s := range samples {
		seconds, ok := unix(s.At)
		if !ok {
			return nil, &lwm2m.EncodeError{Format: encoding, Path: target, Reason: lwm2m.ReasonMismatch, Detail: "a time that SenML does not have"}
		}
		if err := records.Check(encoding, target, s.Payload.Nodes); err != nil {
			return nil, err
		}
		for _, n := range s.Payload.Nodes {
			e := entry{value: n.Value, path: n.Path}
			if len(out) == 0 {
				names = records.NamesFor(target, s.Payload.Nodes)
				e.base = names.Base
			}
			if seconds != inForce {
				e.baseTime, inForce = new(seconds), seconds
			}
			if !names.Covers(n.Path) {
				return nil, &lwm2m.EncodeError{Format: encoding, Path: n.Path, Reason: lwm2m.ReasonDuplicate, Detail: "both a value and resource instances"}
			}
			e.name = names.Relative(n.Path)
			out = append(out, e)
		}
	}
	return out, nil
}

// timedJSONRecord is a record with a base time.
type timedJSONRecord struct {
	BaseTime json.Number `json:"bt,omitempty"`
	jsonRecord
}

func timedJSON(entries []entry) ([]byte, error) {
	out := make([]timedJSONRecord, len(entries))
	for i, e := range entries {
		out[i].BaseName, out[i].Name = e.base, e.name
		if e.baseTime != nil {
			out[i].BaseTime = json.Number(strconv.FormatFloat(*e.baseTime, 'f', -1, 64))
		}
		if !out[i].setValue(e.value) {
			return nil, notJSON(e.path)
		}
	}
	return marshal(out)
}

// timedCBORRecord is a record with a base time.
type timedCBORRecord struct {
	BaseTime any `cbor:"-3,keyasint,omitempty"`
	cborRecord
}

func timedCBOR(entries []entry) ([]byte, error) {
	out := make([]timedCBORRecord, len(entries))
	for i, e := range entries {
		out[i].BaseName, out[i].Name = e.base, e.name
		if e.baseTime != nil {
			out[i].BaseTime = cborTime(*e.baseTime)
		}
		out[i].setValue(e.value)
	}
	return strict.Marshal(out)
}

// cborTime is a whole number where it is one.
func cborTime(seconds float64) any {
	if seconds == math.Trunc(seconds) {
		return int64(seconds)
	}
	return seconds
}
