package legacyjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/records"
)

// payload is one as it is written.
type payload struct {
	BaseName string  `json:"bn"`
	Values   []value `json:"e"`
}

// value is one as it is written: one of its values is set.
type value struct {
	Name    string      `json:"n,omitempty"`
	Number  json.Number `json:"v,omitempty"`
	Boolean *bool       `json:"bv,omitempty"`
	Text    *string     `json:"sv,omitempty"`
	Link    *string     `json:"ov,omitempty"`
}

// Encode encodes the nodes of target, in their order. There is no form for the root, nor
// for an instance or multiple resource without content, which is left out. Nodes outside
// target, values without content (KindNone) and what JSON cannot carry, NaN, the
// infinities and text that is not UTF-8, are a [*lwm2m.EncodeError].
func Encode(target lwm2m.Path, p lwm2m.Payload) ([]byte, error) {
	if target.Len() == 0 {
		return nil, unfit(target, "there is no form for the root")
	}
	if err := records.Check(format, target, p.Nodes); err != nil {
		return nil, err
	}
	names := records.NamesFor(target, p.Nodes)
	out := payload{BaseName: names.Base, Values: make([]value, len(p.Nodes))}
	for i, n := range p.Nodes {
		out.Values[i].Name = names.Relative(n.Path)
		if !out.Values[i].set(n.Value) {
			return nil, unfit(n.Path, "no value of JSON")
		}
	}
	return marshal(out)
}

func unfit(p lwm2m.Path, detail string) error {
	return &lwm2m.EncodeError{Format: format, Path: p, Reason: lwm2m.ReasonMismatch, Detail: detail}
}

// marshal leaves <, > and & as they are: a Corelnk is full of them.
func marshal(p payload) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// set reports false for what JSON cannot carry.
func (out *value) set(v lwm2m.Value) bool {
	switch v.Kind() {
	case lwm2m.KindString, lwm2m.KindCoreLink:
		out.Text = new(v.Text())
	case lwm2m.KindInteger, lwm2m.KindTime:
		out.Number = json.Number(strconv.FormatInt(v.Int(), 10))
	case lwm2m.KindUnsigned:
		out.Number = json.Number(strconv.FormatUint(v.Uint(), 10))
	case lwm2m.KindFloat:
		f := v.Float64()
		out.Number = json.Number(strconv.FormatFloat(f, 'g', -1, 64))
		return !math.IsNaN(f) && !math.IsInf(f, 0)
	case lwm2m.KindBoolean:
		out.Boolean = new(v.Bool())
	case lwm2m.KindOpaque:
		out.Text = new(base64.StdEncoding.EncodeToString(v.Bytes()))
	case lwm2m.KindObjectLink:
		out.Link = new(v.String())
	}
	return true
}
