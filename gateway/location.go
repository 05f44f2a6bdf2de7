package gateway

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Fix is a measurement of where the gateway is. What is nil is not known.
type Fix struct {
	Latitude  float64 // in degrees of WGS 84, north is positive
	Longitude float64 // in degrees of WGS 84, east is positive
	Altitude  *float64
	Radius    *float64 // of the circle of uncertainty, in metres
	Velocity  []byte   // as 3GPP TS 23.032 encodes it
	Speed     *float64 // in metres per second
	Time      time.Time
}

// Location is object 6. It has no instance until the application has said where the
// gateway is. It implements [object.Object] and what can be implemented beside it. Safe
// for concurrent use; the zero value is ready for use.
type Location struct {
	fix      atomic.Pointer[lwm2m.Instance]
	watchers watchers
}

// Set says where the gateway is.
func (l *Location) Set(fix Fix) {
	before := l.fix.Swap(instanceOf(fix))
	path := lwm2m.PathOf(objects.Location)
	if before != nil {
		path = path.Child(0)
	}
	l.watchers.tell(path)
}

// Clear says that it is not known any more: there is no instance then.
func (l *Location) Clear() {
	if l.fix.Swap(nil) != nil {
		l.watchers.tell(lwm2m.PathOf(objects.Location))
	}
}

func instanceOf(fix Fix) *lwm2m.Instance {
	i := &lwm2m.Instance{}
	add := func(id uint16, v lwm2m.Value) { i.Resources = append(i.Resources, lwm2m.Resource{ID: id, Value: v}) }
	maybe := func(id uint16, f *float64) {
		if f != nil {
			add(id, lwm2m.Float(*f))
		}
	}
	add(objects.LocationLatitude, lwm2m.Float(fix.Latitude))
	add(objects.LocationLongitude, lwm2m.Float(fix.Longitude))
	maybe(objects.LocationAltitude, fix.Altitude)
	maybe(objects.LocationRadius, fix.Radius)
	if fix.Velocity != nil {
		add(objects.LocationVelocity, lwm2m.Opaque(fix.Velocity))
	}
	add(objects.LocationTimestamp, lwm2m.Time(fix.Time))
	maybe(objects.LocationSpeed, fix.Speed)
	return i
}

// Definition implements [object.Object].
func (l *Location) Definition() lwm2m.ObjectDef { return objects.LocationDef() }

// Instances implements [object.Object].
func (l *Location) Instances() []uint16 {
	if l.fix.Load() == nil {
		return nil
	}
	return onlyInstance()
}

// Read implements [object.Object].
func (l *Location) Read(_ context.Context, target lwm2m.Path) ([]lwm2m.Resource, error) {
	i := l.fix.Load()
	if i == nil {
		return nil, object.Refuse(lwm2m.CodeNotFound, "the location is not known")
	}
	if target.Len() < 3 {
		return i.Resources, nil
	}
	if r, found := i.Resource(target.Resource()); found {
		return []lwm2m.Resource{r}, nil
	}
	return nil, nil
}

// Snapshot implements [object.Snapshotter].
func (l *Location) Snapshot(uint16) (i lwm2m.Instance, whole, ok bool) {
	fix := l.fix.Load()
	if fix == nil {
		return lwm2m.Instance{}, false, false
	}
	return *fix, true, true
}

// Watch implements [object.Watcher].
func (l *Location) Watch(changed func(lwm2m.Path)) (stop func()) { return l.watchers.watch(changed) }
