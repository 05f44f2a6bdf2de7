package holdfast

import (
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/actors/supervisor"
	"github.com/holdfast-iot/holdfast/internal/journal"
	"github.com/holdfast-iot/holdfast/internal/wording"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

var updateExplain = flag.Bool("update-explain", false, "rewrite testdata/explain")

var explainEpoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	explainServer    = "coaps://dm.example"
	explainBootstrap = "coaps://bs.example"
)

// history notes events, a second apart unless they say otherwise.
type history struct {
	journal journal.Journal
	now     time.Time
	seq     uint64
}

func newHistory() *history { return &history{now: explainEpoch} }

func (h *history) note(after time.Duration, e messages.Event) {
	h.now = h.now.Add(after)
	h.seq++
	e.Seq, e.Time = h.seq, h.now
	h.journal.Note(e)
}

func (h *history) state(after time.Duration, from, to State, server string) {
	h.note(after, messages.Event{Type: messages.EventState, Previous: messages.State(from), State: messages.State(to), Server: server})
}

// timedOut notes the n-th failed attempt in a row.
func (h *history) timedOut(after time.Duration, n uint64, retry time.Duration) {
	h.note(after, messages.Event{
		Type: messages.EventError, Server: explainServer, Code: messages.ConnectTimeout, Name: "ConnectTimeout", Phase: "register",
		Attempt: n, Detail: "timeout", Action: messages.ActionRetry, RetryInMS: new(retry.Milliseconds()),
		Remedy: "Check that the server is running.",
	})
}

// explanationOf is the explanation that such a client gives.
func explanationOf(s messages.Snapshot, record journal.Record, now time.Time) Explanation {
	status := Status{Time: now, State: State(s.State), Connections: connectionsOf(s, record.Servers, now), Firmware: firmwareStatusOf(s.Firmware), Network: networkOf(s.Uplink)}
	return explain("gw-0001", status, record)
}

// What was dropped is told, by reason, and nothing where nothing was.
func TestExplainWhatWasDropped(t *testing.T) {
	c := connection(Registered, 0, time.Time{})
	dropping := func() Explanation {
		status := messages.Snapshot{State: messages.State(Registered), Connections: []messages.ConnectionStatus{c}}
		return explanationOf(status, journal.Record{}, explainEpoch)
	}
	if e := dropping(); e.Connections[0].Shed != nil || strings.Contains(e.String(), "dropped") {
		t.Errorf("%+v", e.Connections[0])
	}
	c.Shed = messages.Shed{Queue: 3, Rate: 70000, Forged: 1, Truncated: 5, Unsent: 6}
	e := dropping()
	if *e.Connections[0].Shed != Shed(c.Shed) {
		t.Errorf("%+v", e.Connections[0])
	}
	want := "dropped so far   3 faster than they could be looked at, 70000 above the work for one peer, 1 ACKs and RSTs while somebody guesses message IDs, " +
		"5 too long to be read, 6 that the socket had no room to send"
	if !strings.Contains(e.String(), want) {
		t.Errorf("no %q in\n%s", want, e)
	}
}

// What a server observes and what it was sent is told, where there is something to tell.
func TestExplainWhatIsObserved(t *testing.T) {
	c := connection(Registered, 0, time.Time{})
	explained := func() Explanation {
		status := messages.Snapshot{State: messages.State(Registered), Connections: []messages.ConnectionStatus{c}}
		return explanationOf(status, journal.Record{}, explainEpoch)
	}
	if e := explained(); e.Connections[0].Observing != nil || e.Connections[0].Sends != nil || strings.Contains(e.String(), "observ") {
		t.Errorf("%+v\n%s", e.Connections[0], e)
	}
	for _, tt := range []struct {
		observing messages.Observing
		sends     messages.SendCount
		want      string
	}{
		{observing: messages.Observing{Observations: 1, Notified: 1}, want: "  observed         1 observation; 1 notification sent, 0 acknowledged\n"},
		{
			observing: messages.Observing{Observations: 2, Stored: 3, Notified: 40, Acknowledged: 39, Dropped: 5},
			want:      "  observed         2 observations; 40 notifications sent, 39 acknowledged; 3 stored until the server is back; 5 lost for want of room\n",
		},
		{sends: messages.SendCount{Accepted: 6, Failed: 1}, want: "  Sends            6 accepted, 1 failed\n"},
	} {
		c.Observing, c.Sends = tt.observing, tt.sends
		if text := explained().String(); !strings.Contains(text, tt.want) {
			t.Errorf("no %q in\n%s", tt.want, text)
		}
	}
}

