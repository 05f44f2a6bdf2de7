package eventlog

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// full is an event of a type with every field set.
func full(kind messages.EventType, code messages.ErrorCode, action messages.Action) *messages.Event {
	e := &messages.Event{}
	v := reflect.ValueOf(e).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case *uint8:
			f.Set(reflect.ValueOf(new(uint8(40))))
		case *int64:
			f.Set(reflect.ValueOf(new(int64(5000))))
		case bool:
			f.SetBool(true)
		case int, int64:
			f.SetInt(7)
		case uint16, uint64:
			f.SetUint(7)
		case string, messages.State:
			f.SetString("x")
		}
	}
	e.Time, e.Type, e.Code, e.Name, e.Action = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), kind, code, code.String(), action
	return e
}

func TestLevels(t *testing.T) {
	for _, test := range []struct {
		event *messages.Event
		want  slog.Level
	}{
		{full(messages.EventState, 0, ""), slog.LevelDebug},
		{full(messages.EventRegistrationUpdated, 0, ""), slog.LevelDebug},
		{full(messages.EventRegistered, 0, ""), slog.LevelInfo},
		{full(messages.EventUnregistered, 0, ""), slog.LevelInfo},
		{full(messages.EventDisabled, 0, ""), slog.LevelInfo},
		{full(messages.EventAsleep, 0, ""), slog.LevelDebug},
		{full(messages.EventBootstrapped, 0, ""), slog.LevelInfo},
		{full(messages.EventDegraded, 0, ""), slog.LevelError},
		{full(messages.EventMoved, 0, ""), slog.LevelInfo},
		{&messages.Event{Type: messages.EventNetwork, Interface: "eth0"}, slog.LevelInfo},
		{&messages.Event{Type: messages.EventNetwork}, slog.LevelWarn},
		{full(messages.EventError, messages.ConnectTimeout, messages.ActionRetry), slog.LevelWarn},
		{full(messages.EventError, messages.ConnectInvalidParameters, messages.ActionBootstrap), slog.LevelWarn},
		{full(messages.EventError, messages.ConnectSecureConnectionFailed, messages.ActionRetry), slog.LevelError},
		{full(messages.EventError, messages.ConnectorInvalidCredentials, messages.ActionRetry), slog.LevelError},
		{full(messages.EventError, messages.ConnectorFailedToReadCredentials, messages.ActionUser), slog.LevelError},
		{full(messages.EventError, messages.ConnectorFailedToStoreCredentials, messages.ActionNone), slog.LevelWarn},
		{full(messages.EventError, messages.ConnectResponseParseFailed, messages.ActionIgnore), slog.LevelWarn},
		{full(messages.EventError, messages.ConnectNotAllowed, messages.ActionNone), slog.LevelInfo},
	} {
		if got := Level(test.event); got != test.want {
			t.Errorf("%s %s %s: %s, want %s", test.event.Type, test.event.Name, test.event.Action, got, test.want)
		}
	}
}

// Whoever runs a gateway is told what it is asked and how an update has ended, and not of
// every part of the image.
func TestLevelsOfUpdates(t *testing.T) {
	for _, test := range []struct {
		object                  uint16
		state, result, progress int64
		asks                    string
		want                    slog.Level
	}{
		{10252, 2, -1, 0, "", slog.LevelInfo},
		{10252, 3, -1, 0, "download", slog.LevelInfo},
		{10252, 4, -1, 0, "", slog.LevelInfo},
		{10252, 4, -1, 500, "", slog.LevelDebug},
		{10252, 1, 18, 500, "", slog.LevelInfo},
		{10252, 1, 23, 0, "", slog.LevelWarn},
		{10252, 2, 23, 0, "", slog.LevelInfo}, // of the update before
		{5, 1, 0, 0, "", slog.LevelInfo},
		{5, 1, 0, 500, "", slog.LevelDebug},
		{5, 1, 0, 500, "install", slog.LevelInfo},
		{5, 3, 0, 500, "", slog.LevelInfo},
		{5, 0, 1, 500, "", slog.LevelInfo},
		{5, 0, 5, 500, "", slog.LevelWarn},
		{5, 2, 8, 500, "", slog.LevelWarn}, // the server can have it tried again
		{5, 2, 11, 500, "", slog.LevelInfo},
	} {
		e := &messages.Event{
			Type: messages.EventFirmware, Object: test.object, Asks: test.asks,
			FirmwareState: &test.state, FirmwareResult: &test.result, Progress: &test.progress,
		}
		if got := Level(e); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

// A record has the fields of the event under the same names, but for the endpoint,
// which the logger has, the time, which is the record's, and the type and the name,
// which are the attribute "event" and the message.
func TestRecordsHaveTheFieldsOfEvents(t *testing.T) {
	t.Run("error", func(t *testing.T) {
		wantFields(t, full(messages.EventError, messages.ConnectTimeout, messages.ActionRetry), "ConnectTimeout")
	})
	t.Run("firmware", func(t *testing.T) {
		e := full(messages.EventFirmware, messages.ConnectTimeout, messages.ActionRetry)
		e.State = ""
		wantFields(t, e, "firmware")
	})
}

func wantFields(t *testing.T, e *messages.Event, message string) {
	t.Helper()
	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	Event(logger, e)
	var record, event map[string]any
	if err := json.Unmarshal(out.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	form, err := json.Marshal(e)
	if err == nil {
		err = json.Unmarshal(form, &event)
	}
	if err != nil || record["msg"] != message || record["event"] != string(e.Type) || record["time"] != event["time"] {
		t.Errorf("%v, %v", record, err)
	}
	for key, value := range event {
		if !slices.Contains([]string{"endpoint", "type", "name"}, key) && !reflect.DeepEqual(record[key], value) {
			t.Errorf("%s: %v, want %v", key, record[key], value)
		}
	}
}

// Each step of an attempt is one record of level debug, each change of an account one
// of level trace; what is the same as before is none.
func TestSteps(t *testing.T) {
	snapshot := func(state messages.State, resent int) messages.Snapshot {
		return messages.Snapshot{Connections: []messages.ConnectionStatus{{
			Peer: messages.ManagementPeer(1), Server: "coaps://dm.example", State: state,
			Attempt: &messages.AttemptStatus{
				Address: netip.MustParseAddrPort("192.0.2.1:5684"), Step: messages.Step{Sent: messages.SentClientHello, Resent: resent},
			},
		}}}
	}
	for level, want := range map[slog.Level]int{slog.LevelInfo: 0, slog.LevelDebug: 2, LevelTrace: 3} {
		var out bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))
		first, second := snapshot(messages.StateConnecting, 0), snapshot(messages.StateConnecting, 1)
		Steps(logger, messages.Snapshot{}, first)
		Steps(logger, first, second)
		Steps(logger, second, snapshot(messages.StateConnecting, 1))
		text := out.String()
		if n := strings.Count(text, "\n"); n != want || n > 0 && !strings.Contains(text, "sent=ClientHello resent=1 heard=nothing") {
			t.Errorf("%s: %d records, want %d:\n%s", level, n, want, text)
		}
	}
}
