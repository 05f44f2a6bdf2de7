package object

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Definition is that which [NewValues] was given.
func (v *Values) Definition() lwm2m.ObjectDef {
	def := *v.def
	def.Resources = slices.Clone(def.Resources)
	return def
}

// Instances lists the instances that have been set.
func (v *Values) Instances() []uint16 { return v.table.now().ids }

// Resources lists the resources that have been set.
func (v *Values) Resources(instance uint16) []uint16 {
	s, found := v.table.find(instance)
	if !found {
		return nil
	}
	return s.held.Load().ids
}

// Snapshot returns what is not computed.
func (v *Values) Snapshot(instance uint16) (frozen lwm2m.Instance, whole, ok bool) {
	s, found := v.table.find(instance)
	if !found {
		return lwm2m.Instance{}, false, false
	}
	h := s.held.Load()
	return h.frozen, h.whole, true
}

// Sample is the shortest period of what is computed of a resource; 0 when nothing is.
func (v *Values) Sample(target lwm2m.Path) (every time.Duration) {
	s, found := v.table.find(target.Instance())
	if !found {
		return 0
	}
	for path, source := range s.held.Load().sources {
		if target.Contains(path) && source.every > 0 && (every == 0 || source.every < every) {
			every = source.every
		}
	}
	return every
}

// Read returns the values, and those that are computed now. Of what has several parts it
// leaves out those that cannot be computed; when one value is asked for, the error is
// that of its function.
func (v *Values) Read(ctx context.Context, target lwm2m.Path) ([]lwm2m.Resource, error) {
	s, found := v.table.find(target.Instance())
	if !found {
		return nil, nil
	}
	h := s.held.Load()
	tree := lwm2m.NewTree()
	tree.PutInstance(v.def.ID, h.frozen)
	for _, c := range v.computeAll(ctx, target, h.sources) {
		c.rethrow()
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case c.err == nil:
			put(tree, c.path, c.value)
		case c.path == target:
			return nil, c.err
		}
	}
	return below(tree, target), nil
}

func (v *Values) compute(ctx context.Context, path lwm2m.Path, s source) (lwm2m.Value, error) {
	value, err := s.read(ctx)
	if err != nil {
		return value, err
	}
	def, _ := v.registry.Resource(path)
	return fitting(path, def, value)
}

// below is what a tree has at a path of two to four segments.
func below(tree *lwm2m.Tree, target lwm2m.Path) []lwm2m.Resource {
	if target.Len() == 2 {
		i, _ := tree.Instance(target.Object(), target.Instance())
		return i.Resources
	}
	if r, found := tree.Resource(target.Prefix(3)); found {
		return []lwm2m.Resource{r}
	}
	return nil
}

// Execute calls the function of a resource.
func (v *Values) Execute(ctx context.Context, target lwm2m.Path, args lwm2m.Arguments) error {
	if s, found := v.table.find(target.Instance()); found {
		if execute, found := s.held.Load().actions[target.Resource()]; found {
			return execute(ctx, args)
		}
	}
	return Refuse(lwm2m.CodeNotFound, target.String()+" is not there")
}

// Write prepares a change. What a server replaces without a value is removed, unless it
// is mandatory: then it stays as it is.
func (v *Values) Write(_ context.Context, c Change) (Commit, error) {
	s, found := v.table.find(c.Instance)
	if !found {
		return nil, Refuse(lwm2m.CodeNotFound, lwm2m.PathOf(v.def.ID, c.Instance).String()+" is not there")
	}
	if err := v.examine(c); err != nil {
		return nil, forServer(err)
	}
	return func(ctx context.Context) error { return v.commit(ctx, s, c) }, nil
}

// examine asks whether a change can be made.
func (v *Values) examine(c Change) error {
	for _, r := range c.Resources {
		path := lwm2m.PathOf(v.def.ID, c.Instance, r.ID)
		def, err := v.writable(path)
		if err != nil {
			return err
		}
		if r.Multiple != def.Multiple {
			return &ValueError{Path: path, Name: def.Name, Reason: ValueInstances}
		}
		for _, value := range scalars(r) {
			if _, err := fitting(path, def, value); err != nil {
				return err
			}
		}
	}
	for _, path := range c.Remove {
		if _, err := v.writable(path.Prefix(3)); err != nil {
			return err
		}
	}
	return nil
}

func (v *Values) writable(path lwm2m.Path) (lwm2m.ResourceDef, error) {
	def, found := v.registry.Resource(path)
	if !found {
		return def, &ValueError{Path: path, Reason: ValueUnknown}
	}
	if !def.Operations.Has(lwm2m.OpWrite) {
		return def, &ValueError{Path: path, Name: def.Name, Reason: ValueUse}
	}
	return def, nil
}

// scalars are the values of a resource.
func scalars(r lwm2m.Resource) []lwm2m.Value {
	if !r.Multiple {
		return []lwm2m.Value{r.Value}
	}
	values := make([]lwm2m.Value, 0, len(r.Instances))
	for _, ri := range r.Instances {
		values = append(values, ri.Value)
	}
	return values
}

func (v *Values) commit(ctx context.Context, s *shelf, c Change) error {
	if apply := v.apply.Load(); apply != nil {
		done, err := s.turn.take(ctx)
		if err != nil {
			return err
		}
		defer done()
		if err := (*apply)(ctx, c); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if now, _ := v.table.find(c.Instance); now != s {
		return Refuse(lwm2m.CodeNotFound, "the instance has been removed")
	}
	v.replace(lwm2m.PathOf(v.def.ID, c.Instance), s, func(h *held) { v.write(h, c) })
	return nil
}

// write makes an examined change.
func (v *Values) write(h *held, c Change) {
	if c.Replace {
		v.reset(h, c)
	}
	for _, r := range c.Resources {
		path := lwm2m.PathOf(v.def.ID, c.Instance, r.ID)
		maps.DeleteFunc(h.sources, func(p lwm2m.Path, _ source) bool { return path.Contains(p) })
		if slices.Contains(c.Merge, r.ID) {
			before, _ := h.tree.Resource(path)
			r.Instances = slices.Concat(before.Instances, r.Instances) // the last of an ID stays
		}
		h.tree.PutResource(v.def.ID, c.Instance, r)
	}
	for _, path := range c.Remove {
		h.tree.DeleteResource(path)
	}
}

func (v *Values) reset(h *held, c Change) {
	for _, def := range v.def.Resources {
		_, mentioned := slices.BinarySearchFunc(c.Resources, lwm2m.Resource{ID: def.ID}, byID)
		if def.Operations.Has(lwm2m.OpWrite) && !def.Mandatory && !mentioned {
			h.tree.DeleteResource(lwm2m.PathOf(v.def.ID, c.Instance, def.ID))
		}
	}
}
