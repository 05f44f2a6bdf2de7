package configfile

import (
	"cmp"
	"context"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/gateway"
	"github.com/holdfast-iot/holdfast/internal/source"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Gateway is about the machine that a program makes manageable with [File.Machine].
type Gateway struct {
	// Hidden says that servers do not see what the machine says of itself: device.machine is false.
	Hidden bool
	// Reboot is the program, and its arguments, that reboots the machine; none: servers
	// cannot have it rebooted.
	Reboot []string
	// Location is where the gateway stands.
	Location Location
}

// Location is a place in degrees of WGS 84; both or neither are there.
type Location struct {
	Latitude  *float64 // -90 to 90, north is positive
	Longitude *float64 // -180 to 180, east is positive
}

func gatewayKeys() []key {
	return []key{
		notNo("device.machine", func(f *File) *bool { return &f.Gateway.Hidden }),
		textsKey("device.reboot", func(f *File) *[]string { return &f.Gateway.Reboot }, commandFrom),
		degrees(keyLatitude, func(f *File) **float64 { return &f.Gateway.Location.Latitude }, "is not a number from -90 to 90"),
		degrees(keyLongitude, func(f *File) **float64 { return &f.Gateway.Location.Longitude }, "is not a number from -180 to 180"),
	}
}

const (
	keyLatitude  = "location.latitude"
	keyLongitude = "location.longitude"
)

// degrees is a number that may be left out, and may be 0.
func degrees(path string, field func(*File) **float64, problem string) key {
	return key{path: path, set: func(f *File, text string) string {
		v, ok := lwm2m.ParseValue(lwm2m.KindFloat, text)
		if !ok {
			return problem
		}
		*field(f) = new(v.Float64())
		return ""
	}, value: func(f *File) any {
		if p := *field(f); p != nil {
			return *p
		}
		return nil
	}}
}

// faults says what does not go together.
func (g Gateway) faults() []holdfast.Fault {
	faults := g.Location.faults()
	if g.Hidden && len(g.Reboot) > 0 {
		faults = appendFault(faults, "device.reboot", "is of no use while device.machine is false")
	}
	return faults
}

// faults says what is wrong with the place.
func (l Location) faults() (faults []holdfast.Fault) {
	switch {
	case l.Latitude != nil && l.Longitude == nil:
		faults = appendFault(faults, keyLongitude, "is required beside "+keyLatitude)
	case l.Latitude == nil && l.Longitude != nil:
		faults = appendFault(faults, keyLatitude, "is required beside "+keyLongitude)
	}
	outside := func(p *float64, most float64) bool { return p != nil && (*p < -most || *p > most) }
	if outside(l.Latitude, 90) {
		faults = appendFault(faults, keyLatitude, "is not a number from -90 to 90")
	}
	if outside(l.Longitude, 180) {
		faults = appendFault(faults, keyLongitude, "is not a number from -180 to 180")
	}
	return faults
}

// Machine makes the objects that this machine fills by itself, for the Objects of the
// Config: Device (3), Connectivity Monitoring (4) and Connectivity Statistics (7), and
// Location (6) where it is configured; nothing but that when Gateway.Hidden is true. What
// the keys of device say goes before what the machine says. An object that Config has
// already is left out. failed, which may be nil, is told when the command that reboots has failed.
func (f File) Machine(failed func(lwm2m.Path, error)) []object.Object {
	var made []object.Object
	for _, o := range f.machine(failed) {
		if !f.serves(o.Definition().ID) {
			made = append(made, o)
		}
	}
	return made
}

// serves reports whether the configuration has an object of its own.
func (f File) serves(id uint16) bool {
	for _, o := range f.Config.Objects {
		if o.Definition().ID == id {
			return true
		}
	}
	return false
}

func (f File) machine(failed func(lwm2m.Path, error)) []object.Object {
	var made []object.Object
	if device := f.Config.Device; !f.Gateway.Hidden {
		made = append(made, gateway.NewDevice(gateway.DeviceConfig{
			Manufacturer: cmp.Or(device.Manufacturer, holdfast.DefaultManufacturer),
			Model:        device.Model, Serial: device.Serial, Firmware: device.Firmware,
			Reboot: f.reboot(failed),
		}), gateway.NewConnectivity(gateway.ConnectivityConfig{}), gateway.NewStatistics(gateway.StatisticsConfig{}))
	}
	if l := f.Gateway.Location; l.Latitude != nil && l.Longitude != nil {
		place := &gateway.Location{}
		place.Set(gateway.Fix{Latitude: *l.Latitude, Longitude: *l.Longitude, Time: time.Now()})
		made = append(made, place)
	}
	return made
}

// reboot is what a server executes; nil where nothing is configured.
func (f File) reboot(failed func(lwm2m.Path, error)) func(context.Context) error {
	argv := f.Gateway.Reboot
	if len(argv) == 0 {
		return nil
	}
	return func(ctx context.Context) error {
		err := source.Begin(ctx, argv)
		if err == nil || failed == nil {
			return err
		}
		failed(lwm2m.PathOf(objects.Device, 0, objects.DeviceReboot), err)
		return object.Refuse(lwm2m.CodeInternalServerError, "the reboot has failed")
	}
}
