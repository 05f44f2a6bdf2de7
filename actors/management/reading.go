package management

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// source is one object instance, or a part of one, that is read.
type source struct {
	object  *served
	target  lwm2m.Path // of two to four segments
	payload lwm2m.Payload
	found   bool
	ask     bool // the object has to be asked by Read
	err     error
}

// errUnfit is the error of a source that does not conform to its definition.
var errUnfit = errors.New("the object does not keep to its definition")

// source finds out what is at a path of two to four segments, as far as that is in
// memory.
func (s session) source(o *served, target lwm2m.Path) source {
	src := source{object: o, target: target}
	if o.app == nil {
		src.payload, src.found = s.own(o, target)
		if o.id == objects.Device {
			src.payload = s.inVersion(src.payload)
		}
		return src
	}
	i, whole, ok := s.snapshot(o, target.Instance())
	if len(s.faults) > 0 {
		src.err = errUnfit
		return src
	}
	if !ok && o.snapshotter != nil {
		return src // there is no such instance
	}
	if !ok || !whole && target.Len() == 2 {
		src.ask = true
		return src
	}
	s.fill(&src, i)
	src.ask = !src.found && !whole && src.err == nil
	return src
}

// fill takes the content of a source from an instance.
func (s session) fill(src *source, i lwm2m.Instance) {
	p, found := lwm2m.PayloadOf(src.target, i)
	if !found {
		return
	}
	if src.payload, src.found = s.conform(src.object, p); !src.found {
		src.err = errUnfit
	}
	if src.object.id == objects.Device {
		src.payload = s.inVersion(src.payload)
	}
}

// take takes the outcome of a Read into a source.
func (s session) take(src *source, r Read) {
	src.ask, src.err = false, r.Err
	if r.Err != nil {
		return
	}
	byID := func(a, b lwm2m.Resource) int { return cmp.Compare(a.ID, b.ID) }
	if !slices.IsSortedFunc(r.Resources, byID) { // lookups rely on it
		r.Resources = slices.SortedFunc(slices.Values(r.Resources), byID)
	}
	s.fill(src, lwm2m.Instance{ID: src.target.Instance(), Resources: r.Resources})
}

// sources lists what there is to read for a target, with what is in memory. Of an object
// and of the root that is what the server may read.
func (s session) sources(target lwm2m.Path) (all []source) {
	switch target.Len() {
	case 0:
		for _, id := range s.catalog.ids() {
			all = append(all, s.sources(lwm2m.PathOf(id))...)
		}
	case 1:
		o := s.catalog[target.Object()]
		readable := s.readable(o)
		all = make([]source, 0, len(readable))
		for _, inst := range readable {
			all = append(all, s.source(o, target.Child(inst)))
		}
	default:
		all = append(all, s.source(s.catalog[target.Object()], target))
	}
	return all
}

// reading asks objects for the sources that are not in memory, all of them at once, and
// hands them to then, in order.
type reading struct {
	session
	sources []source
	then    func(reading) answer
	refused *answer // by the first object that has failed as a whole; nil for none
}

// read answers a request with what then makes of the sources: at once where all of them
// are in memory.
func (s session) read(in *messages.Inbound, sources []source, then func(reading) answer) answer {
	wanted := missing(sources)
	if len(wanted) == 0 {
		return then(reading{session: s, sources: sources})
	}
	if closed := s.screened(sources); len(closed) > 0 && s.late == nil {
		if waits := s.turn(in, wish{reads: closed}); waits != nil {
			return *waits
		}
	}
	r := &reading{session: s, sources: sources, then: then}
	if refusal := s.admit(s.peer, wanted...); refusal != nil {
		return *refusal
	}
	j, timer := s.begin(in)
	return answer{later: append([]core.Effect{timer}, r.ask(j, wanted)...)}
}

// missing lists the objects that have to be asked for some sources.
func missing(sources []source) (wanted []*served) {
	for _, src := range sources {
		if src.ask && !slices.Contains(wanted, src.object) {
			wanted = append(wanted, src.object)
		}
	}
	return wanted
}

// ask asks each of the objects for what is wanted of it.
func (r *reading) ask(j *job, wanted []*served) (effects []core.Effect) {
	for _, o := range wanted {
		var targets []lwm2m.Path
		for _, src := range r.sources {
			if src.ask && src.object == o {
				targets = append(targets, src.target)
			}
		}
		effects = append(effects, r.call(j, o, targets[0], reads{targets}, r.returned))
	}
	return effects
}

// returned takes what one object has said; the last of them ends the job.
func (r *reading) returned(j *job, now time.Time, in Returned) []core.Effect {
	r.now = now
	if in.Err == nil {
		r.takeAll(in)
	} else if refusal := r.refusal(in.path, in.Err); r.refused == nil {
		r.refused = &refusal
	}
	switch {
	case len(j.calls) > 0:
		return nil
	case r.refused != nil:
		return r.finish(j, *r.refused)
	}
	return r.finish(j, r.then(*r))
}

// takeAll takes what one object has read into the sources that are its.
func (r *reading) takeAll(in Returned) {
	n := 0
	for i := range r.sources {
		if src := &r.sources[i]; src.ask && src.object == in.of {
			r.take(src, in.Reads[n])
			n++
		}
	}
}

// gone reports whether a source has vanished since its object said that it was there.
func (src source) gone() bool {
	var said *object.Error
	return errors.As(src.err, &said) && said.Code == lwm2m.CodeNotFound
}

// content joins what the sources have. Of several, one that has vanished is left out.
func content(sources []source) (p lwm2m.Payload, err error) {
	if len(sources) == 1 && sources[0].err == nil {
		return sources[0].payload, nil
	}
	for _, src := range sources {
		switch {
		case src.gone():
			continue
		case src.err != nil:
			return lwm2m.Payload{}, src.err
		}
		p.Nodes = append(p.Nodes, src.payload.Nodes...)
		p.Instances = append(p.Instances, src.payload.Instances...)
		p.Multiples = append(p.Multiples, src.payload.Multiples...)
	}
	return p, nil
}
