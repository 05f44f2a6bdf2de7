package object

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// plan says how the fields of a struct are the resources of an object.
type plan struct {
	def      lwm2m.ObjectDef // with the resources that the struct has
	fields   []*field        // sorted by resource ID
	shared   []*field        // those that copies of the struct share
	computed bool            // there are functions that are read
	defaults bool            // there are values that a server can write, and not remove
}

// planner makes a plan.
type planner struct {
	t    reflect.Type
	want lwm2m.ObjectDef // as it was given
	plan *plan
}

func (p *planner) fail(field, format string, args ...any) error {
	return &DefinitionError{Object: p.want.ID, Type: p.t.String(), Field: field, Reason: fmt.Sprintf(format, args...)}
}

// planOf makes the plan of a struct type. The error is a [*DefinitionError].
func planOf(t reflect.Type, def lwm2m.ObjectDef) (*plan, error) {
	p := &planner{t: t, want: def, plan: &plan{def: def}}
	p.plan.def.Resources = nil
	if t.Kind() != reflect.Struct {
		return nil, p.fail("", "it is no struct; name a struct type whose fields have tags such as `lwm2m:\"5700,R\"`")
	}
	if err := checkDefinition(def, t.String()); err != nil {
		return nil, err
	}
	if err := p.structure(t, nil, ""); err != nil {
		return nil, err
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return p.plan, nil
}

// structure adds the fields of a struct, and of those that it embeds.
func (p *planner) structure(t reflect.Type, index []int, prefix string) error {
	for i := range t.NumField() {
		sf := t.Field(i)
		at, name := append(slices.Clone(index), i), prefix+sf.Name
		text, tagged := sf.Tag.Lookup(tagName)
		switch {
		case tagged && text != "-":
			if err := p.field(sf, text, at, name); err != nil {
				return err
			}
		default:
			if err := p.untagged(sf, tagged, at, name); err != nil {
				return err
			}
		}
	}
	return nil
}

var lockerType = reflect.TypeFor[sync.Locker]()

// locks reports whether a value of the type has a lock in it, and so cannot be copied. What
// sync and sync/atomic have beside their locks is marked by one too.
func locks(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return locks(t.Elem())
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(lockerType) {
			return true
		}
		for i := range t.NumField() {
			if locks(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// untagged looks into an embedded struct, and refuses what cannot be copied, and tags that
// are there and cannot be found. out says that a tag takes the field out.
func (p *planner) untagged(sf reflect.StructField, out bool, index []int, name string) error {
	t := sf.Type
	embedded := sf.Anonymous && !out
	switch {
	case !out && misspelled.MatchString(string(sf.Tag)):
		return p.fail(name, "its tag has no effect; one is written as `%s:\"5700,R\"`, in small letters and without blanks", tagName)
	case locks(t) && !(embedded && t.Kind() == reflect.Struct && hasTags(t)):
		return p.fail(name, "it is a lock, or has one in it, and the struct is copied with every change; keep the lock elsewhere")
	case !embedded:
		return nil
	}
	if t.Kind() == reflect.Struct {
		return p.structure(t, index, name+".")
	}
	if t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct && hasTags(t.Elem()) {
		return p.fail(name, "it is an embedded pointer, whose fields may not be there; embed the struct itself")
	}
	return nil
}

func hasTags(t reflect.Type) bool {
	return slices.ContainsFunc(reflect.VisibleFields(t), func(sf reflect.StructField) bool {
		_, tagged := sf.Tag.Lookup(tagName)
		return tagged
	})
}

// field adds one field that has a tag.
func (p *planner) field(sf reflect.StructField, text string, index []int, name string) error {
	if !sf.IsExported() {
		return p.fail(name, "it is not exported; begin its name with a capital letter, or take its tag away")
	}
	tag, reason := parseTag(text)
	if reason != "" {
		return p.fail(name, "%s", reason)
	}
	f := &field{index: index, name: name, sample: tag.sample}
	if err := p.define(f, tag, sf); err != nil {
		return err
	}
	if reason := f.shapeAs(sf.Type, len(p.want.Resources) > 0); reason != "" {
		return p.fail(name, "%s", reason)
	}
	if reason := p.agree(f, tag); reason != "" {
		return p.fail(name, "%s", reason)
	}
	p.plan.fields = append(p.plan.fields, f)
	return nil
}

// define settles the definition of a field: that which was given, if there is one,
// else that of the tag.
func (p *planner) define(f *field, tag tag, sf reflect.StructField) error {
	at := slices.IndexFunc(p.want.Resources, func(d lwm2m.ResourceDef) bool { return d.ID == tag.def.ID })
	if at < 0 && len(p.want.Resources) > 0 {
		return p.fail(f.name, "the definition has no resource %d; correct the ID, or add the resource to the definition", tag.def.ID)
	}
	if at >= 0 {
		f.def = p.want.Resources[at]
		return p.contradiction(f, tag)
	}
	if !tag.ops {
		return p.fail(f.name, "the tag does not say what servers may do; write R, W, RW, E or - behind the ID")
	}
	f.def = tag.def
	if f.def.Name == "" {
		f.def.Name = sf.Name
	}
	return nil
}

// contradiction compares a tag with the definition that was given.
func (p *planner) contradiction(f *field, tag tag) error {
	switch {
	case tag.ops && tag.def.Operations != f.def.Operations:
		return p.fail(f.name, "the tag says %s, the definition %s; correct one, or leave it to the definition", tag.def.Operations, f.def.Operations)
	case tag.kind && tag.def.Kind != f.def.Kind:
		return p.fail(f.name, "the tag says %s, the definition %s; correct one, or leave it to the definition", tag.def.Kind, f.def.Kind)
	case tag.bounds || tag.def.Name != "" || tag.def.Units() != "" || tag.def.Mandatory && !f.def.Mandatory:
		return p.fail(f.name, "the definition that was given has the resource; its name, units, range and mandatory are not for the tag")
	}
	return nil
}

// agree compares what the field can hold with what servers may do, and with the rest of
// its tag.
func (p *planner) agree(f *field, tag tag) (reason string) {
	executable := f.def.Operations.Has(lwm2m.OpExecute)
	switch {
	case executable && f.def.Operations != lwm2m.OpExecute:
		return "a resource is executed, or it is read and written"
	case executable != (f.shape == shapeExecutable):
		return "a resource with E is a func() or a func(context.Context, lwm2m.Arguments) error, and any other is not"
	case f.shape == shapeComputed && f.writable():
		return "what is computed cannot be written; say R, or hold the value in the field"
	case f.shape == shapeComputed && !f.readable():
		return "what is computed is to be read; say R"
	case f.shape == shapeExecutable && tag.kind:
		return "what is executed has no kind; take kind=KIND away"
	case f.shape != shapeComputed && tag.sampled:
		return "sample=DURATION is for what a func computes; take it away: changes of what the field holds are seen without"
	}
	if fault := f.def.RangeFault(); fault != "" {
		return "it " + fault
	}
	if i := slices.IndexFunc(p.plan.fields, func(o *field) bool { return o.def.ID == f.def.ID }); i >= 0 {
		return fmt.Sprintf("the field %s has the resource %d too; each has one field", p.plan.fields[i].name, f.def.ID)
	}
	return ""
}

// finish sorts the fields, and looks for mandatory resources that have none.
func (p *planner) finish() error {
	if len(p.plan.fields) == 0 {
		return p.fail("", "no field has a tag such as `lwm2m:\"5700,R\"`")
	}
	slices.SortFunc(p.plan.fields, func(a, b *field) int { return cmp.Compare(a.def.ID, b.def.ID) })
	for _, d := range p.want.Resources {
		if d.Mandatory && !slices.ContainsFunc(p.plan.fields, func(f *field) bool { return f.def.ID == d.ID }) {
			return p.fail("", "no field has the resource %d (%s), which is mandatory; add one with the tag `lwm2m:\"%d\"`", d.ID, d.Name, d.ID)
		}
	}
	for _, f := range p.plan.fields {
		p.plan.note(f)
	}
	return nil
}

func (p *plan) note(f *field) {
	p.def.Resources = append(p.def.Resources, f.def)
	if f.isValue() && f.shared() {
		p.shared = append(p.shared, f)
	}
	p.computed = p.computed || f.shape == shapeComputed
	p.defaults = p.defaults || f.shape == shapePlain && f.writable()
}

// field finds the field of a resource.
func (p *plan) field(id uint16) (*field, bool) {
	at, found := slices.BinarySearchFunc(p.fields, id, func(f *field, id uint16) int { return cmp.Compare(f.def.ID, id) })
	if !found {
		return nil, false
	}
	return p.fields[at], true
}

// checkDefinition looks for what no definition can have.
func checkDefinition(def lwm2m.ObjectDef, typeName string) error {
	fail := func(format string, args ...any) error {
		return &DefinitionError{Object: def.ID, Type: typeName, Reason: fmt.Sprintf(format, args...)}
	}
	if def.ID == lwm2m.MaxID {
		return fail("65535 is no object ID; IDs end at 65534")
	}
	seen := map[uint16]bool{}
	for _, d := range def.Resources {
		executable := d.Operations.Has(lwm2m.OpExecute)
		switch {
		case d.ID == lwm2m.MaxID:
			return fail("65535 is no resource ID; IDs end at 65534")
		case seen[d.ID]:
			return fail("the resource %d is defined twice; take one out", d.ID)
		case executable && (d.Operations != lwm2m.OpExecute || d.Multiple):
			return fail("the resource %d (%s) is executed, so that it is neither read, written nor multiple", d.ID, d.Name)
		case d.Kind == lwm2m.KindNone && !executable:
			return fail("the resource %d (%s) has no kind; set Kind", d.ID, d.Name)
		case d.Kind > lwm2m.KindCoreLink:
			return fail("the resource %d (%s) has a kind that is not known; set Kind to one of lwm2m", d.ID, d.Name)
		case d.Kind != lwm2m.KindNone && executable:
			return fail("the resource %d (%s) is executed, and has a kind; leave Kind out", d.ID, d.Name)
		case d.RangeFault() != "":
			return fail("the resource %d (%s) %s", d.ID, d.Name, d.RangeFault())
		}
		seen[d.ID] = true
	}
	return nil
}
