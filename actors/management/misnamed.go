package management

import (
	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// What a payload names is judged before what its values are (4.01, 4.04 and 4.05 before
// 4.00), but values are decoded by the types of what they are for. So a payload whose values
// have other types is decoded once more without types, to see what it names.

// untyped defines nothing: values have the types that their format tells.
var untyped = lwm2m.NewRegistry()

// undecoded is the answer to a payload that could not be decoded: what misnamed says of
// the names in it, else why.
func undecoded(refused answers.Answer, misnamed func() *answer) *answer {
	if refused.Code == messages.BadRequest {
		if refusal := misnamed(); refusal != nil {
			return refusal
		}
	}
	return &answer{Answer: refused}
}

// misnamed refuses a Write to an instance for what it names. A resource is judged by the
// path of the request.
func (r *task) misnamed() *answer {
	if r.path.Len() > 2 {
		return nil
	}
	p, refused := answers.Decode(r.in, r.path, untyped, lwm2m.Limits{})
	if !refused.IsZero() {
		return nil
	}
	return r.object.named(r.path, resourcesOf(p, r.path), true)
}

// misnamedNew refuses a Create for what it names.
func (r *task) misnamedNew(free uint16) *answer {
	c, refused := answers.DecodeCreate(r.in, r.object.id, untyped, lwm2m.Limits{})
	if !refused.IsZero() {
		return nil
	}
	if c.HasID {
		free = c.ID
	}
	return r.object.named(r.path.Child(free), c.Resources, true)
}

// misnamedComposite refuses a Write-Composite for what it names.
func (s session) misnamedComposite(in *messages.Inbound) *answer {
	p, refused := answers.DecodeWriteComposite(*in, untyped, lwm2m.Limits{})
	if !refused.IsZero() {
		return nil
	}
	return s.judgeComposite(in, p)
}
