package object_test

import (
	"context"
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// Thermometer is the object Temperature of IPSO.
type Thermometer struct {
	Value float64  `lwm2m:"5700,R,mandatory,units=Cel"`
	Max   *float64 `lwm2m:"5602,R"`
	Reset func()   `lwm2m:"5605,E"`
}

func ExampleOf() {
	thermometers, err := object.Of[Thermometer](lwm2m.ObjectDef{ID: 3303, Name: "Temperature", Multiple: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	kitchen, err := thermometers.Add(0, Thermometer{Value: 21.5})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer thermometers.Watch(func(changed lwm2m.Path) { fmt.Println(changed, "has changed") })()
	err = kitchen.Update(func(t *Thermometer) { t.Value, t.Max = 22, new(22.0) })
	if err != nil {
		fmt.Println(err)
	}
	i, _, _ := thermometers.Snapshot(0)
	for _, r := range i.Resources {
		fmt.Println(r.ID, r.Value)
	}
	// Output:
	// /3303/0/5602 has changed
	// /3303/0/5700 has changed
	// 5602 22
	// 5700 22
}

func ExampleNewValues() {
	lamps, err := object.NewValues(lwm2m.ObjectDef{ID: 3311, Name: "Light Control", Multiple: true, Resources: []lwm2m.ResourceDef{
		{ID: 5850, Name: "On/Off", Kind: lwm2m.KindBoolean, Operations: lwm2m.OpRead | lwm2m.OpWrite, Mandatory: true},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	lamps.OnWrite(func(_ context.Context, change object.Change) error {
		fmt.Println("a server sets", change.Resources[0].Value)
		return nil
	})
	if err := lamps.Set(lwm2m.PathOf(3311, 0, 5850), lwm2m.Boolean(true)); err != nil {
		fmt.Println(err)
	}
	commit, err := lamps.Write(context.Background(), object.Change{Resources: []lwm2m.Resource{{ID: 5850, Value: lwm2m.Boolean(false)}}})
	if err == nil {
		err = commit(context.Background())
	}
	i, _, _ := lamps.Snapshot(0)
	fmt.Println(i.Resources[0].Value, err)
	// Output:
	// a server sets false
	// false <nil>
}

// fieldbus has ten thousand thermometers, of which no copy is held.
type fieldbus struct {
	object.Watchers
	points []uint16
	read   func(ctx context.Context, point uint16) (float64, error)
}

func (f *fieldbus) Definition() lwm2m.ObjectDef {
	return lwm2m.ObjectDef{ID: 3303, Name: "Temperature", Multiple: true, Resources: []lwm2m.ResourceDef{
		{ID: 5700, Name: "Sensor Value", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead, Mandatory: true},
	}}
}

func (f *fieldbus) Instances() []uint16 { return f.points }

func (f *fieldbus) Read(ctx context.Context, target lwm2m.Path) ([]lwm2m.Resource, error) {
	value, err := f.read(ctx, target.Instance())
	if err != nil {
		return nil, object.Refuse(lwm2m.CodeServiceUnavailable, "the bus does not answer")
	}
	return []lwm2m.Resource{{ID: 5700, Value: lwm2m.Float(value)}}, nil
}

// Data that lives elsewhere is read when a server asks for it. Tell says what has changed there, so
// that who observes it is notified.
func Example_provider() {
	bus := &fieldbus{read: func(_ context.Context, point uint16) (float64, error) { return float64(point) / 10, nil }}
	for point := range uint16(10_000) {
		bus.points = append(bus.points, point)
	}
	defer bus.Watch(func(changed lwm2m.Path) { fmt.Println(changed, "has changed") })() // as the client does
	bus.Tell(lwm2m.PathOf(3303, 7, 5700))
	resources, err := bus.Read(context.Background(), lwm2m.PathOf(3303, 7))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resources[0].ID, resources[0].Value)
	// Output:
	// /3303/7/5700 has changed
	// 5700 0.7
}
