package console

import (
	"encoding/hex"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/linkformat"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// content returns what an answer about a path holds: for JSON, and as a table.
func (c *Console) content(path lwm2m.Path, r lwm2mtest.Response) (value any, rows [][]string) {
	if r.Format != nil && *r.Format == lwm2m.FormatLinkFormat {
		return c.links(r.Payload)
	}
	p, err := c.decode(path, r)
	if err != nil {
		text := words(r.Payload)
		return text, [][]string{{path.String(), c.name(path), text}}
	}
	return c.values(path, p)
}

// sample is one of a Send's, in JSON.
type sample struct {
	Time  *time.Time `json:"time,omitempty"` // nil is that of sending
	Value any        `json:"value"`
}

// Sent returns what a client has sent (Send): a list of samples, whose values are those of a
// Read-Composite; and a table.
func (c *Console) Sent(r lwm2mtest.Record) (value any, table []string) {
	samples, err := r.Samples(c.registry)
	if err != nil {
		return words(r.Payload), []string{words(r.Payload)}
	}
	all := make([]sample, len(samples))
	var rows [][]string
	for i, s := range samples {
		if !s.At.IsZero() {
			all[i].Time = new(s.At.UTC())
		}
		values, shown := c.values(lwm2m.Path{}, s.Payload)
		all[i].Value = values
		for _, row := range shown {
			rows = append(rows, append(row, at(s.At)))
		}
	}
	return all, aligned(rows)
}

func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return "at " + t.UTC().Format(time.RFC3339)
}

// values returns a payload by the numbers below path; below the root by whole paths.
func (c *Console) values(path lwm2m.Path, p lwm2m.Payload) (value any, rows [][]string) {
	tree := map[string]any{}
	for _, i := range append(p.Instances, p.Multiples...) {
		ensure(tree, below(path, i))
	}
	for _, n := range p.Nodes {
		rows = append(rows, []string{n.Path.String(), c.name(n.Path), joined(" ", shown(n), c.units(n.Path))})
		if n.Path == path {
			value = jsonValue(n)
			continue
		}
		keys := below(path, n.Path)
		ensure(tree, keys[:len(keys)-1])[keys[len(keys)-1]] = jsonValue(n)
	}
	if value == nil {
		value = tree
	}
	return value, rows
}

// below returns the keys that lead from a path to one below it; from the root to a
// resource it is one.
func below(path, at lwm2m.Path) []string {
	if path.Len() == 0 && at.Len() < 3 {
		return nil
	}
	if path.Len() == 0 {
		return append([]string{at.Prefix(3).String()}, at.Segments()[3:]...)
	}
	if at.Len() <= path.Len() {
		return nil
	}
	return at.Segments()[path.Len():]
}

// ensure makes the maps that keys lead through and returns the last.
func ensure(tree map[string]any, keys []string) map[string]any {
	for _, key := range keys {
		next, ok := tree[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[key] = next
		}
		tree = next
	}
	return tree
}

// jsonValue is a value as JSON has it: of an Opaque as it is typed, of a time as RFC 3339
// writes it.
func jsonValue(n lwm2m.Node) any {
	v := n.Value
	switch v.Kind() {
	case lwm2m.KindInteger:
		return v.Int()
	case lwm2m.KindUnsigned:
		return v.Uint()
	case lwm2m.KindBoolean:
		return v.Bool()
	case lwm2m.KindFloat:
		if f := v.Float64(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	}
	return shown(n)
}

// shown is a value as a person reads it, and types it.
func shown(n lwm2m.Node) string {
	switch {
	case n.Value.Kind() != lwm2m.KindOpaque:
		return n.Value.String()
	case n.Unknown: // of a format that says no type
		return words(n.Value.Bytes())
	}
	return "hex:" + hex.EncodeToString(n.Value.Bytes())
}

// link is one of a Discover's, in JSON.
type link struct {
	Path       string            `json:"path"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// links returns the answer to a Discover.
func (c *Console) links(payload []byte) (value any, rows [][]string) {
	all := len(payload) + 1
	parsed, err := linkformat.ParseLimited(payload, lwm2m.Limits{Bytes: all, Nodes: all})
	if err != nil {
		return words(payload), [][]string{{words(payload)}}
	}
	links := make([]link, len(parsed))
	for i, l := range parsed {
		path, _ := lwm2m.ParsePath(l.Target) // the root has no name
		links[i].Path = l.Target
		row := []string{l.Target, c.name(path)}
		for _, a := range l.Attributes {
			if links[i].Attributes == nil {
				links[i].Attributes = map[string]string{}
			}
			links[i].Attributes[a.Name] = a.Value
			row = append(row, a.Name+"="+a.Value)
		}
		rows = append(rows, append(row[:2:2], strings.Join(row[2:], " ")))
	}
	return links, rows
}

// units are those of a resource, where they are defined.
func (c *Console) units(path lwm2m.Path) string {
	def, _ := c.resource(path)
	return def.Units()
}

// resource finds the definition of a resource: of an object that is not defined here, that of
// a reusable resource.
func (c *Console) resource(path lwm2m.Path) (lwm2m.ResourceDef, bool) {
	if _, defined := c.registry.Object(path.Object()); defined || path.Len() < 3 {
		return c.registry.Resource(path)
	}
	return objects.Reusable(path.Resource())
}

// decode reads an answer. Objects that are not defined here are taken to be made of reusable
// resources, unless what has come is none of these.
func (c *Console) decode(path lwm2m.Path, r lwm2mtest.Response) (lwm2m.Payload, error) {
	p, err := r.Decode(path.String(), c.registry)
	if assumed, err := r.Decode(path.String(), c.assuming(path, p)); err == nil {
		return assumed, nil
	}
	return p, err
}

// assuming defines the objects of a payload about a path.
func (c *Console) assuming(path lwm2m.Path, p lwm2m.Payload) *lwm2m.Registry {
	defs := map[uint16]lwm2m.ObjectDef{}
	for _, n := range append(p.Nodes, lwm2m.Node{Path: path}) { // the root has object 0
		id := n.Path.Object()
		if def, defined := c.registry.Object(id); defined {
			defs[id] = *def
		} else if _, made := defs[id]; !made {
			defs[id] = lwm2m.ObjectDef{ID: id, Multiple: true, Resources: objects.Reusables()}
		}
	}
	return lwm2m.NewRegistry(slices.Collect(maps.Values(defs))...)
}

// name names what a path leads to, where it is defined.
func (c *Console) name(path lwm2m.Path) string {
	if object, known := c.registry.Object(path.Object()); known && path.Len() > 0 && path.Len() <= 2 {
		return object.Name
	}
	def, known := c.resource(path)
	if !known {
		return ""
	}
	if path.Len() == 4 {
		return def.Name + " " + strconv.Itoa(int(path.ResourceInstance()))
	}
	return def.Name
}
