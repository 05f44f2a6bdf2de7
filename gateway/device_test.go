package gateway

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// What the application says goes before what the machine says, and is all that there
// is on one that says nothing.
func TestDeviceOfTheApplication(t *testing.T) {
	d := NewDevice(DeviceConfig{
		Manufacturer: "Holdfast", Model: "gw-1", Serial: "7", Firmware: "1.2", Type: "gateway", Hardware: "B", Software: "2.0",
		Bindings: "UQ", Location: time.UTC, Machine: files(t, nil),
	})
	got := values(t, d)
	has(t, got, map[string]string{
		"/3/0/0": "Holdfast", "/3/0/1": "gw-1", "/3/0/2": "7", "/3/0/3": "1.2", "/3/0/11/0": "0", "/3/0/13": "2026-03-04T11:00:00Z",
		"/3/0/14": "+00:00", "/3/0/15": "UTC", "/3/0/16": "UQ", "/3/0/17": "gateway", "/3/0/18": "B", "/3/0/19": "2.0",
	})
	if len(got) != 12 {
		t.Errorf("%v", got)
	}
}

func TestTimeOfADevice(t *testing.T) {
	got := values(t, NewDevice(DeviceConfig{Machine: files(t, nil)}))
	has(t, got, map[string]string{"/3/0/13": "2026-03-04T11:00:00Z", "/3/0/14": "+01:00", "/3/0/15": "CET", "/3/0/16": "U", "/3/0/0": ""})
}

// Without a hook there is nothing to execute or to write; what a hook says is the
// answer.
func TestHooksOfADevice(t *testing.T) {
	bare := NewDevice(DeviceConfig{Machine: files(t, nil)})
	for _, path := range []string{"/3/0/4", "/3/0/5", "/3/0/13"} {
		if code := execute(t, bare, path); code != lwm2m.CodeMethodNotAllowed {
			t.Errorf("%s: %v", path, code)
		}
	}
	for _, id := range []uint16{objects.DeviceCurrentTime, objects.DeviceUTCOffset, objects.DeviceTimezone, objects.DeviceManufacturer} {
		change := object.Change{Resources: []lwm2m.Resource{{ID: id, Value: lwm2m.String("x")}}}
		if code := write(t, bare, change); code != lwm2m.CodeMethodNotAllowed {
			t.Errorf("resource %d: %v", id, code)
		}
	}
	if listed := bare.Resources(0); slices.Contains(listed, objects.DeviceReboot) || slices.Contains(listed, objects.DeviceFactoryReset) {
		t.Errorf("%v are listed", listed)
	}
	var did []string
	note := func(what string) func(context.Context) error {
		return func(context.Context) error { did = append(did, what); return nil }
	}
	d := NewDevice(DeviceConfig{
		Reboot: note("reboot"), FactoryReset: note("reset"), Machine: files(t, nil),
		SetTime: func(_ context.Context, at time.Time) error {
			return note("time " + at.Format(time.RFC3339))(t.Context())
		},
		SetUTCOffset: func(_ context.Context, s string) error { return note("offset " + s)(t.Context()) },
		SetTimezone:  func(_ context.Context, s string) error { return note("zone " + s)(t.Context()) },
	})
	for _, path := range []string{"/3/0/4", "/3/0/5"} {
		if code := execute(t, d, path); code != 0 {
			t.Errorf("%s: %v", path, code)
		}
	}
	change := object.Change{Resources: []lwm2m.Resource{
		{ID: objects.DeviceCurrentTime, Value: lwm2m.Time(noon)},
		{ID: objects.DeviceUTCOffset, Value: lwm2m.String("+02:00")},
		{ID: objects.DeviceTimezone, Value: lwm2m.String("Europe/Berlin")},
	}}
	if code := write(t, d, change); code != 0 {
		t.Errorf("%v", code)
	}
	want := []string{"reboot", "reset", "time 2026-03-04T11:00:00Z", "offset +02:00", "zone Europe/Berlin"}
	if !slices.Equal(did, want) {
		t.Errorf("%q", did)
	}
	if listed := d.Resources(0); !slices.Contains(listed, objects.DeviceReboot) || !slices.IsSorted(listed) {
		t.Errorf("%v are listed", listed)
	}
}

