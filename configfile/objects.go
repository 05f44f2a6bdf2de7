package configfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/source"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/definitions"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// The keys that objects are made of.
const (
	keyObjects     = "objects"
	keyDefinitions = "definitions"
)

func fault(key, problem, source string) holdfast.Fault {
	return holdfast.Fault{Key: key, Problem: problem, Source: source}
}

// builder makes objects of entries.
type builder struct {
	known  map[uint16]lwm2m.ObjectDef
	failed func(lwm2m.Path, error)
	order  []uint16
	making map[uint16]*making
	taken  map[lwm2m.Path]int
	faults []holdfast.Fault
}

// making is an object that is made.
type making struct {
	def     lwm2m.ObjectDef
	entries []made
	first   map[uint16]int // the entry that a resource came up with
}

// made is an entry whose place in the object is known.
type made struct {
	at       int
	path     lwm2m.Path
	kind     lwm2m.Kind
	resource Resource
}

// build makes the objects of the entries, but for those that are wrong in
// themselves. failed is told of sources that have no value; it may be nil.
func (f *File) build(wrong func(at int) bool, failed func(lwm2m.Path, error)) []holdfast.Fault {
	b := &builder{known: map[uint16]lwm2m.ObjectDef{}, failed: failed, making: map[uint16]*making{}, taken: map[lwm2m.Path]int{}}
	b.define(f.Definitions)
	if len(b.faults) > 0 {
		return b.faults // what the entries are, nobody can tell
	}
	for at, r := range f.Objects {
		if !wrong(at) {
			b.add(at, r)
		}
	}
	for _, id := range b.order {
		f.Config.Objects = append(f.Config.Objects, b.values(b.making[id])...)
	}
	return b.faults
}

// blame notes a fault of a key of an entry.
func (b *builder) blame(at int, name, format string, args ...any) {
	b.faults = append(b.faults, fault(fmt.Sprintf("%s[%d].%s", keyObjects, at, name), fmt.Sprintf(format, args...), ""))
}

// define reads the definitions: first those that every client knows.
func (b *builder) define(files []string) {
	for _, def := range []lwm2m.ObjectDef{objects.ConnectivityMonitoringDef(), objects.LocationDef(), objects.ConnectivityStatisticsDef()} {
		b.known[def.ID] = def
	}
	from := map[uint16]string{}
	for _, file := range files {
		for _, def := range b.load(file) {
			if before := from[def.ID]; before != "" {
				b.faults = append(b.faults, fault(keyDefinitions, fmt.Sprintf("%s defines the object %d, and so does %s", file, def.ID, before), ""))
			}
			b.known[def.ID], from[def.ID] = def, file
		}
	}
}

func (b *builder) load(file string) []lwm2m.ObjectDef {
	f, err := os.Open(file)
	if err != nil {
		b.faults = append(b.faults, holdfast.Fault{Key: keyDefinitions, Problem: "a file cannot be read: " + err.Error(), Err: err})
		return nil
	}
	defer f.Close() // it was only read
	defs, _, err := definitions.Load(file, f)
	if err != nil {
		b.faults = append(b.faults, holdfast.Fault{Key: keyDefinitions, Problem: "a file does not define objects: " + strings.TrimSpace(err.Error()), Err: err})
	}
	return defs
}

// add finds the place of an entry.
func (b *builder) add(at int, r Resource) {
	path, err := lwm2m.ParsePath(r.Path)
	if err != nil {
		return // and has been reported
	}
	if before, twice := b.taken[path]; twice {
		b.blame(at, fieldPath, "is that of %s[%d], too: a resource has one source", keyObjects, before)
		return
	}
	b.taken[path] = at
	m := b.making[path.Object()]
	if m == nil {
		m = &making{def: b.definition(path.Object()), first: map[uint16]int{}}
		b.making[path.Object()] = m
		b.order = append(b.order, path.Object())
	}
	_, defined := b.known[path.Object()]
	if e := (made{at: at, path: path, resource: r}); b.place(m, &e, defined) {
		m.entries = append(m.entries, e)
	}
}

