package management

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// session answers one request of one server.
type session struct {
	*Machine
	peer messages.Peer
	now  time.Time
}

// answer is what becomes of a request.
type answer struct {
	answers.Answer
	trigger trigger
	write   *messages.WriteModel // to be carried out, and answered later; nil for none
}

// trigger is what an Execute sets off once it has been answered.
type trigger uint8

const (
	triggerNone trigger = iota
	triggerUpdate
	triggerBootstrap
)

func refuse(code messages.CoAPCode, text string) *answer {
	return &answer{Answer: answers.Refuse(code, text)}
}

var (
	notFound     = refuse(messages.NotFound, "no such object, instance or resource")
	notAllowed   = refuse(messages.MethodNotAllowed, "the target does not support the operation")
	unauthorized = refuse(messages.Unauthorized, "no access to the target")
)

// bs is the path of the bootstrap interface, which management servers may not
// use.
const bs = "bs"

// answer judges a request in the order that LwM2M Core section 6.3 implies:
// path, object, access, instance, resource, operation, formats.
func (s session) answer(in messages.Inbound) answer {
	if len(in.Path) == 1 && in.Path[0] == bs {
		return *notAllowed
	}
	path, err := lwm2m.PathFromSegments(in.Path)
	if err != nil {
		return *refuse(messages.BadRequest, err.Error())
	}
	if refusal := s.locate(path, in.Code); refusal != nil {
		return *refusal
	}
	switch {
	case in.Code == messages.GET:
		return s.get(path, in)
	case in.Code == messages.POST && s.executable(path):
		return s.execute(path, in)
	case in.Code == messages.PUT, in.Code == messages.POST:
		return s.write(path, in)
	}
	return *notAllowed
}

// locate refuses a target that does not exist or that this server may not see.
func (s session) locate(path lwm2m.Path, method messages.CoAPCode) *answer {
	switch {
	case path.Len() == 0 && method == messages.GET:
		return refuse(messages.BadRequest, "the root cannot be read")
	case path.Len() == 0:
		return notAllowed
	case path.Object() == objects.Security, path.Object() == objects.OSCORE:
		return unauthorized
	case s.object(path.Object()) == nil:
		return notFound
	case path.Len() == 1:
		return nil
	}
	if refusal := s.locateInstance(path); refusal != nil || path.Len() == 2 {
		return refusal
	}
	if method == messages.PUT && s.writable(path) {
		return nil // made by the Write where it is not there yet
	}
	return s.locateResource(path)
}

func (s session) locateInstance(path lwm2m.Path) *answer {
	switch {
	case !s.object(path.Object()).HasInstance(path.Object(), path.Instance()):
		return notFound
	case !s.sees(path.Object(), path.Instance()):
		return unauthorized
	}
	return nil
}

// locateResource finds stored and executable resources. A mandatory resource
// that this device does not support (Reboot) exists and allows nothing.
func (s session) locateResource(path lwm2m.Path) *answer {
	resource := path.Prefix(3)
	stored, found := s.object(path.Object()).Resource(resource)
	def, _ := s.config.Registry.Resource(resource)
	switch {
	case !found && def.Operations.Has(lwm2m.OpExecute) && path.Len() == 4:
		return notFound
	case s.executable(resource):
		return nil
	case !found && def.Mandatory:
		return notAllowed
	case !found:
		return notFound
	case path.Len() == 4 && !hasInstance(stored, path.ResourceInstance()):
		return notFound
	}
	return nil
}

func hasInstance(r lwm2m.Resource, id uint16) bool {
	return slices.ContainsFunc(r.Instances, func(ri lwm2m.ResourceInstance) bool { return ri.ID == id })
}

// triggers lists the executable resources of the Server object that are
// supported.
var triggers = map[uint16]trigger{
	objects.ServerRegistrationUpdateTrigger: triggerUpdate,
	objects.ServerBootstrapRequestTrigger:   triggerBootstrap,
}

// executable reports whether the path names a resource that can be executed.
func (s session) executable(path lwm2m.Path) bool {
	return path.Len() == 3 && path.Object() == objects.Server && triggers[path.Resource()] != triggerNone
}

// execute answers the triggers of the Server object (section 6.3.5 and
// Appendix E.2); the trigger itself follows the answer.
func (s session) execute(path lwm2m.Path, in messages.Inbound) answer {
	what := triggers[path.Resource()]
	switch {
	case what == triggerBootstrap && !hasBootstrap(s.model):
		return *refuse(messages.MethodNotAllowed, "there is no bootstrap account")
	case in.ContentFormat != nil && in.ContentFormat.Standard() != messages.FormatText:
		return *refuse(messages.UnsupportedFormat, "the arguments of Execute are text")
	case !wellFormed(in.Payload):
		return *refuse(messages.BadRequest, "malformed arguments")
	}
	return answer{Answer: answers.Done(messages.Changed), trigger: what}
}

// wellFormed reports whether the payload of an Execute can be parsed.
func wellFormed(payload []byte) bool {
	_, ok := lwm2m.ParseArguments(payload)
	return ok
}
