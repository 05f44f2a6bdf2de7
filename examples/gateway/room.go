package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// Thermometer is the object Temperature of IPSO, 3303.
type Thermometer struct {
	Value     float64 `lwm2m:"5700,R,mandatory,name=Sensor Value"`
	Min       float64 `lwm2m:"5601,R,name=Min Measured Value"`
	Max       float64 `lwm2m:"5602,R,name=Max Measured Value"`
	Units     string  `lwm2m:"5701,R,name=Sensor Units"`
	Reset     func()  `lwm2m:"5605,E,name=Reset Min and Max Measured Values"`
	Placement string  `lwm2m:"5750,RW,name=Application Type"` // servers may name it
}

// Heating is the object Actuation of IPSO, 3306.
type Heating struct {
	On bool `lwm2m:"5850,RW,mandatory,name=On/Off"`
}

// The temperatures between which the room is, in degrees Celsius.
const (
	coldest = 5.0
	hottest = 30.0
)

// room is a room that a heating warms.
type room struct {
	thermometers *object.Typed[Thermometer]
	heatings     *object.Typed[Heating]
	heating      *object.Instance[Heating]
}

func newRoom() (r *room, err error) {
	r = &room{}
	r.thermometers, err = object.Of[Thermometer](lwm2m.ObjectDef{ID: 3303, Name: "Temperature", Version: "1.1", Multiple: true})
	if err != nil {
		return nil, err
	}
	r.heatings, err = object.Of(lwm2m.ObjectDef{ID: 3306, Name: "Actuation", Version: "1.1", Multiple: true}, object.OnWrite(switchHeating))
	if err != nil {
		return nil, err
	}
	for id, placement := range []string{"window", "door"} {
		if err := r.place(uint16(id), placement); err != nil {
			return nil, err
		}
	}
	r.heating, err = r.heatings.Add(0, Heating{})
	return r, err
}

// place puts up a thermometer.
func (r *room) place(id uint16, placement string) error {
	var i *object.Instance[Thermometer]
	reset := func() { _ = i.Update(func(t *Thermometer) { t.Min, t.Max = t.Value, t.Value }) }
	i, err := r.thermometers.Add(id, Thermometer{Value: 19, Min: 19, Max: 19, Units: "Cel", Reset: reset, Placement: placement})
	return err
}

// switchHeating is called before a server's write counts: here a relay would be set. An
// error refuses the write, and the server is told.
func switchHeating(_ context.Context, _ uint16, _, after Heating) error {
	fmt.Println("heating on:", after.On)
	return nil
}

func (r *room) objects() []object.Object { return []object.Object{r.thermometers, r.heatings} }

// live lets time pass in the room until ctx ends.
func (r *room) live(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.step()
		case <-ctx.Done():
			return
		}
	}
}

// step is a second in the room. Here sensors would be read. Whoever observes a value that
// changes is notified.
func (r *room) step() {
	change := -0.1
	if r.heating.Get().On {
		change = 0.5
	}
	for _, i := range r.thermometers.All() {
		_ = i.Update(func(t *Thermometer) {
			t.Value = min(max(math.Round(10*(t.Value+change))/10, coldest), hottest)
			t.Min, t.Max = min(t.Min, t.Value), max(t.Max, t.Value)
		})
	}
}
