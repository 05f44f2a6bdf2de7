package management

import (
	"slices"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/linkformat"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// discover is Discover (section 6.3.2): it lists what is at and below an object, instance
// or resource, with the number of instances of a multiple resource, and the version of
// an object where that is not the initial one.
func (s session) discover(r *task) answer {
	path, in, o := r.path, r.in, r.object // what the answer needs of the request when it comes later
	var sources []source
	for _, src := range s.discoverable(o, path) {
		src.ask = src.ask && s.mustRead(src)
		sources = append(sources, src)
	}
	return s.read(&r.in, sources, func(done reading) answer { return done.links(path, &in, o) })
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
func (r reading) links(path lwm2m.Path, in *messages.Inbound, o *served) answer {
	var links []linkformat.DiscoverLink
	if path.Len() == 1 {
		links = append(links, linkformat.DiscoverLink{Path: path, Version: o.version(), Numbers: r.numbers(path, path)})
	}
	for _, src := range r.sources {
		if src.gone() {
			continue
		}
		if src.err != nil {
			return r.refusal(src.target, src.err)
		}
		for _, link := range r.instanceLinks(path, src) {
			if path.Contains(link.Path) {
				links = append(links, link)
			}
		}
	}
	data, err := linkformat.EncodeDiscover(r.versions.of(in.Epoch), links)
	if err != nil {
		return r.refusal(path, err)
	}
	return answer{Answer: answers.Content(messages.FormatLinkFormat, data)}
}

// instanceLinks lists an instance and its resources.
func (s session) instanceLinks(asked lwm2m.Path, src source) []linkformat.DiscoverLink {
	links := []linkformat.DiscoverLink{{Path: src.target, Numbers: s.numbers(src.target, asked)}}
	for _, e := range s.entries(src) {
		child := src.target.Child(e.id)
		links = append(links, linkformat.DiscoverLink{
			Path: child, Multiple: e.instances > 0, Dimension: e.instances, Numbers: s.numbers(child, asked),
		})
	}
	return links
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
	case o.renews():
		ids = []uint16{objects.EnrolmentRenew}
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

// numbers is what Discover shows of attributes at a path.
func (s session) numbers(path, target lwm2m.Path) (numbers []linkformat.Number) {
	for at, value := range s.attributesOf(path, target).All() {
		numbers = append(numbers, linkformat.Number{Name: at.String(), Value: value})
	}
	return numbers
}
