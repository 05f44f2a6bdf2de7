package gateway

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// How often what changes by itself is read while it is observed.
const (
	sampleTime   = time.Minute // the clock is no news
	sampleMemory = time.Minute
	samplePower  = 30 * time.Second
)

// DeviceConfig is what a [Device] is told. What is empty comes from the machine where
// it says something: its firmware or device tree has a manufacturer, a model, a serial
// number and a hardware version, the operating system has a name, which is the software
// version.
type DeviceConfig struct {
	Manufacturer string
	Model        string
	Serial       string
	Firmware     string
	Type         string
	Hardware     string
	Software     string
	// Bindings are the supported bindings and modes; "U" when empty, which a server of
	// LwM2M 1.0 reads as "UQ", as the client can be in queue mode.
	Bindings string
	// Power lists power sources that the operating system does not know of, such as
	// PowerOverEthernet.
	Power []PowerSource
	// Storage is a directory. When it is set, memory total and free are those of the
	// file system that it is on, else those of the main memory.
	Storage string
	// Location is the time zone; nil for that of the machine.
	Location *time.Location

	// Reboot begins a reboot and returns at once, so that the server is answered
	// before it happens; nil answers 4.05. An error refuses it.
	Reboot func(context.Context) error
	// FactoryReset is the same for the way back to the factory's state; without it there
	// is no such resource.
	FactoryReset func(context.Context) error
	// SetTime sets the clock; nil answers 4.05 to a server that writes it.
	SetTime func(context.Context, time.Time) error
	// SetUTCOffset and SetTimezone have the text that a server has written, such as
	// "+02:00" and "Europe/Berlin"; nil answers 4.05.
	SetUTCOffset func(context.Context, string) error
	SetTimezone  func(context.Context, string) error
	// Errors lists the errors that are present. It is asked when a server resets the
	// error codes; nil for none.
	Errors func() []ErrorCode

	Machine Machine
}

// Device is object 3. It implements [object.Object] and what can be implemented beside
// it. Safe for concurrent use.
type Device struct {
	config   DeviceConfig
	readings readings
	errors   *errorCodes
	watchers watchers
}

// NewDevice makes object 3 of this machine.
func NewDevice(config DeviceConfig) *Device {
	config.Machine = config.Machine.orDefault()
	config = config.withIdentity(config.Machine.identity())
	d := &Device{config: config}
	d.errors = newErrorCodes(func() { d.watchers.tell(lwm2m.PathOf(objects.Device, 0, objects.DeviceErrorCode)) })
	d.readings = slices.Concat(d.identity(), d.memory(), d.power(), d.clock(), readings{
		{objects.DeviceErrorCode, 0, d.errors.resource},
	})
	slices.SortFunc(d.readings, func(a, b reading) int { return cmp.Compare(a.id, b.id) })
	return d
}

// identity is what a machine says of itself.
type identity struct{ manufacturer, model, serial, hardware, software string }

// withIdentity fills in what the application does not say.
func (c DeviceConfig) withIdentity(i identity) DeviceConfig {
	c.Manufacturer = cmp.Or(c.Manufacturer, i.manufacturer)
	c.Model = cmp.Or(c.Model, i.model)
	c.Serial = cmp.Or(c.Serial, i.serial)
	c.Hardware = cmp.Or(c.Hardware, i.hardware)
	c.Software = cmp.Or(c.Software, i.software)
	c.Bindings = cmp.Or(c.Bindings, "U")
	return c
}

func (d *Device) identity() readings {
	c := d.config
	return slices.Concat(
		text(objects.DeviceManufacturer, c.Manufacturer),
		text(objects.DeviceModelNumber, c.Model),
		text(objects.DeviceSerialNumber, c.Serial),
		text(objects.DeviceFirmwareVersion, c.Firmware),
		text(objects.DeviceSupportedBindingAndModes, c.Bindings),
		text(objects.DeviceType, c.Type),
		text(objects.DeviceHardwareVersion, c.Hardware),
		text(objects.DeviceSoftwareVersion, c.Software),
	)
}

// kilobyte is the unit of memory, which is not 1024 bytes.
const kilobyte = 1000

func (d *Device) memory() readings {
	measure := func() (total, free uint64, ok bool) { return d.config.Machine.memory() }
	if path := d.config.Storage; path != "" {
		measure = func() (total, free uint64, ok bool) { return storage(path) }
	}
	if _, _, ok := measure(); !ok {
		return nil
	}
	return readings{
		number(objects.DeviceMemoryFree, sampleMemory, func() (int64, bool) { _, free, ok := measure(); return int64(free / kilobyte), ok }),
		number(objects.DeviceMemoryTotal, sampleMemory, func() (int64, bool) { total, _, ok := measure(); return int64(total / kilobyte), ok }),
	}
}

