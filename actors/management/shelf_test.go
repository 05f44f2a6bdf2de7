package management

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// shelfDef has a resource of every sort.
func shelfDef(id uint16) lwm2m.ObjectDef {
	r, w, rw, e := lwm2m.OpRead, lwm2m.OpWrite, lwm2m.OpRead|lwm2m.OpWrite, lwm2m.OpExecute
	return lwm2m.ObjectDef{ID: id, Name: "Shelf", Version: "1.1", Multiple: true, Resources: []lwm2m.ResourceDef{
		{ID: 0, Name: "Label", Kind: lwm2m.KindString, Operations: rw, Mandatory: true},
		{ID: 1, Name: "Weight", Kind: lwm2m.KindFloat, Operations: r},
		{ID: 2, Name: "Bins", Kind: lwm2m.KindInteger, Operations: rw, Multiple: true, Range: lwm2m.Range{Min: 0, Max: 100}},
		{ID: 3, Name: "Empty", Operations: e},
		{ID: 4, Name: "Code", Kind: lwm2m.KindString, Operations: w},
		{ID: 5, Name: "Note", Kind: lwm2m.KindString, Operations: rw},
		{ID: 6, Name: "Lock", Operations: e, Mandatory: true},
	}}
}

// shelf is an application's object: a tree that can be asked by Read only. Hooks, where
// there are any, come before what the shelf does.
type shelf struct {
	id   uint16
	mu   sync.Mutex
	tree *lwm2m.Tree
	did  []string // what was carried out
	hook func(ctx context.Context, what string) error
}

func newShelf(id uint16, instances ...uint16) *shelf {
	s := &shelf{id: id, tree: lwm2m.NewTree()}
	for _, inst := range instances {
		s.tree.PutInstance(id, lwm2m.Instance{ID: inst, Resources: []lwm2m.Resource{
			{ID: 0, Value: lwm2m.String("top")},
			{ID: 1, Value: lwm2m.Float(2.5)},
			{ID: 2, Multiple: true, Instances: []lwm2m.ResourceInstance{{ID: 0, Value: lwm2m.Integer(7)}, {ID: 3, Value: lwm2m.Integer(9)}}},
			{ID: 4, Value: lwm2m.String("hush")},
		}})
	}
	return s
}

func (s *shelf) before(ctx context.Context, what string) error {
	if s.hook != nil {
		return s.hook(ctx, what)
	}
	return nil
}

func (s *shelf) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, what)
}

func (s *shelf) Definition() lwm2m.ObjectDef { return shelfDef(s.id) }

func (s *shelf) Instances() []uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tree.Instances(s.id)
}

func (s *shelf) Read(ctx context.Context, target lwm2m.Path) ([]lwm2m.Resource, error) {
	if err := s.before(ctx, "read "+target.String()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := s.tree.Instance(s.id, target.Instance())
	if !found {
		return nil, object.Refuse(lwm2m.CodeNotFound, "it has gone")
	}
	if target.Len() == 2 {
		return i.Resources, nil
	}
	return slices.DeleteFunc(i.Resources, func(r lwm2m.Resource) bool { return r.ID != target.Resource() }), nil
}

func (s *shelf) Write(ctx context.Context, change object.Change) (object.Commit, error) {
	if err := s.before(ctx, "write"); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := s.before(ctx, "commit"); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.apply(change)
		return nil
	}, nil
}

// apply carries out a change as object.Change says it.
func (s *shelf) apply(change object.Change) {
	if change.Replace {
		for _, id := range []uint16{0, 2, 4, 5} {
			s.tree.DeleteResource(lwm2m.PathOf(s.id, change.Instance, id))
		}
	}
	for _, path := range change.Remove {
		s.tree.DeleteResource(path)
	}
	for _, r := range change.Resources {
		if slices.Contains(change.Merge, r.ID) {
			was, _ := s.tree.Resource(lwm2m.PathOf(s.id, change.Instance, r.ID))
			r.Instances = append(was.Instances, r.Instances...)
		}
		s.tree.PutResource(s.id, change.Instance, r)
	}
	s.did = append(s.did, "write")
}

func (s *shelf) Execute(ctx context.Context, target lwm2m.Path, args lwm2m.Arguments) error {
	if err := s.before(ctx, "execute"); err != nil {
		return err
	}
	var words []string
	for _, a := range args {
		words = append(words, string('0'+a.Digit)+"="+a.Value)
	}
	s.note("execute " + target.String() + " " + strings.Join(words, ","))
	return nil
}

func (s *shelf) Create(ctx context.Context, instance uint16, resources []lwm2m.Resource) (object.Commit, error) {
	if err := s.before(ctx, "create"); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if err := s.before(ctx, "commit"); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tree.PutInstance(s.id, lwm2m.Instance{ID: instance, Resources: resources})
		return nil
	}, nil
}

func (s *shelf) Delete(ctx context.Context, instance uint16) error {
	if err := s.before(ctx, "delete"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tree.DeleteInstance(s.id, instance)
	return nil
}

// memory is a shelf that has everything at hand.
type memory struct{ *shelf }

func (s memory) Snapshot(instance uint16) (i lwm2m.Instance, whole, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok = s.tree.Instance(s.id, instance)
	return i, true, ok
}

// catalogued is a shelf that knows its resources, and only its label without a Read.
type catalogued struct{ *shelf }

func (s catalogued) Resources(uint16) []uint16 { return []uint16{0, 1, 2, 3, 4} }

func (s catalogued) Snapshot(instance uint16) (i lwm2m.Instance, whole, ok bool) {
	i, _, ok = memory(s).Snapshot(instance)
	i.Resources = slices.DeleteFunc(i.Resources, func(r lwm2m.Resource) bool { return r.ID != 0 })
	return i, false, ok
}

// variants offer the same in the ways that there are.
var variants = map[string]func(*shelf) object.Object{
	"read":     func(s *shelf) object.Object { return s },
	"memory":   func(s *shelf) object.Object { return memory{s} },
	"resource": func(s *shelf) object.Object { return catalogued{s} },
}

// shelfID is the object that most tests serve, with instances 0 and 7.
const shelfID = 4000

// withObjects is a machine on whose link server 1 is registered with LwM2M 1.1.
func withObjects(apps ...object.Object) *Machine {
	m := New(Config{Device: Device{Manufacturer: "Holdfast"}, Objects: apps})
	m.Step(now, messages.ModelChanged{Tree: model(true)})
	m.Step(now, messages.SessionUp{Peer: messages.ManagementPeer(1), Epoch: 4, Version: "1.1"})
	return m
}

// carried carries out the Calls among effects, and of what comes of them, and returns
// everything else.
func carried(m *Machine, effects []core.Effect) (rest []core.Effect) {
	for _, e := range effects {
		call, is := e.(Call)
		if !is {
			rest = append(rest, e)
			continue
		}
		done := make(chan Returned, 1) // a handler may end its goroutine
		go run(context.Background(), call, func(out Returned) { done <- out })
		rest = append(rest, carried(m, m.Step(now, <-done))...)
	}
	return rest
}

// request is answered, whatever it takes.
func answerTo(t testing.TB, m *Machine, in messages.Inbound) (messages.Reply, []core.Effect) {
	t.Helper()
	effects := carried(m, m.Step(now, in))
	reply, found := answered(effects)
	if !found {
		t.Fatalf("%v %v is not answered: %v", in.Code, in.Path, effects)
	}
	if len(m.jobs) > 0 || len(m.changing) > 0 {
		t.Fatalf("%v %v has left %v and %v", in.Code, in.Path, m.jobs, m.changing)
	}
	return reply, effects
}
