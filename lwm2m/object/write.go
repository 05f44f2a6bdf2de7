package object

import (
	"context"
	"reflect"
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// change is a server's write that has been prepared.
type change struct {
	from *state // what it was prepared on
	to   *state
}

// Write prepares a change on a copy. Values that T cannot hold, or that its method
// Validate refuses, refuse it.
func (t *core) Write(_ context.Context, c Change) (Commit, error) {
	i, found := t.table.find(c.Instance)
	if !found {
		return nil, Refuse(lwm2m.CodeNotFound, lwm2m.PathOf(t.plan.def.ID, c.Instance).String()+" is not there")
	}
	prepared, err := i.prepare(c)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return i.commit(ctx, c, prepared) }, nil
}

func (i *record) prepare(c Change) (*change, error) {
	p, err := i.apply(c)
	if err != nil {
		return nil, err
	}
	if err := validate(p.to.v); err != nil {
		return nil, err
	}
	// Validate may have changed the values, for instance to the nearest that will do.
	i.owner.plan.detach(p.to.v)
	if _, _, err := i.owner.plan.paint(p.to.v, p.from.image, nil); err != nil {
		return nil, forServer(located(i.path, err))
	}
	return p, nil
}

// apply makes the change on a copy of what the instance is.
func (i *record) apply(c Change) (*change, error) {
	from := i.state.Load()
	to := i.draft(from)
	if err := i.owner.plan.apply(to.v, i.initial, c); err != nil {
		return nil, forServer(located(i.path, err))
	}
	return &change{from, to}, nil
}

// commit carries out a change. What the instance has become since it was prepared stays,
// but for what the change writes. Of the commits that call the application one goes on at a
// time; no lock is held meanwhile.
func (i *record) commit(ctx context.Context, c Change, p *change) error {
	if i.owner.hooks.write == nil {
		return i.replace(c, p)
	}
	done, err := i.turn.take(ctx)
	if err != nil {
		return err
	}
	defer done()
	if i.state.Load() != p.from {
		if p, err = i.prepare(c); err != nil {
			return err
		}
	}
	plan := i.owner.plan
	if err := i.owner.hooks.write(ctx, i.path.Instance(), plan.copyOf(p.from.v), plan.copyOf(p.to.v)); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx) // the server has been answered, and the next may have begun
	}
	return i.replace(c, p)
}

// replace swaps the states.
func (i *record) replace(c Change, p *change) (err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.removed.Load() {
		return Refuse(lwm2m.CodeNotFound, i.path.String()+" has been removed")
	}
	if i.state.Load() != p.from {
		if p, err = i.apply(c); err != nil {
			return err
		}
	}
	return forServer(i.store(p.to))
}

// apply makes a change on a struct that shares nothing. initial has what values go back
// to that the change does not mention; it is invalid where there are none.
func (p *plan) apply(v, initial reflect.Value, c Change) error {
	if c.Replace {
		p.reset(v, initial, c.Resources)
	}
	for _, r := range c.Resources {
		f, err := p.target(r.ID)
		if err != nil {
			return err
		}
		if err := f.write(f.of(v), r, slices.Contains(c.Merge, r.ID)); err != nil {
			return err
		}
	}
	// From behind, so that the end of a list comes first.
	for _, path := range slices.Backward(c.Remove) {
		f, err := p.target(path.Resource())
		if err != nil {
			return err
		}
		if err := f.remove(f.of(v), path.ResourceInstance()); err != nil {
			return err
		}
	}
	return nil
}

// target finds a field that servers can write.
func (p *plan) target(id uint16) (*field, error) {
	f, found := p.field(id)
	if !found {
		return nil, &ValueError{Path: lwm2m.PathOf(id), Reason: ValueUnknown}
	}
	if !f.writable() {
		return nil, f.fault(ValueUse)
	}
	return f, nil
}

// reset takes back what servers can write and resources does not mention.
func (p *plan) reset(v, initial reflect.Value, resources []lwm2m.Resource) {
	for _, f := range p.fields {
		_, mentioned := slices.BinarySearchFunc(resources, lwm2m.Resource{ID: f.def.ID}, byID)
		switch {
		case !f.writable() || mentioned:
		case f.shape == shapePlain:
			f.of(v).Set(f.copied(f.of(initial)))
		default:
			f.of(v).SetZero()
		}
	}
}

// write sets a field that shares nothing.
func (f *field) write(v reflect.Value, r lwm2m.Resource, merge bool) error {
	if r.Multiple != f.def.Multiple {
		return f.fault(ValueInstances)
	}
	switch f.shape {
	case shapeList:
		return f.writeList(v, r.Instances, merge)
	case shapeMap:
		return f.writeMap(v, r.Instances, merge)
	case shapePointer:
		v.Set(reflect.New(v.Type().Elem()))
		return f.writeValue(v.Elem(), r.Value)
	default:
		return f.writeValue(v, r.Value)
	}
}

func (f *field) writeValue(v reflect.Value, value lwm2m.Value) error {
	if value.Kind() != f.def.Kind || !f.scalar.put(v, value) {
		return f.fault(ValueKind)
	}
	return f.check(value)
}

func (f *field) writeList(v reflect.Value, instances []lwm2m.ResourceInstance, merge bool) error {
	if !merge {
		v.Set(reflect.MakeSlice(v.Type(), 0, len(instances)))
	}
	for _, ri := range instances {
		at := int(ri.ID)
		if at > v.Len() {
			return f.fault(ValueGap)
		}
		if at == v.Len() {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		}
		if err := f.writeValue(v.Index(at), ri.Value); err != nil {
			return err
		}
	}
	return nil
}

func (f *field) writeMap(v reflect.Value, instances []lwm2m.ResourceInstance, merge bool) error {
	if !merge || v.IsNil() {
		v.Set(reflect.MakeMapWithSize(v.Type(), len(instances)))
	}
	for _, ri := range instances {
		element := reflect.New(v.Type().Elem()).Elem()
		if err := f.writeValue(element, ri.Value); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(ri.ID).Convert(v.Type().Key()), element)
	}
	return nil
}

// remove takes out one resource instance.
func (f *field) remove(v reflect.Value, instance uint16) error {
	switch {
	case f.shape == shapeMap && !v.IsNil():
		v.SetMapIndex(reflect.ValueOf(instance).Convert(v.Type().Key()), reflect.Value{})
	case f.shape == shapeList && int(instance) == v.Len()-1:
		v.SetLen(v.Len() - 1)
	case f.shape == shapeList && int(instance) < v.Len():
		return f.fault(ValueGap)
	case !f.def.Multiple:
		return f.fault(ValueInstances)
	}
	return nil
}
