package management

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// version10 reports whether the session on a link is one of LwM2M 1.0.
func (m *Machine) version10(epoch messages.Epoch) bool {
	return m.versions[epoch] == requests.Version10
}

// locked refuses to change an instance that another request changes already: what that
// one has prepared must still hold when it is carried out.
func (s session) locked(instances ...lwm2m.Path) *answer {
	for _, path := range instances {
		if _, is := s.changing[path]; is {
			return busy("another request changes the instance", time.Second)
		}
	}
	return nil
}

// writeApp has an application's object written to: prepared, then carried out.
func (s session) writeApp(r task, p lwm2m.Payload) answer {
	change, refusal := s.changeOf(r, p)
	if refusal != nil {
		return *refusal
	}
	return s.change(r.in, []prepared{{object: r.object, path: r.path.Prefix(2), do: write{change}}}, messages.Changed, nil)
}

// changeOf makes of the payload of a Write what it changes.
func (s session) changeOf(r task, p lwm2m.Payload) (object.Change, *answer) {
	change := object.Change{Instance: r.path.Instance(), Replace: r.op == opReplace && r.path.Len() == 2}
	resources, refusal := s.written(r.object, r.path, p)
	if refusal != nil {
		return change, refusal
	}
	if change.Replace {
		if refusal := r.object.complete(resources); refusal != nil {
			return change, refusal
		}
	}
	change.Resources = resources
	if r.path.Len() == 4 || r.op == opUpdate && !s.version10(r.in.Epoch) {
		change.Merge = multiples(resources)
	}
	return change, nil
}

// written lists the resources of a payload for one instance, or below it, if servers can
// write them. Of a whole instance, what the definition does not know is ignored.
func (s session) written(o *served, path lwm2m.Path, p lwm2m.Payload) ([]lwm2m.Resource, *answer) {
	i, _ := p.Tree().Instance(path.Object(), path.Instance())
	var known []lwm2m.Resource
	for _, r := range i.Resources {
		def, found := o.resource(r.ID)
		switch {
		case !found && path.Len() == 2:
			continue
		case !found:
			return nil, notFound
		case !def.Operations.Has(lwm2m.OpWrite):
			return nil, refuse(messages.MethodNotAllowed, "resource "+path.Prefix(2).Child(r.ID).String()+" cannot be written")
		}
		if refusal := fits(def, r); refusal != nil {
			return nil, refusal
		}
		known = append(known, r)
	}
	return known, nil
}

// fits refuses values that are outside of the definition.
func fits(def lwm2m.ResourceDef, r lwm2m.Resource) *answer {
	if def.Multiple != r.Multiple {
		return refuse(messages.BadRequest, "resource "+def.Name+" has another form")
	}
	if !r.Multiple {
		return checked(def, r.Value)
	}
	for _, ri := range r.Instances {
		if refusal := checked(def, ri.Value); refusal != nil {
			return refusal
		}
	}
	return nil
}

func checked(def lwm2m.ResourceDef, v lwm2m.Value) *answer {
	if err := def.Check(v); err != nil {
		return refuse(messages.BadRequest, err.Error())
	}
	return nil
}

// complete refuses to replace or create an instance without a mandatory resource that
// servers write.
func (o *served) complete(resources []lwm2m.Resource) *answer {
	for _, def := range o.def.Resources {
		given := slices.ContainsFunc(resources, func(r lwm2m.Resource) bool { return r.ID == def.ID })
		if def.Mandatory && def.Operations.Has(lwm2m.OpWrite) && !given {
			return refuse(messages.BadRequest, "resource "+def.Name+" is missing")
		}
	}
	return nil
}

// multiples lists the resources that have several instances.
func multiples(resources []lwm2m.Resource) (ids []uint16) {
	for _, r := range resources {
		if r.Multiple {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// prepared is one part of a change: of one instance, by its object.
type prepared struct {
	object   *served
	path     lwm2m.Path // of the instance
	do       any        // write or create
	carryOut object.Commit
}

// transaction is a change of one or several instances: every part is prepared, and
// only when all of them can be done is the first carried out.
type transaction struct {
	session
	parts   []prepared
	next    int // part to prepare, then to carry out
	success answer
	after   []core.Effect // behind the answer
}

// change answers a request with what becomes of a change.
func (s session) change(in messages.Inbound, parts []prepared, code messages.CoAPCode, after []core.Effect) answer {
	c := &transaction{session: s, parts: parts, success: answer{Answer: answers.Done(code)}, after: after}
	return s.startChange(in, c)
}

func (s session) startChange(in messages.Inbound, c *transaction) answer {
	var wanted []*served
	var instances []lwm2m.Path
	for _, part := range c.parts {
		wanted, instances = append(wanted, part.object), append(instances, part.path)
	}
	if refusal := s.locked(instances...); refusal != nil {
		return *refusal
	}
	if refusal := s.admit(s.peer, wanted...); refusal != nil {
		return *refusal
	}
	j, timer := s.begin(in, instances...)
	return answer{later: append([]core.Effect{timer}, c.prepare(j)...)}
}

// prepare asks the next object whether its part is possible.
func (c *transaction) prepare(j *job) []core.Effect {
	if c.next == len(c.parts) {
		c.next = 0
		return c.carryOut(j)
	}
	part := c.parts[c.next]
	return []core.Effect{c.call(j, part.object, part.path, part.do, c.possible)}
}

func (c *transaction) possible(j *job, _ time.Time, in Returned) []core.Effect {
	if in.Err != nil {
		return c.finish(j, c.refusal(j.path, in.Err))
	}
	c.parts[c.next].carryOut = in.Commit
	c.next++
	return c.prepare(j)
}

// carryOut has the next part carried out. An object that returns no Commit has nothing
// to do.
func (c *transaction) carryOut(j *job) []core.Effect {
	for c.next < len(c.parts) && c.parts[c.next].carryOut == nil {
		c.next++
	}
	if c.next == len(c.parts) {
		return append(c.finish(j, c.success), c.after...)
	}
	part := c.parts[c.next]
	return []core.Effect{c.call(j, part.object, part.path, commit{part.carryOut}, c.carriedOut)}
}

func (c *transaction) carriedOut(j *job, _ time.Time, in Returned) []core.Effect {
	c.noticed(c.parts[c.next].path) // whatever has become of it
	if in.Err != nil {
		return c.finish(j, c.refusal(j.path, in.Err))
	}
	c.next++
	return c.carryOut(j)
}
