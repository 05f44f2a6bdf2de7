package bootstrap

import (
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// write is Bootstrap-Write (LwM2M Core section 6.1.7). Resources that no
// definition knows are left out of an instance and refused on their own.
func (t *transaction) write(path lwm2m.Path, in messages.Inbound) answer {
	if refusal, ok := t.writable(path); !ok {
		return refusal
	}
	payload, refusal := t.decode(path, in)
	if !refusal.IsZero() {
		return refusal
	}
	if err := t.Put(path, payload); err != nil {
		return refused(err)
	}
	return done(messages.Changed)
}

// writable tells whether there is something to write at path.
func (t *transaction) writable(path lwm2m.Path) (refusal answer, ok bool) {
	switch {
	case path.Len() == 0, path.Len() == 4, path.Object() == objects.Device:
		return notAllowed, false
	case path.Object() > objects.AccessControl:
		return refuse(messages.NotFound, "no such object"), false
	case path.Len() < 3:
		return answer{}, true
	}
	def, found := t.registry.Resource(path)
	switch {
	case !found:
		return refuse(messages.NotFound, "no such resource"), false
	case def.Kind == lwm2m.KindNone:
		return notAllowed, false
	}
	return answer{}, true
}

// decode reads the payload. The code of what is wrong with it is Empty for
// nothing.
func (t *transaction) decode(path lwm2m.Path, in messages.Inbound) (lwm2m.Payload, answer) {
	if in.ContentFormat != nil && len(in.Payload) > t.bytes {
		return lwm2m.Payload{}, exceeded(errBudget)
	}
	limits := lwm2m.Limits{Bytes: t.bytes, Nodes: accounts.MaxElements}
	payload, refusal := answers.Decode(in, path, t.registry, limits)
	return payload, answer{Answer: refusal}
}
