package object

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Values is an [Object] whose values are set by path, for programs that learn at run
// time what they offer. Its instances come with their first value; servers neither
// create nor delete them. All methods may be called from several goroutines at once.
//
// The paths of resources have three segments, those of the instances of a multiple
// resource four.
type Values struct {
	Watchers
	registry *lwm2m.Registry
	def      *lwm2m.ObjectDef // in the registry
	mu       sync.Mutex       // one change at a time
	table    table[*shelf]
	apply    atomic.Pointer[func(context.Context, Change) error]
}

// shelf is one instance.
type shelf struct {
	turn turn
	held atomic.Pointer[held]
}

// held is what an instance is between two changes. It never changes.
type held struct {
	image
	tree    *lwm2m.Tree // the values, with those that can only be written
	sources map[lwm2m.Path]source
	actions map[uint16]func(context.Context, lwm2m.Arguments) error
}

// source is a value that is computed.
type source struct {
	every time.Duration
	read  func(context.Context) (lwm2m.Value, error)
}

// NewValues makes an object without instances. The error is a [*DefinitionError].
func NewValues(def lwm2m.ObjectDef) (*Values, error) {
	if err := checkDefinition(def, ""); err != nil {
		return nil, err
	}
	registry := lwm2m.NewRegistry(def)
	v := &Values{registry: registry}
	v.def, _ = registry.Object(def.ID)
	return v, nil
}

// OnWrite has apply called when a server writes, before values change, as [OnWrite]
// has for a struct. There is one such function, none when it is nil; it is set before the
// object is served.
func (v *Values) OnWrite(apply func(context.Context, Change) error) {
	if apply == nil {
		v.apply.Store(nil)
		return
	}
	v.apply.Store(&apply)
}

// Set sets a value. Numbers become those of the resource where nothing is lost. The
// error is a [*ValueError] or an [*InstanceError].
func (v *Values) Set(path lwm2m.Path, value lwm2m.Value) error {
	def, err := v.leaf(path)
	if err != nil {
		return err
	}
	if value, err = fitting(path, def, value); err != nil {
		return err
	}
	return v.change(path, func(h *held) {
		delete(h.sources, path)
		put(h.tree, path, value)
	})
}

// Compute has a value computed whenever it is read; the functions of several values are
// called at the same time, up to eight for one request. every is how often that happens
// while it is observed; 0 when the changes are told to watchers by [Watchers.Tell].
func (v *Values) Compute(path lwm2m.Path, every time.Duration, read func(context.Context) (lwm2m.Value, error)) error {
	def, err := v.leaf(path)
	if err != nil {
		return err
	}
	switch {
	case !def.Operations.Has(lwm2m.OpRead) || def.Operations.Has(lwm2m.OpWrite):
		return &ValueError{Path: path, Name: def.Name, Reason: ValueUse}
	case read == nil:
		return &ValueError{Path: path, Name: def.Name, Reason: ValueFunc}
	}
	return v.change(path, func(h *held) {
		h.tree.DeleteResource(path)
		h.sources[path] = source{every, read}
	})
}

// Handle has a resource executed by a function.
func (v *Values) Handle(path lwm2m.Path, execute func(context.Context, lwm2m.Arguments) error) error {
	def, found := v.registry.Resource(path)
	switch {
	case path.Len() != 3 || path.Object() != v.def.ID:
		return &ValueError{Path: path, Reason: ValuePath}
	case !found:
		return &ValueError{Path: path, Reason: ValueUnknown}
	case !def.Operations.Has(lwm2m.OpExecute):
		return &ValueError{Path: path, Name: def.Name, Reason: ValueUse}
	case execute == nil:
		return &ValueError{Path: path, Name: def.Name, Reason: ValueFunc}
	}
	return v.change(path, func(h *held) { h.actions[path.Resource()] = execute })
}

// leaf finds the definition of what can hold one value.
func (v *Values) leaf(path lwm2m.Path) (lwm2m.ResourceDef, error) {
	def, found := v.registry.Resource(path)
	switch {
	case path.Len() < 3 || path.Object() != v.def.ID:
		return def, &ValueError{Path: path, Reason: ValuePath}
	case !found:
		return def, &ValueError{Path: path, Reason: ValueUnknown}
	case def.Operations.Has(lwm2m.OpExecute):
		return def, &ValueError{Path: path, Name: def.Name, Reason: ValueUse}
	case def.Multiple != (path.Len() == 4):
		return def, &ValueError{Path: path, Name: def.Name, Reason: ValueInstances}
	case path.Len() == 4 && path.ResourceInstance() == lwm2m.MaxID:
		return def, &ValueError{Path: path, Name: def.Name, Reason: ValueID}
	default:
		return def, nil
	}
}

