package management

import (
	"errors"
	"slices"

	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// Composite operations are addressed to the root and name paths anywhere below it, since
// LwM2M 1.1 (sections 6.3.8 and 6.3.9).

// root answers a request for the whole of the model.
func (s session) root(in *messages.Inbound) answer {
	switch {
	case in.Code == messages.GET:
		return *refuse(messages.BadRequest, "the root cannot be read")
	case s.version10(in.Epoch) || in.Code != messages.FETCH && in.Code != messages.IPATCH:
		return *notAllowed
	case len(in.Query) > 0:
		return *queried
	case in.Code == messages.FETCH:
		return s.readComposite(in)
	}
	return s.writeComposite(in)
}

// readComposite answers with what there is of the paths that are asked for. What is not
// there, or may not be read, is left out.
func (s session) readComposite(in *messages.Inbound) answer {
	format, refusal := compositeFormat(in)
	if refusal != nil {
		return *refusal
	}
	targets, refused := answers.DecodePaths(*in, lwm2m.Limits{})
	if !refused.IsZero() {
		return answer{Answer: refused}
	}
	if slices.ContainsFunc(targets, closed) {
		return *unauthorized
	}
	request := *in // when the answer comes later
	return s.read(in, s.composite(targets), func(done reading) answer {
		p, err := content(accepted(done.sources))
		if err != nil {
			return done.refusal(lwm2m.Path{}, err)
		}
		a := answer{Answer: answers.EncodeComposite(format, p)}
		if request.Observe != nil {
			done.observe(&a, &request, targets, p)
		}
		done.tellsReports(&a, p)
		return a
	})
}

// compositeFormat is the format of the answer to a Read-Composite.
func compositeFormat(in *messages.Inbound) (messages.Format, *answer) {
	if in.Accept != nil {
		if !codec.Supports(codec.CompositeAnswer, *in.Accept) {
			return 0, refuse(messages.NotAcceptable, "not a format of composite answers")
		}
		return *in.Accept, nil
	}
	if in.ContentFormat == nil {
		return 0, refuse(messages.UnsupportedFormat, "the paths have no Content-Format")
	}
	format, ok := codec.CompositeFormat(*in.ContentFormat)
	if !ok {
		return 0, refuse(messages.UnsupportedFormat, "not a Content-Format of composite requests")
	}
	return format, nil
}

// composite lists what there is to read for several targets, each of it once.
func (s session) composite(targets []lwm2m.Path) (all []source) {
	targets = slices.SortedFunc(slices.Values(targets), lwm2m.Path.Compare)
	last := -1
	for at, target := range targets {
		if last >= 0 && targets[last].Contains(target) {
			continue
		}
		last = at
		if s.mayReadAt(target) {
			all = append(all, s.sources(target)...)
		}
	}
	return all
}

// mayReadAt reports whether there may be something at a target that the server may read.
func (s session) mayReadAt(target lwm2m.Path) bool {
	if target.Len() == 0 {
		return true
	}
	o := s.object(target.Object())
	switch {
	case o == nil:
		return false
	case target.Len() == 1:
		return true
	case !s.hasInstance(o, target.Instance()), !s.rights(o.id, target.Instance()).Has(access.Read):
		return false
	case target.Len() == 2:
		return true
	}
	def, found := o.resource(target.Resource())
	return found && def.Operations.Has(lwm2m.OpRead) && (target.Len() == 3 || def.Multiple)
}

// refused reports whether an object has refused the Read of a source.
func (src source) refused() bool {
	var said *object.Error
	return errors.As(src.err, &said) && said.Code.Class() == 4
}

// accepted leaves out the sources that objects have refused to show.
func accepted(sources []source) []source { return slices.DeleteFunc(sources, source.refused) }

// writeComposite changes several instances, all of them or none.
func (s session) writeComposite(in *messages.Inbound) answer {
	p, refused := answers.DecodeWriteComposite(*in, s.config.Registry, lwm2m.Limits{})
	if !refused.IsZero() {
		return *undecoded(refused, func() *answer { return s.misnamedComposite(in) })
	}
	if refusal := s.judgeComposite(in, p); refusal != nil {
		return *refusal
	}
	t := &transaction{session: s, success: answer{Answer: answers.Done(messages.Changed)}}
	for _, instance := range instancesOf(p) {
		if refusal := t.add(in, instance, p); refusal != nil {
			return *refusal
		}
	}
	return s.start(in, t)
}

// instancesOf lists the instances that a payload has something of, each once.
func instancesOf(p lwm2m.Payload) (all []lwm2m.Path) {
	for _, n := range p.Nodes {
		all = append(all, n.Path.Prefix(2))
	}
	for _, path := range p.Deleted {
		all = append(all, path.Prefix(2))
	}
	slices.SortFunc(all, lwm2m.Path.Compare)
	return slices.Compact(all)
}

// judgeComposite refuses a Write-Composite for what it names, before what its values are.
func (s session) judgeComposite(in *messages.Inbound, p lwm2m.Payload) *answer {
	for _, instance := range instancesOf(p) {
		r := &task{in: *in, path: instance, op: opUpdate, object: s.object(instance.Object())}
		if refusal := s.judge(r); refusal != nil {
			return refusal
		}
		part := p.Filter(instance.Contains)
		if refusal := r.object.named(instance, resourcesOf(part, instance), false); refusal != nil {
			return refusal
		}
		if refusal := r.object.removable(part.Deleted); refusal != nil {
			return refusal
		}
	}
	return nil
}

// resourcesOf lists what a payload has of an instance.
func resourcesOf(p lwm2m.Payload, instance lwm2m.Path) []lwm2m.Resource {
	i, _ := lwm2m.Payload{Nodes: p.Nodes, Multiples: p.Multiples}.Tree().Instance(instance.Object(), instance.Instance())
	return i.Resources
}

// add adds what a Write-Composite says of one instance, which it may name, if the values
// can be written.
func (t *transaction) add(in *messages.Inbound, instance lwm2m.Path, p lwm2m.Payload) *answer {
	o := t.object(instance.Object())
	part := p.Filter(instance.Contains)
	resources, refusal := o.written(instance, resourcesOf(part, instance), false)
	if refusal != nil {
		return refusal
	}
	if o.app == nil {
		return t.addModel(in, instance, part)
	}
	change := object.Change{Instance: instance.Instance(), Resources: resources, Merge: multiples(resources), Remove: part.Deleted}
	t.parts = append(t.parts, prepared{object: o, path: instance, do: write{change}})
	return nil
}

// removable refuses to remove what is no instance of a resource that servers write.
func (o *served) removable(paths []lwm2m.Path) *answer {
	for _, path := range paths {
		def, found := o.resource(path.Resource())
		switch {
		case !found:
			return notFound
		case !def.Operations.Has(lwm2m.OpWrite) || !def.Multiple || o.kept():
			return notAllowed
		}
	}
	return nil
}

// addModel adds what concerns an object that the supervisor keeps, and carries out.
func (t *transaction) addModel(in *messages.Inbound, instance lwm2m.Path, part lwm2m.Payload) *answer {
	if t.model != nil {
		return refuse(messages.MethodNotAllowed, "one instance of objects 1 and 2 is written at a time")
	}
	part.Instances = []lwm2m.Path{instance}
	t.model = &messages.WriteModel{Peer: t.peer, Epoch: in.Epoch, ID: in.ID, Path: instance, Payload: part}
	return nil
}
