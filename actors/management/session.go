package management

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// session does something for one server: it answers a request, or reads.
type session struct {
	*Machine
	peer messages.Peer
	now  time.Time
	// since is how many changes had been noticed when a request came: what is read for it
	// may be older than those that came later.
	since uint64
	// late takes what becomes of what is done for nobody's request; nil where it is the
	// answer to one.
	late func(answer) []core.Effect
	// until is the deadline of a request that has waited for its turn, and place how many
	// wait that came before it; zero for another.
	until time.Time
	place int
}

// answer is what becomes of a request.
type answer struct {
	answers.Answer
	maxAge   *uint32  // seconds; nil for none
	location []string // of what was created
	observe  *uint32  // the Observe option; nil where there is no observation
	trigger  trigger
	// keeps is the observer whose record is to be durable before the answer leaves; nil
	// for none. before is what has to be done first.
	keeps  *observer
	before []core.Effect
	behind []core.Effect // what is done when it has been given
	// later is what is done instead of answering: the answer comes of it.
	later []core.Effect
}

// trigger is what an Execute sets off once it has been answered.
type trigger uint8

const (
	triggerNone trigger = iota
	triggerUpdate
	triggerBootstrap
	triggerDisable
	triggerRenewal // which is answered when it is known whether there will be one
)

func refuse(code messages.CoAPCode, text string) *answer {
	return &answer{Answer: answers.Refuse(code, text)}
}

var (
	notFound     = refuse(messages.NotFound, "no such object, instance or resource")
	notAllowed   = refuse(messages.MethodNotAllowed, "the target does not support the operation")
	unauthorized = refuse(messages.Unauthorized, "no access to the target")
	queried      = refuse(messages.BadRequest, "attributes come with a Write-Attributes only")
	failed       = refuse(messages.InternalServerError, "the object failed")
)

// operation is what a request asks for.
type operation uint8

// The operations of LwM2M Core section 6.3.
const (
	none operation = iota
	opRead
	opDiscover
	opWriteAttributes
	opReplace
	opUpdate
	opExecute
	opCreate
	opDelete
)

// operationOf tells the operations on a path apart (the mapping of LwM2M to CoAP).
func operationOf(in *messages.Inbound, path lwm2m.Path) operation {
	switch in.Code {
	case messages.GET:
		if in.Accept != nil && *in.Accept == messages.FormatLinkFormat {
			return opDiscover
		}
		return opRead
	case messages.PUT:
		if in.ContentFormat == nil && len(in.Payload) == 0 {
			return opWriteAttributes
		}
		return opReplace
	case messages.POST:
		return [...]operation{none, opCreate, opUpdate, opExecute, opUpdate}[path.Len()]
	case messages.DELETE:
		return opDelete
	}
	return none
}

// needs are the rights that an operation on an instance takes. Create takes one on the
// object.
var needs = [...]rights{
	none: access.Read, opRead: access.Read, opDiscover: access.Read, opWriteAttributes: access.Read, opReplace: access.Write,
	opUpdate: access.Write, opExecute: access.Execute, opDelete: access.Delete,
}

// needed are the rights that a request on an instance takes. What no server can do with
// the client's own objects takes none but to know of the instance, and is 4.05.
func needed(r *task) rights {
	if r.object.app == nil && r.op == opDelete || r.object.id == objects.AccessControl && r.op == opExecute {
		return access.Read
	}
	return needs[r.op]
}

// task is a request on a path below the root.
type task struct {
	in     messages.Inbound
	path   lwm2m.Path
	op     operation
	object *served
}

// bs is the path of the bootstrap interface, which management servers may not
// use.
const bs = "bs"

// answer judges a request in the order that LwM2M Core section 6.3 implies: path,
// interface, object, instance, access, resource, operation. Formats, payload and what
// the object says come with the operation.
func (s session) answer(in *messages.Inbound) answer {
	if len(in.Path) == 1 && in.Path[0] == bs {
		return *notAllowed
	}
	path, err := lwm2m.PathFromSegments(in.Path)
	if err != nil {
		return *refuse(messages.BadRequest, err.Error())
	}
	if path.Len() == 0 {
		return s.root(in)
	}
	return s.below(in, path)
}

// below answers a request on a path below the root.
func (s session) below(in *messages.Inbound, path lwm2m.Path) answer {
	r := &task{in: *in, path: path, op: operationOf(in, path), object: s.object(path.Object())}
	switch {
	case s.writesByPost(r):
		r.op = opReplace
	case s.updatesResource(r):
		r.op = opUpdate
	}
	if refusal := s.judge(r); refusal != nil {
		return *refusal
	}
	switch {
	case len(s.faults) > 0: // an object that was asked has panicked
		return *failed
	case len(in.Query) > 0 && r.op != opWriteAttributes:
		return *queried
	}
	return s.carryOut(r)
}

// updatesResource reports whether what looks like an Execute is a Partial Update of a
// resource that has several instances: from 1.1 on servers POST to these too, and name
// the format of the values.
func (s session) updatesResource(r *task) bool {
	if r.op != opExecute || r.object == nil || r.in.ContentFormat == nil || s.version10(r.in.Epoch) {
		return false
	}
	def, _ := r.object.resource(r.path.Resource())
	return def.Multiple && s.writable(r.object, r.path)
}

