package update

import (
	"context"
	"slices"
	"sync"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// Faces are the objects through which servers see an update. They outlive the actor: what
// they show is what it has shown last, and what is asked of them waits for the next one, as
// long as the request lasts. All methods are safe for concurrent use.
type Faces struct {
	faces []*face

	mu    sync.RWMutex
	view  View
	shown chan struct{} // closed when there is a view
	actor func(Asked)   // sends to the actor; nil while there is none
	turn  uint64        // counts the actors
	there chan struct{} // closed when there is an actor
}

// NewFaces returns the objects. Without trust there is no manifest: object 5 is all there is,
// with the component whose version servers can read.
func NewFaces(manifests bool) *Faces {
	f := &Faces{shown: make(chan struct{}), there: make(chan struct{})}
	ids := []uint16{firmware.ObjectUpdate, firmware.ObjectComponent}
	if manifests {
		ids = append(ids, firmware.ObjectManifest, firmware.ObjectMetadata)
	}
	for _, id := range ids {
		f.faces = append(f.faces, &face{all: f, id: id})
	}
	return f
}

// Objects returns the objects to be served.
func (f *Faces) Objects() (all []object.Object) {
	for _, face := range f.faces {
		all = append(all, face)
	}
	return all
}

// Owed reports whether a server is not known to have the value that a reported resource shows:
// of one that is not waited for, nobody keeps a note.
func (f *Faces) Owed(peer messages.Peer, path lwm2m.Path) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.view.owes(peer, path)
}

// Has reports whether a server is known to have a value that a reported resource has shown. One
// that has been followed by another is: that would not have taken its place otherwise.
func (f *Faces) Has(peer messages.Peer, n lwm2m.Node) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	v := &f.view
	return !v.owes(peer, n.Path) || v.counts(peer) && v.Reported[n.Path.String()] != n.Value.Int()
}

// owes reports whether a server is not known to have the value that a resource shows.
func (v *View) owes(peer messages.Peer, path lwm2m.Path) bool {
	return !v.counts(peer) || slices.Contains(v.Owed, path.String())
}

// counts reports whether what a server has is noted.
func (v *View) counts(peer messages.Peer) bool {
	return v.Reported != nil && (v.Server == 0 || v.Server == peer.ID)
}

// show replaces the view, and tells those who watch.
func (f *Faces) show(view View) {
	f.mu.Lock()
	before := f.view
	f.view = view
	if before.Reported == nil {
		close(f.shown)
	}
	f.mu.Unlock()
	for _, face := range f.faces {
		face.tell(before.resources(face.id), view.resources(face.id))
	}
}

// attach has what is asked sent to an actor, until it is detached: then it waits for another
// one, if there is none yet.
func (f *Faces) attach(actor func(Asked)) (detach func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.actor == nil {
		close(f.there)
	}
	f.turn++
	f.actor = actor
	turn := f.turn
	return func() { f.detach(turn) }
}

func (f *Faces) detach(turn uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.actor != nil && f.turn == turn {
		f.actor, f.there = nil, make(chan struct{})
	}
}

