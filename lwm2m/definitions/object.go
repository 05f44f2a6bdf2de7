package definitions

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Elements of the schema, and how often each is needed.
var (
	objectElements = elements{
		"Name": true, "ObjectID": true, "MultipleInstances": true, "Mandatory": true, "Resources": true,
		"Description1": false, "Description2": false, "ObjectURN": false, "LWM2MVersion": false, "ObjectVersion": false,
	}
	itemElements = elements{
		"Name": true, "Operations": true, "MultipleInstances": true, "Mandatory": true, "Type": true,
		"RangeEnumeration": false, "Units": false, "Description": false,
	}
)

// elements says of each element that may be there whether it must be.
type elements map[string]bool

// part is an object or an item that is being read.
type part struct {
	*reader
	node   *node
	where  string // "Object 3303"
	fields map[string]*node
	failed bool
}

// part looks at which elements a node has.
func (r *reader) part(n *node, where string, known elements) *part {
	p := &part{reader: r, node: n, where: where, fields: map[string]*node{}}
	for _, child := range n.children {
		_, found := known[child.name]
		switch {
		case !found:
			p.wrong(child, "is no element of the schema here; take it out, or correct its name")
		case p.fields[child.name] != nil:
			p.wrong(child, "is there twice; take one out")
		default:
			p.fields[child.name] = child
		}
	}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name, needed := range known {
			if needed && p.fields[name] == nil && !yield(name) {
				return
			}
		}
	}) {
		p.wrong(&node{name: name, line: n.line}, "is missing; add it")
	}
	return p
}

// wrong notes a fault of a field.
func (p *part) wrong(field *node, format string, args ...any) {
	p.failed = true
	p.fault(field.line, p.where+", "+field.name, format, args...)
}

// field is an element, and an empty one where there is none.
func (p *part) field(name string) *node {
	if n := p.fields[name]; n != nil {
		return n
	}
	return &node{name: name, line: p.node.line}
}

func (p *part) text(name string) string { return p.field(name).text }

// choose reads a field that has one of a few values. One that is missing has its fault
// already.
func choose[V any](p *part, name string, values map[string]V) (v V) {
	n := p.fields[name]
	if n == nil {
		return v
	}
	v, found := values[n.text]
	if !found {
		names := make([]string, 0, len(values))
		for name := range values {
			names = append(names, fmt.Sprintf("%q", name))
		}
		slices.Sort(names)
		p.wrong(n, "is %q; it can be %s", clip(n.text), strings.Join(names, ", "))
	}
	return v
}