// definition is that of an object, to which resources are added when nobody knows them.
func (b *builder) definition(id uint16) lwm2m.ObjectDef {
	def, known := b.known[id]
	if !known {
		return lwm2m.ObjectDef{ID: id, Multiple: true}
	}
	def.Resources = slices.Clone(def.Resources)
	return def
}

// place brings a resource and its definition together.
func (b *builder) place(m *making, e *made, defined bool) bool {
	i := slices.IndexFunc(m.def.Resources, func(d lwm2m.ResourceDef) bool { return d.ID == e.path.Resource() })
	if i < 0 && defined {
		b.blame(e.at, fieldPath, "names a resource that the definition of the object %d does not have", m.def.ID)
		return false
	}
	if i < 0 {
		i = len(m.def.Resources)
		m.def.Resources = append(m.def.Resources, e.resource.definition(e.path))
	}
	d := &m.def.Resources[i]
	e.kind = d.Kind
	if !b.shaped(*d, e) {
		return false
	}
	if before, again := m.first[e.path.Resource()]; again {
		return b.alike(*d, e, before)
	}
	if defined && !b.admits(*d, e) {
		return false
	}
	m.first[e.path.Resource()] = e.at
	d.Operations, d.Details = e.resource.operations(), withUnits(d.Details, e.resource.Units)
	return true
}

// admits asks whether a definition that is not ours lets an entry be.
func (b *builder) admits(d lwm2m.ResourceDef, e *made) bool {
	switch {
	case d.Operations.Has(lwm2m.OpExecute):
		b.blame(e.at, fieldPath, "names a resource that is executed, and has no value")
	case e.resource.Writable && !d.Operations.Has(lwm2m.OpWrite):
		b.blame(e.at, fieldWritable, "is more than the definition allows: leave it out")
	default:
		return true
	}
	return false
}

// alike asks whether an entry is of the kind that another one of the same resource is: a
// definition holds for all instances of an object.
func (b *builder) alike(d lwm2m.ResourceDef, e *made, before int) bool {
	if e.resource.operations() != d.Operations {
		b.blame(e.at, fieldPath, "names a resource that %s[%d] has as well, and only one of the two is writable: make it writable in all instances, or in none", keyObjects, before)
		return false
	}
	return true
}

// shaped asks whether the type and the length of the path are those of the definition.
func (b *builder) shaped(d lwm2m.ResourceDef, e *made) bool {
	switch multiple := e.path.Len() == 4; {
	case e.resource.Type != lwm2m.KindNone && e.resource.Type != d.Kind:
		b.blame(e.at, fieldType, "is not that of the resource, which is %s", d.Kind)
	case d.Multiple && !multiple:
		b.blame(e.at, fieldPath, "names a resource that has several instances: name one, such as %s", e.path.Child(0))
	case !d.Multiple && multiple:
		b.blame(e.at, fieldPath, "names an instance of a resource that has none: use %s", e.path.Prefix(3))
	default:
		return true
	}
	return false
}

// withUnits has other units in the details of a definition.
func withUnits(d *lwm2m.Details, units string) *lwm2m.Details {
	if units == "" {
		return d
	}
	var details lwm2m.Details
	if d != nil {
		details = *d
	}
	details.Units = units
	return &details
}

// operations are what servers may do.
func (r Resource) operations() lwm2m.Operations {
	if r.Writable {
		return lwm2m.OpRead | lwm2m.OpWrite
	}
	return lwm2m.OpRead
}

// definition is that of a resource which nobody else defines.
func (r Resource) definition(path lwm2m.Path) lwm2m.ResourceDef {
	registered, _ := objects.Reusable(path.Resource())
	return lwm2m.ResourceDef{ID: path.Resource(), Name: registered.Name, Kind: r.kind(path), Multiple: path.Len() == 4}
}

// kind is the type of a value that has no definition.
func (r Resource) kind(path lwm2m.Path) lwm2m.Kind {
	registered, _ := objects.Reusable(path.Resource())
	switch {
	case r.Type != lwm2m.KindNone:
		return r.Type
	case registered.Kind != lwm2m.KindNone:
		return registered.Kind
	case r.Scale != 0 || r.Offset != 0:
		return lwm2m.KindFloat
	case r.Looks != lwm2m.KindNone:
		return r.Looks
	}
	return lwm2m.KindString
}