func connection(state State, failures uint64, next time.Time) messages.ConnectionStatus {
	return messages.ConnectionStatus{Peer: messages.ManagementPeer(1), Server: explainServer, State: messages.State(state), Failures: failures, NextAttempt: next}
}

// neverStarted, registered and so on are what an explanation is made of.
func neverStarted() Explanation {
	return explanationOf(messages.Snapshot{}, journal.Record{}, explainEpoch)
}

func registeredForADay() Explanation {
	h := newHistory()
	h.state(0, "", Starting, "")
	h.state(time.Second, Starting, Registered, explainServer)
	h.note(0, messages.Event{Type: messages.EventRegistered, Server: explainServer, Location: "/rd/1", LifetimeS: 86400, LwM2M: "1.1", Attempts: 1})
	c := connection(Registered, 0, time.Time{})
	c.Location, c.Lifetime, c.RegisteredAt = "/rd/1", 24*time.Hour, h.now
	b := messages.ConnectionStatus{Peer: messages.BootstrapPeer(), Server: explainBootstrap, State: messages.StateStarting}
	status := messages.Snapshot{State: messages.State(Registered), Connections: []messages.ConnectionStatus{b, c}}
	return explanationOf(status, h.journal.Read(), h.now.Add(26*time.Hour))
}

func waitingAfterThree() Explanation {
	h := newHistory()
	h.state(0, "", Starting, "")
	h.state(0, Starting, Resolving, explainServer)
	h.timedOut(3*time.Minute, 1, 5*time.Second)
	h.timedOut(3*time.Minute+5*time.Second, 2, 10*time.Second)
	h.timedOut(3*time.Minute+10*time.Second, 3, 20*time.Second)
	h.state(0, Registering, Waiting, explainServer)
	status := messages.Snapshot{State: messages.State(Waiting), Connections: []messages.ConnectionStatus{connection(Waiting, 3, h.now.Add(20*time.Second))}}
	return explanationOf(status, h.journal.Read(), h.now.Add(2*time.Second))
}

func credentialsMissing() Explanation {
	h := newHistory()
	h.state(0, "", Starting, "")
	h.note(0, messages.Event{
		Type: messages.EventError, Code: messages.ConnectorInvalidCredentials, Name: "ConnectorInvalidCredentials", Phase: "store", Attempt: 1,
		Detail: "bad-credentials: unusable credentials:\n  server.psk_key_file: the file \"k\" does not exist\x1b[2J",
		Action: messages.ActionUser, RetryInMS: new(int64(5000)), Remedy: "Correct the files that the configuration names.",
	})
	h.state(0, Starting, Waiting, "")
	return explanationOf(messages.Snapshot{State: messages.StateWaiting}, h.journal.Read(), h.now.Add(time.Second))
}

func bootstrapBelongs() Explanation {
	h := newHistory()
	h.state(0, "", Bootstrapping, explainBootstrap)
	status := messages.Snapshot{State: messages.State(Bootstrapping), Connections: []messages.ConnectionStatus{
		{Peer: messages.BootstrapPeer(), Server: explainBootstrap, State: messages.StateBootstrapping}, connection(Waiting, 2, time.Time{}),
	}}
	return explanationOf(status, h.journal.Read(), h.now.Add(time.Second))
}