// judge refuses what cannot be carried out, for the first reason there is.
func (s session) judge(r *task) *answer {
	switch {
	case closed(r.path):
		return unauthorized
	case r.object == nil:
		return notFound
	case r.path.Len() == 1:
		return s.judgeObject(r)
	case !s.hasInstance(r.object, r.path.Instance()):
		return notFound
	case !s.rights(r.path.Object(), r.path.Instance()).Has(needed(r)):
		return unauthorized
	case r.path.Len() == 2:
		return s.judgeInstance(r)
	}
	if refusal := s.judgeResource(r); refusal != nil {
		return refusal
	}
	if !s.allows(r) {
		return notAllowed
	}
	return nil
}

// closed reports whether a path leads to credentials, which are nothing for management
// servers whatever they may do elsewhere.
func closed(path lwm2m.Path) bool {
	return path.Len() > 0 && (path.Object() == objects.Security || path.Object() == objects.OSCORE)
}

// judgeObject says which operations an object as a whole allows.
func (s session) judgeObject(r *task) *answer {
	switch {
	case r.op == opRead, r.op == opDiscover, r.op == opWriteAttributes:
		return nil
	case r.op != opCreate, r.object.app == nil:
		return notAllowed
	case !s.access.MayCreate(s.peer.ID, r.object.id):
		return unauthorized
	case !s.creatable(r.object):
		return notAllowed
	}
	return nil
}

// judgeInstance says which operations an instance as a whole allows.
func (s session) judgeInstance(r *task) *answer {
	o := r.object
	switch r.op {
	case opRead, opDiscover, opWriteAttributes:
		return nil
	case opReplace, opUpdate:
		if o.writer != nil || o.kept() {
			return nil
		}
	case opDelete:
		if o.deleter != nil && (o.def.Multiple || !o.def.Mandatory) {
			return nil
		}
	}
	return notAllowed
}

// judgeResource finds the resource or resource instance. A mandatory resource that this
// device does not support (Reboot) exists and allows nothing, unless it is a value.
func (s session) judgeResource(r *task) *answer {
	if (r.op == opReplace || r.op == opUpdate) && s.writable(r.object, r.path) {
		return nil // made by the Write where it is not there yet
	}
	if r.object.app != nil {
		return s.judgeAppResource(r)
	}
	resource := r.path.Prefix(3)
	stored, found := s.tree(r.object).Resource(resource)
	def, _ := r.object.resource(resource.Resource())
	switch {
	case !found && def.Operations.Has(lwm2m.OpExecute) && r.path.Len() == 4:
		return notFound
	case ownTrigger(r.object, resource) != triggerNone:
		return nil
	case !found && unsupported(def):
		return notAllowed
	case !found:
		return notFound
	case r.path.Len() == 4 && !hasInstance(stored, r.path.ResourceInstance()):
		return notFound
	}
	return nil
}

// judgeAppResource finds a resource of an application's object, as far as that is known
// without a Read, which finds out the rest.
func (s session) judgeAppResource(r *task) *answer {
	def, defined := r.object.resource(r.path.Resource())
	switch {
	case !defined, r.path.Len() == 4 && !def.Multiple, r.path.Len() == 4 && s.lacks(r.object, r.path):
		return notFound
	case s.has(r.object, r.path.Instance(), r.path.Resource()) != absent:
		return nil
	case unsupported(def) && r.path.Len() == 3:
		return notAllowed
	}
	return notFound
}

// unsupported reports whether a resource that is not there is one that only does something,
// and that every object of its sort has: it exists and allows nothing. A value is not there.
func unsupported(def lwm2m.ResourceDef) bool {
	return def.Mandatory && !def.Operations.Has(lwm2m.OpRead)
}

func hasInstance(r lwm2m.Resource, id uint16) bool {
	return slices.ContainsFunc(r.Instances, func(ri lwm2m.ResourceInstance) bool { return ri.ID == id })
}

// writable reports whether a path is that of a resource that servers can write, or
// of an instance of one that has several. It need not be there yet.
func (s session) writable(o *served, path lwm2m.Path) bool {
	def, found := o.resource(path.Resource())
	return found && (o.writer != nil || o.kept()) && def.Operations.Has(lwm2m.OpWrite) && (path.Len() == 3 || def.Multiple)
}

// allows reports whether a resource that is there allows the operation.
func (s session) allows(r *task) bool {
	def, _ := r.object.resource(r.path.Resource())
	switch r.op {
	case opRead, opWriteAttributes:
		return def.Operations.Has(lwm2m.OpRead)
	case opDiscover:
		return r.path.Len() == 3
	case opReplace, opUpdate:
		return s.writable(r.object, r.path)
	case opExecute:
		return ownTrigger(r.object, r.path) != triggerNone || r.object.executor != nil && def.Operations.Has(lwm2m.OpExecute)
	case opDelete:
		return r.path.Len() == 4 && r.object.writer != nil && def.Operations.Has(lwm2m.OpWrite) && !s.version10(r.in.Epoch)
	}
	return false
}

// carryOut does what has been judged to be possible.
func (s session) carryOut(r *task) answer {
	switch r.op {
	case opRead:
		return s.get(r)
	case opDiscover:
		return s.discover(r)
	case opWriteAttributes:
		return s.writeAttributes(r)
	case opExecute:
		return s.execute(r)
	case opCreate:
		return s.create(r)
	case opDelete:
		return s.delete(r)
	}
	return s.write(r)
}
