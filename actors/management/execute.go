package management

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// triggers lists the executable resources of the Server object that are
// supported.
var triggers = map[uint16]trigger{
	objects.ServerDisable:                   triggerDisable,
	objects.ServerRegistrationUpdateTrigger: triggerUpdate,
	objects.ServerBootstrapRequestTrigger:   triggerBootstrap,
}

// ownTrigger is what executing a path of an object of the client's own sets off.
func ownTrigger(o *served, path lwm2m.Path) trigger {
	switch {
	case path.Len() != 3 || o.app != nil:
	case o.id == objects.Server:
		return triggers[path.Resource()]
	case o.renews() && path.Resource() == objects.EnrolmentRenew:
		return triggerRenewal
	}
	return triggerNone
}

// execute is Execute (section 6.3.5). The triggers of the Server object (Appendix E.2)
// are answered here; the trigger itself follows the answer.
func (s session) execute(r *task) answer {
	what := ownTrigger(r.object, r.path)
	if r.object.id == objects.Server && !owns(s.model, s.peer, r.path.Instance()) { // it would be for another server
		return *notAllowed
	}
	if what == triggerBootstrap && !hasBootstrap(s.model) {
		return *refuse(messages.MethodNotAllowed, "there is no bootstrap account")
	}
	if r.in.ContentFormat != nil && r.in.ContentFormat.Standard() != messages.FormatText {
		return *refuse(messages.UnsupportedFormat, "the arguments of Execute are text")
	}
	args, ok := lwm2m.ParseArguments(r.in.Payload)
	if !ok {
		return *refuse(messages.BadRequest, "malformed arguments")
	}
	if what == triggerRenewal {
		return s.renew(r, args)
	}
	if what != triggerNone {
		return answer{Answer: answers.Done(messages.Changed), trigger: what}
	}
	if refusal := s.admit(s.peer, r.object); refusal != nil {
		return *refusal
	}
	j, timer := s.begin(&r.in)
	call := s.callOrLate(j, r.object, r.path, execute{target: r.path, args: args}, s.done(messages.Changed), s.noticedLate(r.path.Prefix(2)))
	return answer{later: []core.Effect{timer, call}}
}

// done ends a job with a code where its last handler has succeeded.
func (m *Machine) done(code messages.CoAPCode) func(*job, time.Time, Returned) []core.Effect {
	return func(j *job, _ time.Time, in Returned) []core.Effect {
		m.noticed(j.path.Prefix(2))
		if in.Err != nil {
			return m.finish(j, m.refusal(j.path, in.Err))
		}
		return m.finish(j, answer{Answer: answers.Done(code)})
	}
}
