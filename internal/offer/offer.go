// Package offer checks the objects that an application offers to management servers,
// before a client serves them. Everything is pure, but for what the objects do
// themselves when they are asked for their definitions and instances.
package offer

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/linkformat"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Problem is one thing that is wrong with what is offered.
type Problem struct {
	At   int    // index of the object
	Text string // in words that follow the object
}

// problems collects what is wrong.
type problems struct {
	at  int
	all []Problem
}

// require adds a problem unless ok holds.
func (p *problems) require(ok bool, format string, args ...any) {
	if !ok {
		p.all = append(p.all, Problem{At: p.at, Text: fmt.Sprintf(format, args...)})
	}
}

// Check returns everything that is wrong with some objects: what they say of themselves,
// and what they begin with.
func Check(offered []object.Object) []Problem {
	var p problems
	seen := map[uint16]int{}
	for at, o := range offered {
		p.at = at
		if isNil(o) {
			p.require(false, "is nil")
			continue
		}
		def := o.Definition()
		before, again := seen[def.ID]
		p.require(!again, "has the ID %d, as objects[%d]", def.ID, before)
		seen[def.ID] = at
		if !again {
			p.definition(def)
			p.instances(def, o.Instances())
		}
	}
	return p.all
}

// isNil reports whether there is no object, or a nil pointer to one: what a function
// returns beside an error.
func isNil(o object.Object) bool {
	v := reflect.ValueOf(o)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// definition checks what an object says of itself.
func (p *problems) definition(def lwm2m.ObjectDef) {
	owned := def.ID == objects.Server || def.ID == objects.AccessControl || linkformat.Hidden(def.ID)
	p.require(!owned, "has the ID %d, and that object is the client's own", def.ID)
	p.require(def.ID != lwm2m.MaxID, "has the ID 65535, which is reserved")
	p.require(isVersion(def.Version), `has a Version that is not "major.minor"`)
	seen := map[uint16]bool{}
	for _, r := range def.Resources {
		what := resource(r)
		p.require(what == "", "resource %d %s", r.ID, what)
		p.require(!seen[r.ID], "resource %d is defined twice", r.ID)
		seen[r.ID] = true
	}
}

// isVersion accepts "major.minor" and nothing at all, which is the initial one.
func isVersion(v string) bool {
	major, minor, found := strings.Cut(v, ".")
	return v == "" || found && isNumber(major) && isNumber(minor)
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// resource says what is wrong with the definition of a resource, if anything is.
func resource(r lwm2m.ResourceDef) string {
	valued := r.Operations&(lwm2m.OpRead|lwm2m.OpWrite) != 0
	executed := r.Operations.Has(lwm2m.OpExecute)
	switch {
	case r.ID == lwm2m.MaxID:
		return "has a reserved ID"
	case r.Kind > lwm2m.KindCoreLink:
		return "has a Kind that is not known"
	case valued && executed:
		return "can be executed, and read or written too: make two resources of it"
	case valued && r.Kind == lwm2m.KindNone:
		return "can be read or written, and has no Kind"
	case executed && r.Kind != lwm2m.KindNone:
		return "can be executed, and has a Kind: leave it out"
	case executed && r.Multiple:
		return "can be executed, and is Multiple"
	}
	return r.RangeFault()
}

// instances checks those that an object begins with.
func (p *problems) instances(def lwm2m.ObjectDef, ids []uint16) {
	ordered := slices.IsSorted(ids) && len(slices.Compact(slices.Clone(ids))) == len(ids)
	p.require(ordered, "has instances that are not sorted, or one of them twice")
	p.require(!slices.Contains(ids, lwm2m.MaxID), "has an instance 65535, which is reserved")
	single := def.Multiple || len(ids) == 0 || len(ids) == 1 && ids[0] == 0
	p.require(single, "is not Multiple, and has other instances than 0")
}
