package management

import (
	"slices"
	"strconv"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// discover lists what is at and below an object, instance or resource, with
// the number of instances of a multiple resource (section 6.3.2). There are no
// other attributes yet.
func (s session) discover(path lwm2m.Path) answer {
	if path.Len() > 3 {
		return *notAllowed
	}
	var links []byte
	add := func(p lwm2m.Path, dimension int) { links = appendLink(links, p, dimension) }
	if path.Len() == 1 {
		add(path, 0)
	}
	for _, inst := range s.instances(path.Object()) {
		instance := lwm2m.PathOf(path.Object(), inst)
		if path.Contains(instance) {
			add(instance, 0)
		}
		for _, r := range s.resources(instance) {
			if child := instance.Child(r.ID); path.Contains(child) {
				add(child, len(r.Instances))
			}
		}
	}
	return answer{Answer: answers.Content(messages.FormatLinkFormat, links)}
}

// resources lists an instance's resources, the executable ones included, in
// order.
func (s session) resources(path lwm2m.Path) []lwm2m.Resource {
	i, _ := s.object(path.Object()).Instance(path.Object(), path.Instance())
	resources := i.Resources
	if path.Object() == objects.Server {
		resources = append(resources, lwm2m.Resource{ID: objects.ServerRegistrationUpdateTrigger})
		if hasBootstrap(s.model) {
			resources = append(resources, lwm2m.Resource{ID: objects.ServerBootstrapRequestTrigger})
		}
	}
	slices.SortFunc(resources, func(a, b lwm2m.Resource) int { return int(a.ID) - int(b.ID) })
	return resources
}

// appendLink appends a link of RFC 6690; a dimension of 0 is not shown.
func appendLink(links []byte, path lwm2m.Path, dimension int) []byte {
	if len(links) > 0 {
		links = append(links, ',')
	}
	links = append(links, '<')
	links = append(links, path.String()...)
	links = append(links, '>')
	if dimension > 0 {
		links = append(links, ";dim="...)
		links = strconv.AppendInt(links, int64(dimension), 10)
	}
	return links
}
