package management

import (
	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// Device is what object 3 says of the device. The manufacturer is always
// shown, the others when they are not empty.
type Device struct {
	Manufacturer string
	Model        string
	Serial       string
	Firmware     string
}

// Contents of the Device object that do not depend on the device: no error,
// and UDP as the only transport.
const (
	noError    = 0
	bindingUDP = "U"
)

// deviceInstance is the one instance of the Device object.
const deviceInstance = 0

var currentTime = lwm2m.PathOf(objects.Device, deviceInstance, objects.DeviceCurrentTime)

// tree is object 3, with any time.
func (d Device) tree() *lwm2m.Tree {
	tree := lwm2m.NewTree()
	put := func(r lwm2m.Resource) { tree.PutResource(objects.Device, deviceInstance, r) }
	put(lwm2m.Resource{ID: objects.DeviceManufacturer, Value: lwm2m.String(d.Manufacturer)})
	put(lwm2m.Resource{ID: objects.DeviceErrorCode, Multiple: true, Instances: []lwm2m.ResourceInstance{{Value: lwm2m.Integer(noError)}}})
	put(lwm2m.Resource{ID: objects.DeviceCurrentTime})
	put(lwm2m.Resource{ID: objects.DeviceSupportedBindingAndModes, Value: lwm2m.String(bindingUDP)})
	for id, text := range map[uint16]string{
		objects.DeviceModelNumber: d.Model, objects.DeviceSerialNumber: d.Serial, objects.DeviceFirmwareVersion: d.Firmware,
	} {
		if text != "" {
			put(lwm2m.Resource{ID: id, Value: lwm2m.String(text)})
		}
	}
	return tree
}

// tree returns the tree that has an object of the client's own.
func (m *Machine) tree(o *served) *lwm2m.Tree {
	switch {
	case o.id == objects.Device:
		return m.ownDevice()
	case o.renews():
		return enrolmentTree(m.model)
	}
	return m.model
}

// rights are what a server may do with an object instance.
type rights = access.Rights

// rights returns what the server may do with an instance, by objects 1 and 2.
func (s session) rights(obj, inst uint16) rights { return s.access.Of(s.peer.ID, obj, inst) }

// owns reports whether the Server instance belongs to the peer.
func owns(model *lwm2m.Tree, peer messages.Peer, inst uint16) bool {
	v, found := model.Value(lwm2m.PathOf(objects.Server, inst, objects.ServerShortServerID))
	return found && v == lwm2m.Integer(int64(peer.ID))
}

// readable lists the instances of an object that the server may read.
func (s session) readable(o *served) []uint16 {
	all := s.instances(o)
	ids := make([]uint16, 0, len(all))
	for _, inst := range all {
		if s.rights(o.id, inst).Has(access.Read) {
			ids = append(ids, inst)
		}
	}
	return ids
}

// own is what one of the client's own objects has at and below a path of two to four
// segments, as of now.
func (s session) own(o *served, path lwm2m.Path) (p lwm2m.Payload, found bool) {
	if hidden, is := s.screens[path.Prefix(2)]; is {
		return lwm2m.PayloadOf(path, hidden.before)
	}
	p, found = s.tree(o).Payload(path)
	for i := range p.Nodes {
		if p.Nodes[i].Path == currentTime {
			p.Nodes[i].Value = lwm2m.Time(s.now)
		}
	}
	return p, found
}

// hasBootstrap reports whether there is a bootstrap account.
func hasBootstrap(model *lwm2m.Tree) bool {
	for _, inst := range model.Instances(objects.Security) {
		v, _ := model.Value(lwm2m.PathOf(objects.Security, inst, objects.SecurityBootstrapServer))
		if v.Bool() {
			return true
		}
	}
	return false
}

// ownDevice returns object 3 of the client's own: many clients are never asked for it.
func (m *Machine) ownDevice() *lwm2m.Tree {
	if m.device == nil {
		m.device = m.config.Device.tree()
	}
	return m.device
}
