package management

import (
	"slices"
	"strconv"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// discover is Discover (section 6.3.2): it lists what is at and below an object, instance
// or resource, with the number of instances of a multiple resource, and the version of
// an object where that is not the initial one.
func (s session) discover(r task) answer {
	path, in := r.path, r.in
	var sources []source
	for _, src := range s.discoverable(r.object, path) {
		src.ask = src.ask && s.mustRead(src)
		sources = append(sources, src)
	}
	return s.read(in, sources, func(done reading) answer { return done.links(path, in, r.object) })
}

// discoverable lists the instances that a Discover is about.
func (s session) discoverable(o *served, path lwm2m.Path) []source {
	if path.Len() == 1 {
		return s.sources(path)
	}
	return []source{s.source(o, path.Prefix(2))}
}

// mustRead reports whether only a Read tells what an instance has: which resources, or
// how many instances one of them has.
func (s session) mustRead(src source) bool {
	ids, ok := s.listed(src.object, src.target.Instance())
	if !ok {
		return true
	}
	i, _, _ := s.snapshot(src.object, src.target.Instance())
	return slices.ContainsFunc(ids, func(id uint16) bool {
		def, _ := src.object.resource(id)
		_, found := i.Resource(id)
		return def.Multiple && !found
	})
}

// links answers a Discover from what its instances have.
func (r reading) links(path lwm2m.Path, in messages.Inbound, o *served) answer {
	w := linkWriter{quoted: r.version10(in.Epoch)}
	if path.Len() == 1 {
		w.link(path)
		w.version(o.version())
		w.attributes(r.attributesOf(path, path))
	}
	for _, src := range r.sources {
		if src.gone() {
			continue
		}
		if src.err != nil {
			return r.refusal(src.target, src.err)
		}
		r.instanceLinks(&w, path, src)
	}
	return answer{Answer: answers.Content(messages.FormatLinkFormat, w.b)}
}

func (s session) instanceLinks(w *linkWriter, path lwm2m.Path, src source) {
	instance := src.target
	if path.Contains(instance) {
		w.link(instance)
		w.attributes(s.attributesOf(instance, path))
	}
	for _, e := range s.entries(src) {
		if child := instance.Child(e.id); path.Contains(child) {
			w.link(child)
			w.dimension(e.instances)
			w.attributes(s.attributesOf(child, path))
		}
	}
}

// entry is a resource as Discover shows it.
type entry struct {
	id        uint16
	instances int // of a multiple resource
}

// entries lists an instance's resources in order, with those that can be executed or
// only written.
func (s session) entries(src source) []entry {
	counted := map[uint16]int{}
	for _, n := range src.payload.Nodes {
		counted[n.Path.Resource()] += n.Path.Len() - 3
	}
	for _, path := range src.payload.Multiples {
		counted[path.Resource()] += 0 // there, if empty
	}
	ids, listed := s.listed(src.object, src.target.Instance())
	if !listed {
		ids = s.unreadable(src.object)
	}
	for _, id := range ids {
		counted[id] += 0
	}
	var all []entry
	for id, n := range counted {
		all = append(all, entry{id, n})
	}
	slices.SortFunc(all, func(a, b entry) int { return int(a.id) - int(b.id) })
	return all
}

// unreadable lists the resources that no Read shows.
func (s session) unreadable(o *served) (ids []uint16) {
	switch {
	case o.id == objects.Server:
		ids = []uint16{objects.ServerDisable, objects.ServerRegistrationUpdateTrigger}
		if hasBootstrap(s.model) {
			ids = append(ids, objects.ServerBootstrapRequestTrigger)
		}
	case o.app != nil:
		for _, def := range o.def.Resources {
			if !def.Operations.Has(lwm2m.OpRead) && s.supports(o, def) {
				ids = append(ids, def.ID)
			}
		}
	}
	return ids
}

// supports reports whether an application's object can do anything with a resource that
// cannot be read.
func (s session) supports(o *served, def lwm2m.ResourceDef) bool {
	return def.Operations.Has(lwm2m.OpExecute) && o.executor != nil || def.Operations.Has(lwm2m.OpWrite) && o.writer != nil
}

// linkWriter writes links of RFC 6690.
type linkWriter struct {
	b      []byte
	quoted bool // versions are, as in LwM2M 1.0
}

func (w *linkWriter) link(path lwm2m.Path) {
	if len(w.b) > 0 {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '<')
	w.b = append(w.b, path.String()...)
	w.b = append(w.b, '>')
}

// dimension adds the number of instances of a multiple resource; 0 is not shown.
func (w *linkWriter) dimension(n int) {
	if n > 0 {
		w.b = append(w.b, ";dim="...)
		w.b = strconv.AppendInt(w.b, int64(n), 10)
	}
}

// version adds the version of an object; empty is not shown.
func (w *linkWriter) version(v string) {
	if v == "" {
		return
	}
	if w.quoted {
		v = strconv.Quote(v)
	}
	w.b = append(w.b, ";ver="...)
	w.b = append(w.b, v...)
}

// attributes adds what a server has set to be notified by.
func (w *linkWriter) attributes(a reporting.Attributes) { w.b = a.AppendLink(w.b) }