// clock is the time, and where the device says that it is.
func (d *Device) clock() readings {
	now := func() time.Time {
		if l := d.config.Location; l != nil {
			return d.config.Machine.Now().In(l)
		}
		return d.config.Machine.Now()
	}
	return readings{
		single(objects.DeviceCurrentTime, sampleTime, func() (lwm2m.Value, bool) { return lwm2m.Time(now()), true }),
		single(objects.DeviceUTCOffset, sampleTime, func() (lwm2m.Value, bool) { return lwm2m.String(now().Format("-07:00")), true }),
		single(objects.DeviceTimezone, sampleTime, func() (lwm2m.Value, bool) {
			zone := d.config.Machine.zone(now().Location())
			return lwm2m.String(zone), zone != ""
		}),
	}
}

// SetError says that an error is present, or no more: code is 1 to 8, or one of the
// device's own, 16 to 32. Others are ignored.
func (d *Device) SetError(code ErrorCode, present bool) {
	if code != noError && code <= largestErrorCode {
		d.errors.set(code, present)
	}
}

// Definition implements [object.Object].
func (d *Device) Definition() lwm2m.ObjectDef { return objects.DeviceDef() }

// Instances implements [object.Object].
func (d *Device) Instances() []uint16 { return onlyInstance() }

// Read implements [object.Object].
func (d *Device) Read(ctx context.Context, target lwm2m.Path) ([]lwm2m.Resource, error) {
	return d.readings.of(ctx, target)
}

// Resources implements [object.Lister].
func (d *Device) Resources(uint16) []uint16 {
	more := []uint16{objects.DeviceResetErrorCode}
	if d.config.Reboot != nil {
		more = append(more, objects.DeviceReboot)
	}
	if d.config.FactoryReset != nil {
		more = append(more, objects.DeviceFactoryReset)
	}
	return d.readings.ids(more...)
}

// Sample implements [object.Sampler].
func (d *Device) Sample(target lwm2m.Path) time.Duration { return d.readings.sample(target) }

// Watch implements [object.Watcher].
func (d *Device) Watch(changed func(lwm2m.Path)) (stop func()) { return d.watchers.watch(changed) }

// Execute implements [object.Executor]: reboot, factory reset, and the reset of the
// error codes.
func (d *Device) Execute(ctx context.Context, target lwm2m.Path, _ lwm2m.Arguments) error {
	switch target.Resource() {
	case objects.DeviceReboot:
		return begin(ctx, d.config.Reboot)
	case objects.DeviceFactoryReset:
		return begin(ctx, d.config.FactoryReset)
	case objects.DeviceResetErrorCode:
		d.resetErrors()
		return nil
	}
	return notSupported()
}

func (d *Device) resetErrors() {
	if d.config.Errors == nil {
		d.errors.reset(nil)
		return
	}
	d.errors.reset(d.config.Errors())
}

func begin(ctx context.Context, hook func(context.Context) error) error {
	if hook == nil {
		return notSupported()
	}
	return hook(ctx)
}

func notSupported() error {
	return object.Refuse(lwm2m.CodeMethodNotAllowed, "the device does not support it")
}

// Write implements [object.Writer]: the time, and where the device is.
func (d *Device) Write(_ context.Context, change object.Change) (object.Commit, error) {
	var commits []object.Commit
	for _, r := range change.Resources {
		commit := d.setting(r)
		if commit == nil {
			return nil, notSupported()
		}
		commits = append(commits, commit)
	}
	return func(ctx context.Context) error {
		for _, commit := range commits {
			if err := commit(ctx); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// setting returns what carries out the Write of one resource; nil when nothing can.
func (d *Device) setting(r lwm2m.Resource) object.Commit {
	c := &d.config
	switch r.ID {
	case objects.DeviceCurrentTime:
		if c.SetTime != nil {
			return func(ctx context.Context) error { return c.SetTime(ctx, r.Value.When()) }
		}
	case objects.DeviceUTCOffset:
		return setText(c.SetUTCOffset, r.Value)
	case objects.DeviceTimezone:
		return setText(c.SetTimezone, r.Value)
	}
	return nil
}

func setText(hook func(context.Context, string) error, v lwm2m.Value) object.Commit {
	if hook == nil {
		return nil
	}
	return func(ctx context.Context) error { return hook(ctx, v.Text()) }
}
