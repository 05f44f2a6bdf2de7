package messages

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// The state of an update is a number, that of a client a word, under the same name; what is
// 0 is there, and what is not known is not.
func TestEventOfAnUpdateAsJSON(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for want, e := range map[string]Event{
		`{"time":"2030-01-01T00:00:00Z","seq":1,"endpoint":"g","type":"firmware","detail":"<&>","object":5,"result":0,"progress":0,"asks":"install","state":0}`: {
			Type: EventFirmware, Object: 5, FirmwareState: new(int64(0)), FirmwareResult: new(int64(0)), Progress: new(int64(0)), Asks: "install", Detail: "<&>",
		},
		`{"time":"2030-01-01T00:00:00Z","seq":1,"endpoint":"g","type":"firmware","object":10252,"result":-1,"progress":7,"total":9,"state":4}`: {
			Type: EventFirmware, Object: 10252, FirmwareState: new(int64(4)), FirmwareResult: new(int64(-1)), Progress: new(int64(7)), Total: new(int64(9)),
		},
		`{"time":"2030-01-01T00:00:00Z","seq":1,"endpoint":"g","type":"state","state":"waiting"}`: {Type: EventState, State: StateWaiting},
	} {
		e.Time, e.Seq, e.Endpoint = at, 1, "g"
		got, err := e.MarshalJSON()
		if err != nil || string(got) != want+"\n" {
			t.Errorf("%s, %v\nwant %s", got, err, want)
		}
		var back Event
		if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(back, e) {
			t.Errorf("%s came back as %+v, %v", got, back, err)
		}
	}
	for _, wrong := range []string{`{"type":"firmware","state":"idle"}`, `{"type":"state","state":1}`, `[]`} {
		if err := json.Unmarshal([]byte(wrong), new(Event)); err == nil {
			t.Errorf("%s is read", wrong)
		}
	}
}

func TestEndOfAnUpdate(t *testing.T) {
	for _, test := range []struct {
		object                 uint16
		state, result          int64
		ended, failed, fetches bool
	}{
		{5, 0, 0, false, false, false},
		{5, 1, 0, false, false, true},
		{5, 2, 0, false, false, false},
		{5, 3, 0, false, false, false},
		{5, 0, 1, true, false, false},
		{5, 0, 8, true, true, false},
		{5, 2, 8, false, true, false}, // it can be tried again
		{5, 2, 11, false, false, false},
		{10252, 1, -1, false, false, false},
		{10252, 2, -1, false, false, false},
		{10252, 4, -1, false, false, true},
		{10252, 1, 18, true, false, false},
		{10252, 1, 24, true, true, false},
	} {
		e := Event{Object: test.object, FirmwareState: &test.state, FirmwareResult: &test.result}
		ended, failed := e.FirmwareEnded()
		if ended != test.ended || failed != test.failed || e.FirmwareFetches() != test.fetches {
			t.Errorf("%+v: ended %t, failed %t, fetches %t", test, ended, failed, e.FirmwareFetches())
		}
	}
	var none Event
	if ended, failed := none.FirmwareEnded(); ended || failed || none.FirmwareFetches() {
		t.Error("an event that is about no update")
	}
}

// A status has the numbers of the object that the update was begun by.
func TestValuesOfAnUpdate(t *testing.T) {
	s := FirmwareStatus{State: firmware.StateRebooting, Result: firmware.ResultNoSpace, Object5: 2}
	for object, want := range map[uint16][2]int64{0: {3, 2}, 5: {3, 2}, 10252: {8, 33}} {
		s.Object = object
		if state, result := s.Values(); [2]int64{state, result} != want {
			t.Errorf("object %d: %d, %d, want %v", object, state, result, want)
		}
	}
}

// A snapshot that says something else of an update is another one.
func TestSnapshotsWithUpdates(t *testing.T) {
	none, one, same := Snapshot{}, Snapshot{Firmware: &FirmwareStatus{Progress: 1}}, Snapshot{Firmware: &FirmwareStatus{Progress: 1}}
	other := Snapshot{Firmware: &FirmwareStatus{Progress: 2}}
	if !none.Equal(none) || !one.Equal(same) || one.Equal(other) || none.Equal(one) || one.Equal(none) {
		t.Error("snapshots are compared without what they say of an update")
	}
}
