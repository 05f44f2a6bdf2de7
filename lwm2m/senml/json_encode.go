package senml

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/records"
)

// jsonRecord is a record as it is written: at most one value field is set.
type jsonRecord struct {
	BaseName string      `json:"bn,omitempty"`
	Name     string      `json:"n,omitempty"`
	Number   json.Number `json:"v,omitempty"`
	Text     *string     `json:"vs,omitempty"`
	Boolean  *bool       `json:"vb,omitempty"`
	Data     *string     `json:"vd,omitempty"`
	Link     *string     `json:"vlo,omitempty"`
}

// EncodeJSON encodes as [EncodeCBOR] does. What JSON cannot carry, NaN and
// the infinities, is a [*lwm2m.EncodeError] too.
func EncodeJSON(target lwm2m.Path, p lwm2m.Payload) ([]byte, error) {
	out, err := jsonRecords(target, p)
	return finish(out, err, marshal)
}

func jsonRecords(target lwm2m.Path, p lwm2m.Payload) ([]jsonRecord, error) {
	if err := records.Check(formatJSON, target, p.Nodes); err != nil {
		return nil, err
	}
	names := records.NamesFor(target, p.Nodes)
	out := make([]jsonRecord, len(p.Nodes))
	for i, n := range p.Nodes {
		out[i].Name = names.Relative(n.Path)
		if !out[i].setValue(n.Value) {
			return nil, notJSON(n.Path)
		}
	}
	if len(out) > 0 {
		out[0].BaseName = names.Base
	}
	return out, nil
}

func notJSON(p lwm2m.Path) error {
	return &lwm2m.EncodeError{Format: formatJSON, Path: p, Reason: lwm2m.ReasonMismatch, Detail: "no value of JSON"}
}

// marshal leaves <, > and & as they are: a Corelnk is full of them.
func marshal(out any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

// setValue reports false for what JSON cannot carry.
func (r *jsonRecord) setValue(v lwm2m.Value) bool {
	switch v.Kind() {
	case lwm2m.KindString, lwm2m.KindCoreLink:
		r.Text = new(v.Text())
	case lwm2m.KindInteger, lwm2m.KindTime:
		r.Number = json.Number(strconv.FormatInt(v.Int(), 10))
	case lwm2m.KindUnsigned:
		r.Number = json.Number(strconv.FormatUint(v.Uint(), 10))
	case lwm2m.KindFloat:
		f := v.Float64()
		r.Number = json.Number(strconv.FormatFloat(f, 'g', -1, 64))
		return !math.IsNaN(f) && !math.IsInf(f, 0)
	case lwm2m.KindBoolean:
		r.Boolean = new(v.Bool())
	case lwm2m.KindOpaque:
		r.Data = new(base64.RawURLEncoding.EncodeToString(v.Bytes()))
	case lwm2m.KindObjectLink:
		r.Link = new(v.String())
	}
	return true
}
