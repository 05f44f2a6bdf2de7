package supervisor

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// How far an update has come is an event with the numbers of its object, and is in the
// snapshot.
func TestFirmwareChanged(t *testing.T) {
	tests := []struct {
		name   string
		status messages.FirmwareStatus
		want   string // of the event, as JSON
	}{
		{"object 5, fetching", messages.FirmwareStatus{
			Object: 5, State: firmware.StateDownloading, Result: firmware.ResultNone, Progress: 100, Total: 2000,
		}, `{"type":"firmware","object":5,"state":1,"result":0,"progress":100,"total":2000}`},
		{"object 5, failed", messages.FirmwareStatus{
			Object: 5, State: firmware.StateIdle, Result: firmware.ResultNoSpace, Object5: 2, Detail: "the disk\nis full",
		}, `{"type":"firmware","object":5,"state":0,"result":2,"progress":0,"detail":"the disk; is full"}`},
		{"object 5, put off", messages.FirmwareStatus{
			Object: 5, State: firmware.StateProcessing, Result: firmware.ResultNone, Object5: 11, Asks: messages.AsksInstall, PutOff: messages.AsksInstall, Progress: 7, Total: 7,
		}, `{"type":"firmware","object":5,"state":2,"result":11,"progress":7,"total":7}`},
		{"10252, asking", messages.FirmwareStatus{
			Object: 10252, State: firmware.StateAwaitingDownload, Result: firmware.ResultNone, Asks: messages.AsksDownload,
		}, `{"type":"firmware","object":10252,"state":3,"result":-1,"progress":0,"asks":"download"}`},
		{"10252, over", messages.FirmwareStatus{
			Object: 10252, State: firmware.StateIdle, Result: firmware.ResultSuccess, Object5: 1, Progress: 7, Total: 7,
		}, `{"type":"firmware","object":10252,"state":1,"result":18,"progress":7,"total":7}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := updating(t, serverAccount(t, server(1), 0))
			d.step(messages.FirmwareChanged{Status: test.status})
			text, err := json.Marshal(d.newest(messages.EventFirmware))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fields(t, test.want), fields(t, string(text))); diff != "" {
				t.Error(diff)
			}
			if got := d.machine.published.Firmware; got == nil || *got != test.status {
				t.Errorf("the snapshot has %+v", got)
			}
		})
	}
}

// What an event does not say makes none.
func TestFirmwareChangedWithoutAnEvent(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	first := messages.FirmwareStatus{Object: 5, State: firmware.StateUpdating, Result: firmware.ResultNone, Pending: 2}
	for _, test := range []struct {
		change func(*messages.FirmwareStatus)
		events int
	}{
		{func(*messages.FirmwareStatus) {}, 1},
		{func(s *messages.FirmwareStatus) { s.Pending = 1 }, 0},
		{func(s *messages.FirmwareStatus) { s.Version = "2.0.0" }, 0},
		{func(s *messages.FirmwareStatus) { s.State = firmware.StateRebooting }, 0}, // 3 in object 5, too
		{func(s *messages.FirmwareStatus) { s.Object = 10252 }, 1},
		{func(s *messages.FirmwareStatus) { s.State = firmware.StateUpdating }, 1},
		{func(s *messages.FirmwareStatus) { s.Detail = "why" }, 1},
	} {
		test.change(&first)
		before := len(d.events)
		d.step(messages.FirmwareChanged{Status: first})
		if got := len(d.events) - before; got != test.events || *d.machine.published.Firmware != first {
			t.Errorf("%+v: %d events", first, got)
		}
	}
}

// fields are those of an event that do not come from the sink.
func fields(t *testing.T, text string) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"time", "seq", "endpoint"} {
		delete(all, name)
	}
	return all
}

// Before the first update there is nothing to say, but that there can be one.
func TestFirmwareBeforeTheFirstUpdate(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	if d.machine.published.Firmware == nil {
		t.Error("the snapshot does not say that updates are possible")
	}
	before := len(d.events)
	d.step(messages.FirmwareChanged{Status: messages.FirmwareStatus{State: firmware.StateIdle}})
	if len(d.events) != before || d.machine.published.Firmware.State != firmware.StateIdle {
		t.Errorf("%+v", d.events[before:])
	}
}

// What the gateway answers goes to update, unless there is none at present.
func TestAuthoriseFirmware(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	grant := messages.AuthoriseFirmware{Decision: messages.FirmwareGrant, Answer: make(chan messages.Answered, 1)}
	d.step(grant)
	d.wantTold(grant)
	d.step(Crashed{Role: core.Update, Reason: errors.New("boom")})
	d.step(grant)
	d.wantTold()
	d.fire(respawnTimer(core.Update))
	d.step(grant)
	d.wantTold(grant)
	d.register(server(1))
	d.step(messages.Stop{Deadline: d.now.Add(time.Minute)})
	d.saidToUpdate()
	d.step(grant)
	d.wantTold()
	if want := []messages.ErrorCode{messages.ConnectNotAllowed, messages.ConnectNotAllowed}; !reflect.DeepEqual(d.answers, want) {
		t.Errorf("answers %v", d.answers)
	}
}

// A report is sent as any Send is, to one server, and its outcome goes to update.
func TestSendReports(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 1), serverAccount(t, server(2), 2))
	d.unmuted(server(1))
	d.unmuted(server(2))
	d.saidToUpdate()
	reports := messages.SendReports{ID: 0, Peer: server(2), Paths: []lwm2m.Path{firmware.PathState}}
	d.step(reports)
	d.step(messages.SendCollected{ID: 1, Format: messages.FormatSenMLCBOR, Payload: []byte("x")})
	post := lastOrder[messages.PostSend](d)
	if post.Epoch != d.epoch(server(2)) || len(d.posts()) != 1 {
		t.Fatalf("%+v", d.posts())
	}
	d.wantTold()
	d.step(messages.SendAnswered{Epoch: post.Epoch, ID: 1})
	d.wantTold(messages.ReportsSent{ID: 0, Outcome: messages.SendOutcome{Peer: server(2)}})

	reports.ID = 5
	d.step(reports)
	d.fail(server(2), messages.Failure{Class: messages.ClassClosed, Phase: messages.PhaseRegistered})
	d.wantTold(messages.ReportsSent{ID: 5, Outcome: messages.SendOutcome{
		Peer: server(2), Refusal: messages.SendSilent, Detail: "the link was lost",
	}})
	reports.ID = 6
	d.step(reports)
	d.wantTold(messages.ReportsSent{ID: 6, Outcome: messages.SendOutcome{Peer: server(2), Refusal: messages.SendNotRegistered}})
	d.step(messages.SendReports{ID: 8, Peer: server(9)})
	d.wantTold(messages.ReportsSent{ID: 8, Outcome: messages.SendOutcome{Peer: server(9), Refusal: messages.SendNotRegistered}})
	d.wantSends()
}

// Update hears of sessions and of suspends as management does.
func TestUpdateHearsOfSessions(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.step(messages.Woke{Slept: time.Minute})
	d.fail(server(1), messages.Failure{Class: messages.ClassClosed, Phase: messages.PhaseRegistered})
	want := []any{
		messages.ServersChanged{Servers: []messages.Peer{server(1)}},
		messages.SessionUp{Peer: server(1), Epoch: 1, Version: "1.1", Host: "dm1.example", Port: 5684}, messages.Woke{Slept: time.Minute},
		messages.SessionLost{Peer: server(1), Epoch: 1, StillRegistered: true},
	}
	if diff := cmp.Diff(want, d.updates); diff != "" {
		t.Error(diff)
	}
	if len(d.sessions) != 2 || len(d.naps) != 1 {
		t.Errorf("management hears %v and %v", d.sessions, d.naps)
	}
}

// A shared actor update that crashes is started anew, told which sessions are up, and its
// download goes on with its count and its delay when it asks for it.
func TestUpdateCrashes(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.register(server(1))
	d.open(ownImage)
	d.fetchFails(messages.Failure{Class: messages.ClassReset}, false)
	d.fire(timerFetch)
	d.fetchFails(messages.Failure{Class: messages.ClassReset}, false)
	d.now = d.now.Add(time.Second)
	d.updates = nil
	d.step(Crashed{Role: core.Update, Reason: errors.New("boom")})
	if len(d.updates) != 0 || len(d.sessions) != 1 {
		t.Fatalf("told %+v", d.updates)
	}
	if _, armed := d.timers[timerFetch]; armed {
		t.Fatal("the download goes on")
	}
	d.fire(respawnTimer(core.Update))
	want := []any{
		messages.ServersChanged{Servers: []messages.Peer{server(1)}},
		messages.SessionUp{Peer: server(1), Epoch: 1, Version: "1.1", Host: "dm1.example", Port: 5684, Again: true},
	}
	if diff := cmp.Diff(want, d.updates); diff != "" || len(d.sessions) != 1 {
		t.Fatal(diff)
	}
	d.open(ownImage)
	d.wantTold()
	if got := d.timers[timerFetch].Sub(d.now); got >= 2*testR0-time.Second || got <= 0 {
		t.Errorf("waits %v", got)
	}
	d.fire(timerFetch)
	d.opened(messages.ViaLink)
	checkEvent(t, d.fetchFails(messages.Failure{Class: messages.ClassReset}, false), messages.ConnectNetworkError, 3, messages.ActionRetry, 4*testR0)
}

// A link that was open for update when it crashed is retired.
func TestUpdateCrashesInAnAttempt(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.open(ownImage)
	d.epoch(fetchPeer)
	d.step(Crashed{Role: core.Update, Reason: errors.New("boom")})
	if !d.idle(fetchPeer) {
		t.Fatal("the link is left")
	}
	d.fire(respawnTimer(core.Update))
	d.saidToUpdate()
	d.open(ownImage)
	d.opened(messages.ViaLink)
}

// Where it crashes again and again, its record may be why: that is set aside.
func TestUpdateCrashesAgainAndAgain(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	for n := range 3 {
		if len(d.aside) != 0 {
			t.Fatalf("set aside after %d crashes", n)
		}
		d.step(Crashed{Role: core.Update, Reason: errors.New("boom")})
		d.fire(respawnTimer(core.Update))
	}
	if len(d.aside) != 1 || d.aside[0] != messages.RecordFirmware {
		t.Errorf("set aside %v", d.aside)
	}
	if e := d.newest(messages.EventDegraded); e.Actor != "update" || e.Restarts != 2 && e.Restarts != 3 {
		t.Errorf("%+v", e)
	}
	for range 3 { // the record of another one is left alone
		d.step(Crashed{Role: core.Management, Reason: errors.New("boom")})
		d.fire(respawnTimer(core.Management))
	}
	if len(d.aside) != 1 {
		t.Errorf("set aside %v", d.aside)
	}
}

// A supervisor that has crashed goes on with count, delay and pause of the download, when
// update asks for it.
func TestCrashKeepsTheDownload(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 0))
	d.open(httpImage)
	d.fetchFails(messages.Failure{Class: messages.ClassTimeout}, false)
	d.fire(timerFetch)
	d.fetchFails(messages.Failure{Class: messages.ClassRejected, Answer: messages.ServiceUnavailable, MaxAge: new(time.Hour)}, false)
	d.now = d.now.Add(10 * time.Minute)
	d.crash()
	d.saidToUpdate()
	d.open(httpImage)
	d.step(messages.NetworkUp{})
	d.wantTold()
	if got := d.fire(timerFetch); got != 50*time.Minute {
		t.Fatalf("waited %v", got)
	}
	d.opened(messages.ViaHTTP)
	checkEvent(t, d.fetchFails(messages.Failure{Class: messages.ClassTimeout}, false), messages.ConnectTimeout, 3, messages.ActionRetry, 4*testR0)

	d.crash()
	d.saidToUpdate()
	d.open(ownImage) // another image has nothing of that
	d.opened(messages.ViaLink)

	d.crash() // and one that was being fetched is fetched at once
	d.saidToUpdate()
	d.open(ownImage)
	d.opened(messages.ViaLink)
}

// A report that is answered 4.04 may be one to a server that has forgotten the client: an
// Update finds that out. What an application sends does not.
func TestReportToAServerThatKnowsNoClient(t *testing.T) {
	d := updating(t, serverAccount(t, server(1), 1))
	d.unmuted(server(1))
	d.step(messages.SendReports{ID: 1, Peer: server(1), Paths: []lwm2m.Path{firmware.PathState}})
	d.step(messages.SendCollected{ID: 1, Format: messages.FormatSenMLCBOR, Payload: []byte("x")})
	d.step(messages.SendAnswered{Epoch: d.epoch(server(1)), ID: 1, Refusal: messages.SendRefused, Code: messages.NotFound})
	if o := lastOrder[messages.SendUpdate](d); o.Epoch != d.epoch(server(1)) || o.Triggered {
		t.Errorf("%+v", o)
	}
}
