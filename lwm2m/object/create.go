package object

import (
	"context"
	"reflect"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Create prepares an instance, where [OnCreate] allows it: what that returns, with the
// values of the server.
func (t *core) Create(ctx context.Context, instance uint16, resources []lwm2m.Resource) (Commit, error) {
	if t.hooks.create == nil {
		return nil, Refuse(lwm2m.CodeMethodNotAllowed, "servers create no instances of this object")
	}
	if err := t.admits(instance); err != nil {
		return nil, refused(lwm2m.CodeBadRequest, "there can be no instance with this ID", err)
	}
	initial, err := t.hooks.create(ctx, instance)
	if err != nil {
		return nil, err
	}
	i, err := t.fill(instance, initial, resources)
	if err != nil {
		return nil, forServer(located(lwm2m.PathOf(t.plan.def.ID, instance), err))
	}
	return func(context.Context) error {
		return refused(lwm2m.CodeBadRequest, "the instance is there already", t.insert(i))
	}, nil
}

// fill makes an instance with a server's values.
func (t *core) fill(instance uint16, initial reflect.Value, resources []lwm2m.Resource) (*record, error) {
	v := t.plan.copyOf(initial)
	for _, r := range resources {
		f, found := t.plan.field(r.ID)
		if !found {
			return nil, &ValueError{Path: lwm2m.PathOf(r.ID), Reason: ValueUnknown}
		}
		if !f.isValue() {
			return nil, f.fault(ValueUse)
		}
		if err := f.write(f.of(v), r, false); err != nil {
			return nil, err
		}
	}
	if err := validate(v); err != nil {
		return nil, err
	}
	return t.instance(instance, initial, v)
}

// Delete removes an instance, where [OnDelete] allows it.
func (t *core) Delete(ctx context.Context, instance uint16) error {
	if t.hooks.remove == nil {
		return Refuse(lwm2m.CodeMethodNotAllowed, "servers delete no instances of this object")
	}
	i, found := t.table.find(instance)
	if !found {
		return Refuse(lwm2m.CodeNotFound, "there is no such instance")
	}
	if err := t.hooks.remove(ctx, instance, t.plan.copyOf(i.state.Load().v)); err != nil {
		return err
	}
	if !t.take(i) {
		return Refuse(lwm2m.CodeNotFound, "the instance has been removed")
	}
	return nil
}