// A hook that refuses is the answer.
func TestHookThatRefuses(t *testing.T) {
	d := NewDevice(DeviceConfig{
		Reboot: func(context.Context) error {
			return object.Refuse(lwm2m.CodeServiceUnavailable, "an update is under way")
		},
		SetTime: func(context.Context, time.Time) error { return object.Refuse(lwm2m.CodeForbidden, "no") },
		Machine: files(t, nil),
	})
	if code := execute(t, d, "/3/0/4"); code != lwm2m.CodeServiceUnavailable {
		t.Errorf("%v", code)
	}
	change := object.Change{Resources: []lwm2m.Resource{{ID: objects.DeviceCurrentTime, Value: lwm2m.Time(noon)}}}
	if code := write(t, d, change); code != lwm2m.CodeForbidden {
		t.Errorf("%v", code)
	}
}

// The instances of /3/0/11, as its description has them.
func TestErrorCodes(t *testing.T) {
	present := []ErrorCode{}
	d := NewDevice(DeviceConfig{Machine: files(t, nil), Errors: func() []ErrorCode { return present }})
	told := watched(t, d)
	codes := func() map[string]string {
		got := values(t, d)
		found := map[string]string{}
		for path, v := range got {
			if p, _ := lwm2m.ParsePath(path); p.Resource() == objects.DeviceErrorCode {
				found[path] = v
			}
		}
		return found
	}
	for _, step := range []struct {
		name string
		do   func()
		want map[string]string
		told int
	}{
		{"nothing", func() {}, map[string]string{"/3/0/11/0": "0"}, 0},
		{"the first", func() { d.SetError(ErrorNoConnectivity, true) }, map[string]string{"/3/0/11/0": "7"}, 1},
		{"again", func() { d.SetError(ErrorNoConnectivity, true) }, map[string]string{"/3/0/11/0": "7"}, 0},
		{"another", func() { d.SetError(16, true) }, map[string]string{"/3/0/11/0": "7", "/3/0/11/1": "16"}, 1},
		{"the first is over", func() { d.SetError(ErrorNoConnectivity, false) }, map[string]string{"/3/0/11/1": "16"}, 1},
		{"one that is not there is over", func() { d.SetError(ErrorGPS, false) }, map[string]string{"/3/0/11/1": "16"}, 0},
		{"a third", func() { d.SetError(ErrorGPS, true) }, map[string]string{"/3/0/11/0": "3", "/3/0/11/1": "16"}, 1},
		{"no error codes", func() { d.SetError(0, true); d.SetError(33, true) }, map[string]string{"/3/0/11/0": "3", "/3/0/11/1": "16"}, 0},
		{"all over", func() { d.SetError(ErrorGPS, false); d.SetError(16, false) }, map[string]string{"/3/0/11/0": "0"}, 2},
		{"a reset finds one", func() {
			present = []ErrorCode{ErrorPeripheral, ErrorPeripheral, 0, 99}
			_ = execute(t, d, "/3/0/12")
		}, map[string]string{"/3/0/11/0": "8"}, 1},
		{"a reset finds none", func() { present = nil; _ = execute(t, d, "/3/0/12") }, map[string]string{"/3/0/11/0": "0"}, 1},
	} {
		step.do()
		got := codes()
		if has(t, got, step.want); len(got) != len(step.want) {
			t.Errorf("%s: %v", step.name, got)
		}
		if paths := told(); len(paths) != step.told || len(paths) > 0 && paths[0] != "/3/0/11" {
			t.Errorf("%s: told %v", step.name, paths)
		}
	}
}

// Without somebody to ask, a reset forgets everything.
func TestResetOfErrorCodes(t *testing.T) {
	d := NewDevice(DeviceConfig{Machine: files(t, nil)})
	d.SetError(ErrorSMS, true)
	if code := execute(t, d, "/3/0/12"); code != 0 {
		t.Fatal(code)
	}
	has(t, values(t, d), map[string]string{"/3/0/11/0": "0"})
}

func TestReadEndsWithItsContext(t *testing.T) {
	d := NewDevice(DeviceConfig{Machine: files(t, nil)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Read(ctx, lwm2m.PathOf(3, 0)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// What is told to watchers is not read again and again; a clock is no news.
func TestSamplesOfADevice(t *testing.T) {
	d := NewDevice(DeviceConfig{Machine: files(t, nil)})
	for id, want := range map[uint16]time.Duration{objects.DeviceErrorCode: 0, objects.DeviceCurrentTime: time.Minute, objects.DeviceManufacturer: 0, 99: 0} {
		if got := d.Sample(lwm2m.PathOf(3, 0, id)); got != want {
			t.Errorf("resource %d: %v", id, got)
		}
	}
}
