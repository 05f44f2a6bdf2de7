package gateway

import (
	"slices"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// There is no location until the application has said one.
func TestLocation(t *testing.T) {
	var l Location
	told := watched(t, &l)
	if got := l.Instances(); len(got) > 0 {
		t.Errorf("instances %v", got)
	}
	if _, err := l.Read(t.Context(), lwm2m.PathOf(6, 0)); codeOf(t, err) != lwm2m.CodeNotFound {
		t.Errorf("%v", err)
	}
	l.Set(Fix{Latitude: 52.5, Longitude: 13.4, Time: noon})
	l.Set(Fix{Latitude: -43.5723, Longitude: 153.2176, Altitude: new(35.0), Radius: new(5.0), Velocity: []byte{1}, Speed: new(0.5), Time: noon})
	has(t, values(t, &l), map[string]string{
		"/6/0/0": "-43.5723", "/6/0/1": "153.2176", "/6/0/2": "35", "/6/0/3": "5", "/6/0/4": "opaque(1 bytes)",
		"/6/0/5": "2026-03-04T11:00:00Z", "/6/0/6": "0.5",
	})
	if i, whole, ok := l.Snapshot(0); !ok || !whole || len(i.Resources) != 7 {
		t.Errorf("%v", i)
	}
	if got, err := l.Read(t.Context(), lwm2m.PathOf(6, 0, 9)); len(got) > 0 || err != nil {
		t.Errorf("%v %v", got, err)
	}
	l.Clear()
	l.Clear()
	if _, _, ok := l.Snapshot(0); ok || len(l.Instances()) > 0 {
		t.Error("it is still known")
	}
	if got := told(); !slices.Equal(got, []string{"/6", "/6/0", "/6"}) {
		t.Errorf("told %v", got)
	}
}

// What is not known is not there.
func TestLocationOfTwoCoordinates(t *testing.T) {
	var l Location
	l.Set(Fix{Latitude: 1, Longitude: 2, Time: noon})
	if got := values(t, &l); len(got) != 3 {
		t.Errorf("%v", got)
	}
}

// After stop nobody is told.
func TestStopOfAWatcher(t *testing.T) {
	var l Location
	n := 0
	stop := l.Watch(func(lwm2m.Path) { n++ })
	other := watched(t, &l)
	l.Set(Fix{})
	stop()
	stop()
	l.Set(Fix{})
	if n != 1 || len(other()) != 2 {
		t.Errorf("told %d times", n)
	}
}
