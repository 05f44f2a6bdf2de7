package bootstrap

import (
	"slices"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/linkformat"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// discover is Bootstrap-Discover (section 6.1.7), on the root or an object.
// Object 3 exists, but is not part of a bootstrap; object 2 once it has an instance.
func (t *transaction) discover(path lwm2m.Path) answer {
	if path.Len() > 1 {
		return notAllowed
	}
	tree := t.Tree()
	tree.PutObject(objects.Security)
	tree.PutObject(objects.Server)
	tree.PutInstance(objects.Device, lwm2m.Instance{})
	if path.Len() == 1 && !slices.Contains(tree.Objects(), path.Object()) {
		return refuse(messages.NotFound, "no such object")
	}
	links, err := linkformat.EncodeBootstrapDiscover(t.version, path, tree, t.registry)
	if err != nil {
		return refuse(messages.InternalServerError, err.Error())
	}
	return answer{Answer: answers.Content(messages.FormatLinkFormat, links)}
}

// read is Bootstrap-Read (section 6.1.7): since LwM2M 1.1, and only of the
// Server and Access Control objects. An Access Control object is there once it has an
// instance.
func (t *transaction) read(path lwm2m.Path, accept *messages.Format) answer {
	readable := path.Object() == objects.Server || path.Object() == objects.AccessControl
	if t.version == requests.Version10 || path.Len() < 1 || path.Len() > 2 || !readable {
		return notAllowed
	}
	payload, found := t.Tree().Payload(path)
	if !found && path != lwm2m.PathOf(objects.Server) {
		return refuse(messages.NotFound, "no such object or instance")
	}
	format := t.format
	if accept != nil {
		format = *accept
	}
	return answer{Answer: answers.Encode(format, path, payload)}
}