// clip keeps what an error repeats short.
func clip(text string) string {
	const most = 64
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

var (
	multiple   = map[string]bool{"Multiple": true, "Single": false}
	mandatory  = map[string]bool{"Mandatory": true, "Optional": false}
	operations = map[string]lwm2m.Operations{
		"R": lwm2m.OpRead, "W": lwm2m.OpWrite, "RW": lwm2m.OpRead | lwm2m.OpWrite, "E": lwm2m.OpExecute, "": 0,
	}
	kinds = map[string]lwm2m.Kind{
		"String": lwm2m.KindString, "Integer": lwm2m.KindInteger, "Unsigned Integer": lwm2m.KindUnsigned, "Float": lwm2m.KindFloat,
		"Boolean": lwm2m.KindBoolean, "Opaque": lwm2m.KindOpaque, "Time": lwm2m.KindTime, "Objlnk": lwm2m.KindObjectLink,
		"Corelnk": lwm2m.KindCoreLink, "": lwm2m.KindNone,
	}
)

// object reads an Object. ok is false when it has faults.
func (r *reader) object(n *node) (def lwm2m.ObjectDef, ok bool) {
	if n.id != "MODefinition" {
		r.fault(n.line, "Object", "has the ObjectType %q instead of \"MODefinition\": it defines no object", clip(n.id))
		return def, false
	}
	p := r.part(n, objectName(n), objectElements)
	def.ID = p.id("ObjectID")
	def.Name, def.URN = p.name(), p.text("ObjectURN")
	def.Multiple, def.Mandatory = choose(p, "MultipleInstances", multiple), choose(p, "Mandatory", mandatory)
	def.Version, def.LWM2MVersion = p.version("ObjectVersion"), p.version("LWM2MVersion")
	def.Description = strings.TrimSpace(p.text("Description1") + "\n\n" + p.text("Description2"))
	p.urn(def)
	def.Resources = p.resources()
	return def, !p.failed
}

// objectName is what faults call an object: by its ID, if it has one.
func objectName(n *node) string {
	for _, child := range n.children {
		if id, ok := parseID(child.text); ok && child.name == "ObjectID" {
			return fmt.Sprintf("Object %d", id)
		}
	}
	return "Object"
}

func (p *part) name() string {
	n := p.fields["Name"]
	if n != nil && n.text == "" {
		p.wrong(n, "is empty; write a name")
	}
	return strings.Join(strings.Fields(p.text("Name")), " ")
}

// id reads a number that names an object.
func (p *part) id(name string) uint16 {
	n := p.fields[name]
	if n == nil {
		return 0
	}
	id, ok := parseID(n.text)
	if !ok {
		p.wrong(n, "is %q instead of a number from 0 to 65534", clip(n.text))
	}
	return id
}

func parseID(text string) (uint16, bool) {
	id, err := strconv.ParseUint(text, 10, 16)
	return uint16(id), err == nil && id != lwm2m.MaxID
}

// version reads a version, which is 1.0 where there is none.
func (p *part) version(name string) string {
	n := p.field(name)
	if n.text == "" {
		return "1.0"
	}
	major, minor, found := strings.Cut(n.text, ".")
	_, err1 := strconv.ParseUint(major, 10, 8)
	_, err2 := strconv.ParseUint(minor, 10, 8)
	if !found || err1 != nil || err2 != nil {
		p.wrong(n, "is %q instead of a version such as 1.0", clip(n.text))
	}
	return n.text
}

// urn compares the URN with what it is made of: urn:oma:lwm2m:REGISTRY:ID[:VERSION].
func (p *part) urn(def lwm2m.ObjectDef) {
	n := p.fields["ObjectURN"]
	if n == nil || p.failed {
		return
	}
	parts := strings.Split(n.text, ":")
	if len(parts) < 5 || len(parts) > 6 || parts[4] != strconv.Itoa(int(def.ID)) {
		p.remark(n.line, p.where+", ObjectURN", "is %q, which is not that of object %d; the ObjectID counts", clip(n.text), def.ID)
		return
	}
	if version := append(parts, "1.0")[5]; version != def.Version {
		p.remark(n.line, p.where+", ObjectURN", "says version %s, and ObjectVersion %s, which counts", clip(version), def.Version)
	}
}

// resources reads the Items, sorted by ID.
func (p *part) resources() []lwm2m.ResourceDef {
	list := p.field("Resources")
	defs := make([]lwm2m.ResourceDef, 0, len(list.children))
	for _, n := range list.children {
		if n.name != "Item" {
			p.wrong(n, "is no element of the schema here; Resources has Items only")
			continue
		}
		def, ok := p.item(n)
		p.failed = p.failed || !ok
		if slices.ContainsFunc(defs, func(d lwm2m.ResourceDef) bool { return ok && d.ID == def.ID }) {
			p.wrong(n, "%d is there twice; take one out, or correct its ID", def.ID)
		}
		defs = append(defs, def)
	}
	if p.fields["Resources"] != nil && len(defs) == 0 {
		p.wrong(list, "has no Item; an object has at least one resource")
	}
	slices.SortFunc(defs, func(a, b lwm2m.ResourceDef) int { return cmp.Compare(a.ID, b.ID) })
	return defs
}

// item reads one resource.
func (p *part) item(n *node) (def lwm2m.ResourceDef, ok bool) {
	where := p.where + ", Item " + clip(n.id)
	id, ok := parseID(n.id)
	if !ok {
		p.fault(n.line, where, "has the ID %q instead of a number from 0 to 65534", clip(n.id))
		return def, false
	}
	i := p.part(n, where, itemElements)
	def = lwm2m.ResourceDef{
		ID: id, Name: i.name(), Operations: choose(i, "Operations", operations), Kind: choose(i, "Type", kinds),
		Multiple: choose(i, "MultipleInstances", multiple), Mandatory: choose(i, "Mandatory", mandatory),
	}
	i.typed(&def)
	d := lwm2m.Details{Units: i.text("Units"), Description: i.text("Description")}
	if !i.failed {
		i.bounds(&def, &d)
	}
	if d.Units != "" || d.Description != "" || d.Ranges != nil || d.Floats != nil {
		def.Details = &d
	}
	return def, !i.failed
}

// typed asks whether the type and the operations go together.
func (p *part) typed(def *lwm2m.ResourceDef) {
	executable := def.Operations == lwm2m.OpExecute
	switch {
	case p.failed:
	case executable && def.Multiple:
		p.wrong(p.field("MultipleInstances"), "is Multiple; what is executed is Single")
	case executable && def.Kind != lwm2m.KindNone:
		p.remark(p.field("Type").line, p.where+", Type", "is %q, which does not count: the resource is executed", p.text("Type"))
		def.Kind = lwm2m.KindNone
	case !executable && def.Kind == lwm2m.KindNone:
		p.wrong(p.field("Type"), "is empty; what is not executed has a type")
	}
}