// ask asks the actor, and waits for its answer.
func (f *Faces) ask(ctx context.Context, what Ask, value lwm2m.Value) error {
	server, _ := object.Server(ctx)
	answer := make(chan error, 1)
	send, err := f.awaitActor(ctx)
	if err != nil {
		return err
	}
	send(Asked{Ask: what, Server: server, Value: value, Answer: answer})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *Faces) awaitActor(ctx context.Context) (func(Asked), error) {
	for {
		f.mu.RLock()
		actor, there := f.actor, f.there
		f.mu.RUnlock()
		if actor != nil {
			return actor, nil
		}
		select {
		case <-there:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// face is one of the objects.
type face struct {
	object.Watchers
	all *Faces
	id  uint16
}

// Definition implements object.Object.
func (f *face) Definition() lwm2m.ObjectDef { return definitions[f.id] }

// Instances implements object.Object.
func (f *face) Instances() []uint16 { return []uint16{0} }

// Read implements object.Object: it waits until the actor knows what there is to show.
func (f *face) Read(ctx context.Context, _ lwm2m.Path) ([]lwm2m.Resource, error) {
	select {
	case <-f.all.shown:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	i, _, _ := f.Snapshot(0)
	return i.Resources, nil
}

// Snapshot implements object.Snapshotter.
func (f *face) Snapshot(uint16) (i lwm2m.Instance, whole, ok bool) {
	f.all.mu.RLock()
	defer f.all.mu.RUnlock()
	if f.all.view.Reported == nil {
		return lwm2m.Instance{}, false, true
	}
	return lwm2m.Instance{Resources: f.all.view.resources(f.id)}, true, true
}

// Resources implements object.Lister.
func (f *face) Resources(uint16) (ids []uint16) {
	for _, r := range f.Definition().Resources {
		ids = append(ids, r.ID)
	}
	return slices.DeleteFunc(ids, f.absent)
}

// absent reports whether a resource has no value at present.
func (f *face) absent(id uint16) bool {
	definition := f.Definition()
	def, _ := definition.Resource(id)
	i, whole, _ := f.Snapshot(0)
	there := slices.ContainsFunc(i.Resources, func(r lwm2m.Resource) bool { return r.ID == id })
	return whole && def.Operations&lwm2m.OpRead != 0 && !there
}

// writes are what servers can write, in the order in which it is carried out: what can be
// refused comes first, so that a Write that is refused has changed nothing.
var writes = []struct {
	object, resource uint16
	ask              Ask
}{
	{firmware.ObjectUpdate, objects.FirmwarePackage, AskPackage},
	{firmware.ObjectUpdate, objects.FirmwarePackageURI, AskURI},
	{firmware.ObjectUpdate, objects.FirmwareSeverity, AskSeverity},
	{firmware.ObjectUpdate, objects.FirmwareMaximumDeferPeriod, AskMaxDefer},
	{firmware.ObjectManifest, objects.ManifestManifest, AskManifest},
	{firmware.ObjectManifest, objects.ManifestCampaignID, AskCampaign},
}

// Write implements object.Writer.
func (f *face) Write(_ context.Context, change object.Change) (object.Commit, error) {
	if has(change, objects.FirmwarePackage) && has(change, objects.FirmwarePackageURI) && f.id == firmware.ObjectUpdate {
		return nil, object.Refuse(lwm2m.CodeBadRequest, "write a package or a URI, and not both")
	}
	return func(ctx context.Context) error {
		for _, w := range writes {
			if at := slices.IndexFunc(change.Resources, func(r lwm2m.Resource) bool { return w.object == f.id && r.ID == w.resource }); at >= 0 {
				if err := f.all.ask(ctx, w.ask, change.Resources[at].Value); err != nil {
					return err
				}
			}
		}
		return nil
	}, nil
}

func has(change object.Change, id uint16) bool {
	return slices.ContainsFunc(change.Resources, func(r lwm2m.Resource) bool { return r.ID == id })
}

// Execute implements object.Executor.
func (f *face) Execute(ctx context.Context, target lwm2m.Path, _ lwm2m.Arguments) error {
	switch [2]uint16{f.id, target.Resource()} {
	case [2]uint16{firmware.ObjectUpdate, objects.FirmwareUpdate}:
		return f.all.ask(ctx, AskUpdate, lwm2m.Value{})
	case [2]uint16{firmware.ObjectUpdate, objects.FirmwareCancel}:
		return f.all.ask(ctx, AskCancel, lwm2m.Value{})
	case [2]uint16{firmware.ObjectManifest, objects.ManifestTrigger}:
		return f.all.ask(ctx, AskTrigger, lwm2m.Value{})
	}
	return object.Refuse(lwm2m.CodeMethodNotAllowed, "it cannot be executed")
}

// tell tells those who watch which resources have another value. The whole instance may have
// another shape.
func (f *face) tell(before, after []lwm2m.Resource) {
	for _, r := range after {
		if !slices.ContainsFunc(before, func(b lwm2m.Resource) bool { return sameResource(b, r) }) {
			f.Tell(lwm2m.PathOf(f.id, 0, r.ID))
		}
	}
	for _, b := range before {
		if !slices.ContainsFunc(after, func(r lwm2m.Resource) bool { return r.ID == b.ID }) {
			f.Tell(lwm2m.PathOf(f.id, 0, b.ID))
		}
	}
}

func sameResource(a, b lwm2m.Resource) bool {
	return a.ID == b.ID && a.Value == b.Value && slices.Equal(a.Instances, b.Instances)
}

// component defines of the Software Component object what is served: an object does not say what
// it does not do, and Discover lists what can be executed.
func component() lwm2m.ObjectDef {
	definition := objects.SoftwareComponentDef()
	definition.Resources = slices.DeleteFunc(definition.Resources, func(r lwm2m.ResourceDef) bool {
		return r.ID != objects.ComponentIdentity && r.ID != objects.ComponentVersion
	})
	return definition
}

// updating defines the Firmware Update object as it is served: a URI that is too long is a result of
// the update, as any other that cannot be used.
func updating() lwm2m.ObjectDef {
	definition := objects.FirmwareUpdateDef()
	for i := range definition.Resources {
		if definition.Resources[i].ID == objects.FirmwarePackageURI {
			definition.Resources[i].Range = lwm2m.Range{}
		}
	}
	return definition
}

// definitions of the objects, by ID.
var definitions = map[uint16]lwm2m.ObjectDef{
	firmware.ObjectUpdate: updating(), firmware.ObjectComponent: component(),
	firmware.ObjectManifest: objects.ManifestDef(), firmware.ObjectMetadata: objects.DeviceMetadataDef(),
}
