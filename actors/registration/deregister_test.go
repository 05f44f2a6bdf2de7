package registration

import (
	"testing"

	"github.com/holdfast-iot/holdfast/messages"
)

// Every Deregister is answered, also where the server has just refused us or
// has not answered a Register yet: Close must not wait for its deadline.
func TestDeregisterIsAlwaysAnswered(t *testing.T) {
	tests := []struct {
		name  string
		setUp func(*driver)
		ok    bool
	}{
		{"a Register follows a refused Update", func(d *driver) { d.answer(messages.NotFound) }, false},
		{"refused twice, nothing under way", func(d *driver) {
			d.answer(messages.NotFound)
			d.answer(messages.Created, at("rd", "new"))
			d.step(messages.SendUpdate{Epoch: testEpoch})
			d.answer(messages.NotFound)
			d.want(Deferred)
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := registered(t)
			d.fire(timerUpdate)
			tt.setUp(d)
			d.step(messages.Deregister{Epoch: testEpoch})
			got, answered := d.told[len(d.told)-1].(messages.Deregistered)
			if !answered || (got.Failure == nil) != tt.ok {
				t.Fatalf("%+v", d.told[len(d.told)-1])
			}
			if got.Failure != nil && got.Failure.Phase != messages.PhaseClose {
				t.Fatalf("phase %s", got.Failure.Phase)
			}
			d.want(Done)
			if len(d.timers) != 0 {
				t.Fatalf("timers left: %v", d.timers)
			}
		})
	}
}