// values makes an object of its entries.
func (b *builder) values(m *making) []object.Object {
	if len(m.entries) == 0 {
		return nil
	}
	v, err := object.NewValues(m.def)
	if err != nil {
		b.blame(m.entries[0].at, fieldPath, "cannot be served: %v", err)
		return nil
	}
	for _, e := range m.entries {
		b.supply(v, e)
	}
	return []object.Object{v}
}

// supply gives a resource its value.
func (b *builder) supply(v *object.Values, e made) {
	r := e.resource
	if r.Looks == lwm2m.KindNone {
		if name := r.scaled(); name != "" && !numeric(e.kind) {
			b.blame(e.at, name, "is for numbers, and the resource is of type %s: leave it out", e.kind)
			return
		}
		reading := source.Reading{Source: r.source(), Kind: e.kind, Scale: r.Scale, Offset: r.Offset}
		b.refused(e, fieldPath, v.Compute(e.path, r.period(), b.reader(e.path, reading)))
		return
	}
	value, ok := lwm2m.ParseValue(e.kind, r.Value)
	if !ok {
		b.blame(e.at, fieldValue, "is not of type %s: write %s", e.kind, written[e.kind])
		return
	}
	b.refused(e, fieldValue, v.Set(e.path, value))
}

// written says how the values are written that can be written in a wrong way.
var written = map[lwm2m.Kind]string{
	lwm2m.KindInteger:    "a whole number of 64 bits at most, such as -5",
	lwm2m.KindUnsigned:   "a whole number of 64 bits at most, such as 5",
	lwm2m.KindFloat:      "a number, such as 21.5",
	lwm2m.KindBoolean:    "true or false",
	lwm2m.KindOpaque:     "hex:0a1b or base64:Chs=",
	lwm2m.KindTime:       `"2026-01-31T12:00:00Z", or seconds since 1970`,
	lwm2m.KindObjectLink: `an object and an instance, such as "3303:0"`,
	lwm2m.KindString:     "text in UTF-8",
	lwm2m.KindCoreLink:   "links in UTF-8, such as </3/0>",
}

func numeric(k lwm2m.Kind) bool {
	return k == lwm2m.KindInteger || k == lwm2m.KindUnsigned || k == lwm2m.KindFloat
}

// scaled is the key by which a value is changed, or "".
func (r Resource) scaled() string {
	switch {
	case r.Scale != 0:
		return fieldScale
	case r.Offset != 0:
		return fieldOffset
	}
	return ""
}

// refused notes what the object says against a value.
func (b *builder) refused(e made, name string, err error) {
	var instance *object.InstanceError
	var value *object.ValueError
	switch {
	case err == nil:
	case errors.As(err, &instance):
		b.blame(e.at, fieldPath, "names an instance that %s", string(instance.Reason))
	case errors.As(err, &value):
		b.blame(e.at, name, "%s", string(value.Reason))
	default:
		b.blame(e.at, name, "is refused: %v", err)
	}
}

func (r Resource) source() *source.Source {
	if r.File != "" {
		return source.File(r.File)
	}
	return source.Command(r.Command)
}

func (r Resource) period() time.Duration {
	switch {
	case r.Every > 0:
		return r.Every
	case r.File != "":
		return DefaultFileEvery
	}
	return DefaultCommandEvery
}

// reader reads a source for servers. That it fails is told once, and so is that it has
// a value again: it may be read every second, for weeks.
func (b *builder) reader(path lwm2m.Path, from source.Reading) func(context.Context) (lwm2m.Value, error) {
	var failing atomic.Bool
	return func(ctx context.Context) (lwm2m.Value, error) {
		v, err := from.Value(ctx)
		if ctx.Err() != nil && err != nil {
			return v, err // nobody waits for it any more
		}
		if b.failed == nil {
			return v, err
		}
		if failing.Swap(err != nil) != (err != nil) {
			b.failed(path, err)
		}
		if err != nil {
			return v, object.Refuse(lwm2m.CodeInternalServerError, "the value cannot be read")
		}
		return v, nil
	}
}
