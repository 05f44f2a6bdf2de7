package behaviour_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// rackID is the object that a rack is.
const rackID = 26241

// rack is an application's object that keeps everything in memory and tells of changes.
// Its resource 2 takes as long as delay says to be executed, whatever its context says.
type rack struct {
	mu      sync.Mutex
	tree    *lwm2m.Tree
	changed func(lwm2m.Path)
	delay   time.Duration
}

func newRack(instances ...uint16) *rack {
	r := &rack{tree: lwm2m.NewTree(), changed: func(lwm2m.Path) {}}
	for _, id := range instances {
		r.tree.PutInstance(rackID, lwm2m.Instance{ID: id, Resources: []lwm2m.Resource{{ID: 0, Value: lwm2m.Opaque([]byte("image"))}}})
	}
	return r
}

func (r *rack) Definition() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{ID: rackID, Name: "Rack", Version: "2.1", Multiple: true, Resources: []lwm2m.ResourceDef{
		{ID: 0, Name: "Image", Kind: lwm2m.KindOpaque, Operations: lwm2m.OpRead | lwm2m.OpWrite},
		{ID: 1, Name: "Load", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead},
		{ID: 2, Name: "Rewind", Operations: lwm2m.OpExecute},
	}}
}

func (r *rack) Instances() []uint16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tree.Instances(rackID)
}

func (r *rack) Read(_ context.Context, target lwm2m.Path) ([]lwm2m.Resource, error) {
	i, _, _ := r.Snapshot(target.Instance())
	return i.Resources, nil
}

func (r *rack) Snapshot(instance uint16) (i lwm2m.Instance, whole, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok = r.tree.Instance(rackID, instance)
	return i, true, ok
}

func (r *rack) put(instance uint16, resources []lwm2m.Resource) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range resources {
		r.tree.PutResource(rackID, instance, resource)
	}
}

func (r *rack) Write(_ context.Context, change object.Change) (object.Commit, error) {
	return func(context.Context) error { r.put(change.Instance, change.Resources); return nil }, nil
}

func (r *rack) Create(_ context.Context, instance uint16, resources []lwm2m.Resource) (object.Commit, error) {
	return func(context.Context) error { r.put(instance, resources); return nil }, nil
}

func (r *rack) Delete(_ context.Context, instance uint16) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tree.DeleteInstance(rackID, instance)
	return nil
}

func (r *rack) Execute(context.Context, lwm2m.Path, lwm2m.Arguments) error {
	time.Sleep(r.delay)
	return nil
}

func (r *rack) Watch(changed func(lwm2m.Path)) (stop func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = changed
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed = func(lwm2m.Path) {}
	}
}

// plug adds instances, as the application does.
func (r *rack) plug(ids ...uint16) {
	for _, id := range ids {
		r.put(id, []lwm2m.Resource{{ID: 1, Value: lwm2m.Float(0)}})
		r.mu.Lock()
		r.changed(lwm2m.PathOf(rackID))
		r.mu.Unlock()
	}
}

// announced picks the links of the rack out of a registration.
func announced(objects []byte) (links []string) {
	for link := range strings.SplitSeq(string(objects), ",") {
		if strings.HasPrefix(link, "</26241") {
			links = append(links, link)
		}
	}
	slices.Sort(links)
	return links
}
