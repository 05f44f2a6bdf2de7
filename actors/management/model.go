package management

import (
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

// ObjectEntries lists the objects and instances that a registration announces,
// of objects 0 and 1: the Server object as it is, and the Device object. The
// Security object is never announced.
func ObjectEntries(tree *lwm2m.Tree) []messages.ObjectEntry {
	return []messages.ObjectEntry{
		{ID: objects.Server, Instances: tree.Instances(objects.Server)},
		{ID: objects.Device, Instances: []uint16{deviceInstance}},
	}
}

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

// object returns the tree that has an object of the model; nil for an object that
// no server can see. What it may see of object 1, sees decides.
func (s session) object(obj uint16) *lwm2m.Tree {
	switch obj {
	case objects.Server:
		return s.model
	case objects.Device:
		return s.device
	}
	return nil
}

// sees reports whether the server may see an instance that is there: of object 1
// its own, and everything else.
func (s session) sees(obj, inst uint16) bool {
	return obj != objects.Server || owns(s.model, s.peer, inst)
}

// owns reports whether the Server instance belongs to the peer.
func owns(model *lwm2m.Tree, peer messages.Peer, inst uint16) bool {
	v, found := model.Value(lwm2m.PathOf(objects.Server, inst, objects.ServerShortServerID))
	return found && v == lwm2m.Integer(int64(peer.ID))
}

// instances lists the instances of an object that the server may see.
func (s session) instances(obj uint16) (seen []uint16) {
	for _, inst := range s.object(obj).Instances(obj) {
		if s.sees(obj, inst) {
			seen = append(seen, inst)
		}
	}
	return seen
}

// payload is what the server may read at and below a path that locate has found,
// as of now; false for what can only be executed.
func (s session) payload(path lwm2m.Path) (p lwm2m.Payload, found bool) {
	if path.Len() > 1 {
		p, found = s.object(path.Object()).Payload(path)
	} else {
		p, found = s.wholeObject(path), true
	}
	for i := range p.Nodes {
		if p.Nodes[i].Path == currentTime {
			p.Nodes[i].Value = lwm2m.Time(s.now)
		}
	}
	return p, found
}

// wholeObject is what the server may read of an object; nothing where there is no
// instance for it.
func (s session) wholeObject(path lwm2m.Path) (all lwm2m.Payload) {
	for _, inst := range s.instances(path.Object()) {
		p, _ := s.object(path.Object()).Payload(path.Child(inst))
		all.Nodes = append(all.Nodes, p.Nodes...)
		all.Instances = append(all.Instances, p.Instances...)
		all.Multiples = append(all.Multiples, p.Multiples...)
	}
	return all
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