// fitting converts and checks a value for a resource.
func fitting(path lwm2m.Path, def lwm2m.ResourceDef, value lwm2m.Value) (lwm2m.Value, error) {
	converted, err := value.As(def.Kind)
	if err != nil {
		return value, &ValueError{Path: path, Name: def.Name, Reason: ValueKind, Err: err}
	}
	if !utf8.ValidString(converted.Text()) {
		return value, &ValueError{Path: path, Name: def.Name, Reason: ValueUTF8}
	}
	if err := def.Check(converted); err != nil {
		return value, &ValueError{Path: path, Name: def.Name, Reason: ValueRange, Err: err}
	}
	return converted, nil
}

// put sets one value in a tree.
func put(tree *lwm2m.Tree, path lwm2m.Path, value lwm2m.Value) {
	r := lwm2m.Resource{ID: path.Resource(), Value: value}
	if path.Len() == 4 {
		r, _ = tree.Resource(path.Prefix(3))
		r.ID, r.Multiple = path.Resource(), true
		r.Instances = append(r.Instances, lwm2m.ResourceInstance{ID: path.ResourceInstance(), Value: value})
	}
	tree.PutResource(path.Object(), path.Instance(), r)
}

// Remove removes an instance, a resource or a resource instance: its value, and what
// computes or executes it. It reports whether there was one.
func (v *Values) Remove(path lwm2m.Path) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	s, found := v.table.find(path.Instance())
	if !found || path.Object() != v.def.ID || path.Len() < 2 {
		return false
	}
	if path.Len() == 2 {
		v.table.remove(path.Instance())
		v.Tell(path.Prefix(1))
		return true
	}
	return v.without(s, path)
}

func (v *Values) without(s *shelf, path lwm2m.Path) (found bool) {
	v.replace(path.Prefix(2), s, func(h *held) {
		found = h.tree.DeleteResource(path)
		before := len(h.sources)
		maps.DeleteFunc(h.sources, func(p lwm2m.Path, _ source) bool { return path.Contains(p) })
		found = found || len(h.sources) < before
		if _, executable := h.actions[path.Resource()]; executable && path.Len() == 3 {
			delete(h.actions, path.Resource())
			found = true
		}
	})
	return found
}

// change changes the instance of a path, which comes to be with it.
func (v *Values) change(path lwm2m.Path, edit func(*held)) error {
	if err := admits(v.def, path.Instance()); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if s, found := v.table.find(path.Instance()); found {
		v.replace(path.Prefix(2), s, edit)
		return nil
	}
	h := &held{tree: lwm2m.NewTree(), sources: map[lwm2m.Path]source{}, actions: map[uint16]func(context.Context, lwm2m.Arguments) error{}}
	edit(h)
	h.paint(v.def, path.Instance())
	s := &shelf{}
	s.held.Store(h)
	v.table.add(path.Instance(), s)
	v.Tell(path.Prefix(1))
	return nil
}

// replace makes a changed copy the instance, under the lock.
func (v *Values) replace(instance lwm2m.Path, s *shelf, edit func(*held)) {
	old := s.held.Load()
	next := &held{tree: old.tree.Clone(), sources: maps.Clone(old.sources), actions: maps.Clone(old.actions)}
	edit(next)
	next.paint(v.def, instance.Instance())
	s.held.Store(next)
	v.tellResources(instance, differences(old.frozen.Resources, next.frozen.Resources))
}

// paint makes the image of the values.
func (h *held) paint(def *lwm2m.ObjectDef, instance uint16) {
	all, _ := h.tree.Instance(def.ID, instance)
	h.whole = len(h.sources) == 0
	h.frozen = lwm2m.Instance{ID: instance}
	for _, r := range all.Resources {
		h.ids = append(h.ids, r.ID)
		if d, _ := def.Resource(r.ID); d.Operations.Has(lwm2m.OpRead) {
			h.frozen.Resources = append(h.frozen.Resources, r)
		}
	}
	for path := range h.sources {
		h.ids = append(h.ids, path.Resource())
	}
	h.ids = slices.AppendSeq(h.ids, maps.Keys(h.actions))
	slices.Sort(h.ids)
	h.ids = slices.Compact(h.ids)
}

// differences are the IDs of resources that are not the same in two sorted lists.
func differences(a, b []lwm2m.Resource) (ids []uint16) {
	for _, r := range a {
		if at, found := slices.BinarySearchFunc(b, r, byID); !found || !sameResource(r, b[at]) {
			ids = append(ids, r.ID)
		}
	}
	for _, r := range b {
		if _, found := slices.BinarySearchFunc(a, r, byID); !found {
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func sameResource(a, b lwm2m.Resource) bool {
	return a.Value == b.Value && slices.Equal(a.Instances, b.Instances)
}
