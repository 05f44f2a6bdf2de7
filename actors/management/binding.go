package management

import (
	"slices"

	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

var supportedBinding = lwm2m.PathOf(objects.Device, deviceInstance, objects.DeviceSupportedBindingAndModes)

// inVersion writes the supported binding (/3/0/16) in the terms of the version that the
// server speaks: that the client can be in queue mode is a part of it in LwM2M 1.0, and said
// apart later. An application's Device object cannot know the version, so its "U" is
// taken for the same. What was read is not changed, as it may belong to the application.
func (s session) inVersion(p lwm2m.Payload) lwm2m.Payload {
	said := lwm2m.String(requests.SupportedBinding(""))
	at := slices.IndexFunc(p.Nodes, func(n lwm2m.Node) bool { return n.Path == supportedBinding && n.Value == said })
	if at < 0 {
		return p
	}
	if o := s.observers.of(s.peer); o == nil || !s.version10(o.epoch) {
		return p
	}
	p.Nodes = slices.Clone(p.Nodes)
	p.Nodes[at].Value = lwm2m.String(requests.SupportedBinding(requests.Version10))
	return p
}
