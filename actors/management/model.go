package management

import (
	"time"

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

// ObjectEntries lists the objects and instances that a registration announces,
// of objects 0 and 1: the Server object as it is, and the Device object. The
// Security object is never announced.
func ObjectEntries(tree *lwm2m.Tree) []messages.ObjectEntry {
	return []messages.ObjectEntry{
		{ID: objects.Server, Instances: tree.Instances(objects.Server)},
		{ID: objects.Device, Instances: []uint16{0}},
	}
}

// view is the part of the model that a server may see, its values as of now.
func (m *Machine) view(now time.Time, peer messages.Peer) *lwm2m.Tree {
	view := lwm2m.NewTree()
	view.PutObject(objects.Server)
	for _, inst := range m.model.Instances(objects.Server) {
		if owns(m.model, peer, inst) {
			i, _ := m.model.Instance(objects.Server, inst)
			view.PutInstance(objects.Server, i)
		}
	}
	view.PutInstance(objects.Device, m.config.Device.instance(now))
	return view
}

// owns reports whether the Server instance belongs to the peer.
func owns(model *lwm2m.Tree, peer messages.Peer, inst uint16) bool {
	v, found := model.Value(lwm2m.PathOf(objects.Server, inst, objects.ServerShortServerID))
	return found && v == lwm2m.Integer(int64(peer.ID))
}

func (d Device) instance(now time.Time) lwm2m.Instance {
	i := lwm2m.Instance{Resources: []lwm2m.Resource{
		{ID: objects.DeviceManufacturer, Value: lwm2m.String(d.Manufacturer)},
		{ID: objects.DeviceErrorCode, Multiple: true, Instances: []lwm2m.ResourceInstance{{Value: lwm2m.Integer(noError)}}},
		{ID: objects.DeviceCurrentTime, Value: lwm2m.Time(now)},
		{ID: objects.DeviceSupportedBindingAndModes, Value: lwm2m.String(bindingUDP)},
	}}
	optional := func(id uint16, text string) {
		if text != "" {
			i.Resources = append(i.Resources, lwm2m.Resource{ID: id, Value: lwm2m.String(text)})
		}
	}
	optional(objects.DeviceModelNumber, d.Model)
	optional(objects.DeviceSerialNumber, d.Serial)
	optional(objects.DeviceFirmwareVersion, d.Firmware)
	return i
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