// The texts that people read stand in testdata/explain, for review.
// TestExplainADisabledServer says until when, what comes then, and the same as JSON.
func TestExplainADisabledServer(t *testing.T) {
	until := explainEpoch.Add(time.Hour)
	c := connection(Waiting, 0, until)
	c.DisabledUntil = until
	e := explanationOf(messages.Snapshot{State: messages.State(Waiting), Connections: []messages.ConnectionStatus{c}}, journal.Record{}, explainEpoch)
	text := e.String()
	for _, want := range []string{"by the server until 2026-03-01 13:00:00, for 1 h more", "register in 1 h, at 2026-03-01 13:00:00"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	data, err := json.Marshal(e.Connections[0])
	var back Connection
	if err != nil || json.Unmarshal(data, &back) != nil || !back.DisabledUntil.Equal(until) || back.Next.Action != ActionRegister {
		t.Errorf("%s, %v", data, err)
	}
}

// TestExplainWhyAServerWaits names the server whose turn it is, and what ends the wait.
func TestExplainWhyAServerWaits(t *testing.T) {
	for reason, want := range map[messages.WaitReason]string{
		messages.WaitsForOrder:  "server 1, which registers first by its priority",
		messages.WaitsForBlock:  "server 1, which has failed and keeps the servers behind it from being tried",
		messages.WaitsForFirst:  "the end of the delay before the first attempt",
		messages.WaitsForServer: "the end of the pause that the server has asked for",
		messages.WaitsForPolicy: "",
	} {
		c := connection(Waiting, 0, time.Time{})
		c.WaitsFor = reason
		if reason == messages.WaitsForOrder || reason == messages.WaitsForBlock {
			c.Behind = messages.ManagementPeer(1)
		}
		e := explanationOf(messages.Snapshot{State: messages.State(Waiting), Connections: []messages.ConnectionStatus{c}}, journal.Record{}, explainEpoch)
		data, err := json.Marshal(e.Connections[0])
		var back Connection
		if err != nil || json.Unmarshal(data, &back) != nil || back.WaitsFor != reason.String() || (back.Behind == "") != (c.Behind == messages.Peer{}) {
			t.Errorf("%s, %v", data, err)
		}
		if strings.Contains(e.String(), "waits for") != (want != "") || !strings.Contains(e.String(), want) {
			t.Errorf("%q in\n%s", want, e)
		}
		if after := "its turn, after that of server 1"; strings.Contains(e.String(), after) != (c.Behind != messages.Peer{}) {
			t.Errorf("%q in\n%s", after, e)
		}
	}
}

// TestExplainQueueMode says whether the client is awake for a server, and nothing
// without queue mode.
func TestExplainQueueMode(t *testing.T) {
	for reachable, want := range map[messages.Reachability]string{
		messages.ReachableAlways: "", messages.ReachableNow: "awake", messages.ReachableLater: "asleep",
	} {
		c := connection(Registered, 0, time.Time{})
		c.QueueMode = reachable
		e := explanationOf(messages.Snapshot{State: messages.State(Registered), Connections: []messages.ConnectionStatus{c}}, journal.Record{}, explainEpoch)
		data, err := json.Marshal(e.Connections[0])
		var back Connection
		if err != nil || json.Unmarshal(data, &back) != nil || back.QueueMode != want {
			t.Errorf("%s, %v", data, err)
		}
		if strings.Contains(e.String(), "queue mode") != (want != "") || !strings.Contains(e.String(), want) {
			t.Errorf("%q in\n%s", want, e)
		}
	}
}

// TestExplainNetwork says which interface is used, or why none is.
func TestExplainNetwork(t *testing.T) {
	for _, test := range []struct {
		uplink messages.Uplink
		want   []string
		json   string
	}{
		{messages.Uplink{}, nil, "null"},
		{messages.Uplink{Interfaces: "eth0, wwan0", Interface: "wwan0", Reason: "eth0 is not there"},
			[]string{"network: wwan0 is used", "eth0, wwan0", "eth0 is not there"},
			`{"interfaces":["eth0","wwan0"],"interface":"wwan0","reason":"eth0 is not there"}`},
		{messages.Uplink{Interfaces: "eth0", Reason: "eth0 is down, or has no carrier"},
			[]string{"network: no interface can be used", "eth0 is down, or has no carrier"},
			`{"interfaces":["eth0"],"reason":"eth0 is down, or has no carrier"}`},
	} {
		e := explanationOf(messages.Snapshot{State: messages.State(Waiting), Uplink: &test.uplink}, journal.Record{}, explainEpoch)
		for _, part := range test.want {
			if !strings.Contains(e.String(), part) {
				t.Errorf("%q is not in\n%s", part, e)
			}
		}
		if test.want == nil && strings.Contains(e.String(), "network") {
			t.Errorf("without a list:\n%s", e)
		}
		if data, err := json.Marshal(e.Network); err != nil || string(data) != test.json {
			t.Errorf("%s, %v", data, err)
		}
	}
}

func TestExplainText(t *testing.T) {
	for name, e := range map[string]Explanation{
		"not-started": neverStarted(), "registered": registeredForADay(), "waiting": waitingAfterThree(),
		"credentials": credentialsMissing(), "bootstrapping": bootstrapBelongs(),
		"fetching": fetchingAnImage(), "asking": askingTheGateway(), "update-failed": updateThatFailed(), "rebooting": restarting(),
	} {
		path := filepath.Join("testdata", "explain", name+".txt")
		got := e.String()
		if *updateExplain {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The JSON form says the same to a program.
func TestExplainJSON(t *testing.T) {
	data, err := json.Marshal(waitingAfterThree())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		State       string
		Connections []struct {
			Account string
			Trouble struct {
				Since    time.Time
				Failures int
				Error    Event
			}
			Next NextStep
		}
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	c := got.Connections[0]
	if c.Account != "server 1" || c.Trouble.Failures != 3 || !c.Trouble.Since.Equal(explainEpoch.Add(3*time.Minute)) ||
		c.Trouble.Error.Code != CodeTimeout || c.Next.In != 18*time.Second || c.Next.Action != ActionRetry {
		t.Errorf("%+v", c)
	}
}

// updated notes an event of an update, as the supervisor makes it of a status.
func (h *history) updated(after time.Duration, s messages.FirmwareStatus) {
	state, result := s.Values()
	h.note(after, messages.Event{
		Type: messages.EventFirmware, Object: s.Object, FirmwareState: &state, FirmwareResult: &result,
		Progress: &s.Progress, Total: &s.Total, Asks: s.Asks.String(), Detail: s.Detail,
	})
}

func (h *history) explained(after time.Duration, s messages.FirmwareStatus) Explanation {
	return explanationOf(messages.Snapshot{State: messages.StateRegistered, Firmware: &s}, h.journal.Read(), h.now.Add(after))
}

// fetchingAnImage is a download that has failed twice and is tried again.
func fetchingAnImage() Explanation {
	h := newHistory()
	s := messages.FirmwareStatus{Object: 10252, State: firmware.StateDownloading, Result: firmware.ResultNone, Total: 4096, Version: "1.2.3", Pending: 1}
	h.updated(0, s)
	s.Progress = 1024
	for n := range uint64(2) {
		h.updated(time.Second, s)
		h.note(time.Minute, messages.Event{
			Type: messages.EventError, Server: "coap://images.example", Code: messages.ConnectNetworkError, Name: "ConnectNetworkError", Phase: "firmware",
			Attempt: n + 1, Detail: "refused", Action: messages.ActionRetry, RetryInMS: new(int64(20_000)),
		})
	}
	return h.explained(5*time.Second, s)
}

// askingTheGateway has put an update off once.
func askingTheGateway() Explanation {
	h := newHistory()
	s := messages.FirmwareStatus{
		Object: 5, State: firmware.StateAwaitingInstall, Result: firmware.ResultNone, Progress: 4096, Total: 4096, Asks: messages.AsksInstall,
		Deferred: h.now.Add(time.Hour),
	}
	h.updated(0, s)
	return h.explained(time.Minute, s)
}

// updateThatFailed has had trouble with its download, which is over.
func updateThatFailed() Explanation {
	h := newHistory()
	h.note(0, messages.Event{Type: messages.EventError, Code: messages.ConnectTimeout, Name: "ConnectTimeout", Phase: "firmware", Action: messages.ActionRetry, RetryInMS: new(int64(1))})
	s := messages.FirmwareStatus{
		Object: 5, State: firmware.StateIdle, Result: firmware.ResultPayloadCorrupted, Object5: 5, Progress: 4096, Total: 4096, Pending: 2,
		Detail: "the digest is another\x1b[2J",
	}
	h.updated(0, s)
	return h.explained(time.Minute, s)
}

func restarting() Explanation {
	return newHistory().explained(0, messages.FirmwareStatus{Object: 10252, State: firmware.StateRebooting, Result: firmware.ResultNone})
}

// A status has the numbers that the server sees, whichever object it is, and reads back
// from its JSON as it was.
func TestFirmwareStatus(t *testing.T) {
	h := newHub("g", slog.New(slog.DiscardHandler))
	if got := h.status().Firmware; got != nil {
		t.Errorf("%+v", got)
	}
	s := messages.FirmwareStatus{
		Object: 5, State: firmware.StateRebooting, Result: firmware.ResultNoSpace, Object5: 2, Progress: 3, Total: 4, Version: "1",
		Pending: 5, Asks: messages.AsksDownload, Deferred: explainEpoch, Detail: "d",
	}
	want := FirmwareStatus{
		Object: 5, State: 3, StateName: "rebooting", Result: 2, ResultName: "NOT_ENOUGH_FLASH", Progress: 3, Total: 4, Version: "1",
		Pending: 5, Asks: "download", DeferredUntil: explainEpoch, Detail: "d",
	}
	h.publish(messages.Snapshot{Firmware: &s})
	got := h.status().Firmware
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
	data, err := json.Marshal(got)
	var back FirmwareStatus
	if err == nil {
		err = json.Unmarshal(data, &back)
	}
	if diff := cmp.Diff(want, back); diff != "" || err != nil {
		t.Errorf("%s: %v%s", data, err, diff)
	}
	s.Object = 10252
	if got := firmwareStatusOf(&s); got.State != 8 || got.Result != 33 {
		t.Errorf("%+v", got)
	}
	for _, none := range []messages.FirmwareStatus{{}, {Object: 5, Result: firmware.ResultNone}, {Object: 10252, Result: firmware.ResultNone}} {
		if got := firmwareStatusOf(&none); got.ResultName != "" {
			t.Errorf("%+v has ended", got)
		}
	}
	if e := fetchingAnImage(); e.Firmware.Next == nil || e.Firmware.Next.In != 15*time.Second || e.Firmware.LastError.Attempt != 2 {
		t.Errorf("%+v", e.Firmware)
	}
}

// Trouble with the files lasts while the client is going to look again.
func TestExplainForgivesTheStore(t *testing.T) {
	for retry, standing := range map[time.Duration]bool{0: false, time.Hour: true} {
		h := newHistory()
		e := messages.Event{Type: messages.EventError, Code: messages.ConnectorFailedToReadCredentials, Phase: "store", Attempt: 1, Action: messages.ActionNone}
		if retry > 0 {
			e.RetryInMS = new(retry.Milliseconds())
		}
		h.note(0, e)
		h.note(time.Second, messages.Event{Type: messages.EventRegistered, Server: explainServer})
		if got := storeTrouble(h.journal.Read().Server(""), h.now) != nil; got != standing {
			t.Errorf("retry in %v: trouble %v", retry, got)
		}
	}
}

// That a look at the files has found nothing wrong is no event: the trouble ends when
// it would have been reported by then.
func TestExplainEndsTroubleThatIsNotReportedAgain(t *testing.T) {
	h := newHistory()
	const retry = 10 * time.Second
	h.note(0, messages.Event{
		Type: messages.EventError, Code: messages.ConnectorInvalidCredentials, Phase: "store", Attempt: 1,
		Action: messages.ActionUser, RetryInMS: new(retry.Milliseconds()),
	})
	reported := h.now
	for after, standing := range map[time.Duration]bool{retry: true, retry + supervisor.LoadBound: true, retry + supervisor.LoadBound + 1: false} {
		if got := storeTrouble(h.journal.Read().Server(""), reported.Add(after)) != nil; got != standing {
			t.Errorf("after %v: trouble %v", after, got)
		}
	}
}

func TestHumanDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 ms", 0: "0 ms", 999 * time.Millisecond: "999 ms", time.Second: "1 s", 59*time.Second + 900*time.Millisecond: "59 s",
		time.Minute: "1 min", 61 * time.Second: "1 min 1 s", time.Hour + time.Second: "1 h", 25 * time.Hour: "1 d 1 h",
		7*24*time.Hour + 5*time.Minute: "7 d",
	} {
		if got := wording.Duration(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}

// An update that is put off has not failed, and one that waits for a grant has not begun.
func TestFirmwareProgressInWords(t *testing.T) {
	for want, p := range map[string]FirmwareProgress{
		"put off, 8 of 8 bytes (100 %)": {Object: 5, State: 2, Result: 11, Progress: 8, Total: 8},
		"put off":                       {Object: 10252, State: 2, Result: -1},
		"awaiting download approval, the gateway is asked whether to download": {Object: 5, State: 1, Asks: "download"},
		"idle, failed: result 11 DEFERRED":                                     {Object: 5, Result: 11},
		"downloaded":                                                           {Object: 5, State: 2},
	} {
		if got := p.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
