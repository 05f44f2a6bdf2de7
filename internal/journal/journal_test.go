package journal

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/messages"
)

const (
	dm = "coaps://dm.example"
	bs = "coaps://bs.example"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// history notes events in a journal.
type history struct {
	journal Journal
	now     time.Time
	seq     uint64
	noted   []messages.Event
}

func newHistory() *history { return &history{now: epoch} }

func (h *history) note(after time.Duration, e messages.Event) {
	h.now = h.now.Add(after)
	h.seq++
	e.Seq, e.Time, e.Endpoint = h.seq, h.now, "gw-0001"
	h.journal.Note(e)
	h.noted = append(h.noted, e)
}

func (h *history) state(after time.Duration, from, to messages.State) {
	h.note(after, messages.Event{Type: messages.EventState, Previous: from, State: to, Server: dm})
}

// failure is a failed attempt as a supervisor reports it, its detail a text of
// its own.
func failure(server string, n uint64) messages.Event {
	return messages.Event{
		Type: messages.EventError, Server: server, Code: messages.ConnectTimeout, Name: messages.ConnectTimeout.String(),
		Phase: "register", Attempt: n, Detail: strings.Clone("timeout: no answer came within the time of the attempt"),
		Action: messages.ActionRetry, RetryInMS: new(int64(5000 << min(n, 10))),
		Remedy: "Check that the server is running, and that nothing on the way drops its datagrams.",
	}
}

// A run of failures ends with a success; what the application was refused and
// what was dropped does not count as one.
func TestRuns(t *testing.T) {
	h := newHistory()
	h.note(0, failure(dm, 1))
	h.note(time.Second, messages.Event{Type: messages.EventError, Server: dm, Code: messages.ConnectNotAllowed, Phase: "api", Action: messages.ActionNone})
	h.note(time.Second, messages.Event{Type: messages.EventError, Server: dm, Code: messages.ConnectResponseParseFailed, Phase: "registered", Action: messages.ActionIgnore})
	h.note(time.Second, failure(dm, 2))
	s := h.journal.Read().Server(dm)
	if !s.FailingSince.Equal(epoch) || s.Failures != 2 || s.Last.Attempt != 2 {
		t.Errorf("%+v", s)
	}
	h.note(time.Second, messages.Event{Type: messages.EventRegistered, Server: dm, OfflineMS: new(int64(1))})
	r := h.journal.Read()
	if s := r.Server(dm); !s.FailingSince.IsZero() || s.Successes != 1 || s.Reconnects != 1 || s.Last.Attempt != 2 {
		t.Errorf("%+v", s)
	}
	if n := r.ByError[ErrorKey{dm, messages.ConnectTimeout}]; n != 2 {
		t.Errorf("%d time-outs", n)
	}
	if n := r.ByType[messages.EventError]; n != 4 {
		t.Errorf("%d errors", n)
	}
}

// Trouble with the files lasts while the client is going to look again.
func TestForgivesTheStore(t *testing.T) {
	for retry, standing := range map[time.Duration]bool{0: false, time.Hour: true} {
		h := newHistory()
		e := messages.Event{Type: messages.EventError, Code: messages.ConnectorFailedToReadCredentials, Phase: "store", Attempt: 1, Action: messages.ActionNone}
		if retry > 0 {
			e.RetryInMS = new(retry.Milliseconds())
		}
		h.note(0, e)
		h.note(time.Second, messages.Event{Type: messages.EventRegistered, Server: dm})
		if got := !h.journal.Read().Server("").FailingSince.IsZero(); got != standing {
			t.Errorf("retry in %v: trouble %v", retry, got)
		}
	}
}

// The journal is bounded, whatever a bootstrap writes.
func TestIsBounded(t *testing.T) {
	h := newHistory()
	h.journal.Read()
	for n := range 1000 {
		uri := fmt.Sprintf("coap://server%d.example", n)
		h.note(time.Second, failure(uri, 1))
		h.note(0, messages.Event{Type: messages.EventRegistered, Server: uri, Location: fmt.Sprintf("/rd/%d", n)})
		h.note(0, messages.Event{Type: messages.EventRegistrationUpdated, Server: uri})
	}
	r := h.journal.Read()
	if len(r.Transitions) != Transitions || len(r.Servers) != Servers || len(r.ByError) != Servers {
		t.Errorf("%d transitions, %d servers, %d counts", len(r.Transitions), len(r.Servers), len(r.ByError))
	}
	if s := r.Server("coap://server999.example"); s.Failures != 1 || s.Successes != 1 {
		t.Errorf("the newest server: %+v", s)
	}
	if len(h.journal.book.texts) > maxTexts+Servers {
		t.Errorf("%d texts are kept", len(h.journal.book.texts))
	}
	h.note(time.Second, failure(dm, 1))
	if r.Server(dm).Failures != 0 {
		t.Error("a record changes with the journal")
	}
}

// Once asked, the journal gives back every event as it was noted.
func TestRemembersWhatWasNoted(t *testing.T) {
	h := newHistory()
	h.journal.Read()
	for n := range 200 {
		h.state(time.Second, messages.StateWaiting, messages.StateRegistering)
		e := failure(dm, uint64(n))
		e.Detail = fmt.Sprintf("cause %d", n) // every one its own
		h.note(time.Second, e)
		r := h.journal.Read()
		if diff := cmp.Diff(h.noted[max(0, len(h.noted)-Transitions):], r.Transitions); diff != "" {
			t.Fatalf("after %d: %s", n, diff)
		}
		if diff := cmp.Diff(&h.noted[len(h.noted)-1], r.Server(dm).Last); diff != "" {
			t.Fatalf("after %d: %s", n, diff)
		}
	}
}

// No field of an event is lost, also one that is new; but for its cause, which
// may hold a chain of certificates, or the stack of a crash.
func TestRemembersEveryField(t *testing.T) {
	var e messages.Event
	value := reflect.ValueOf(&e).Elem()
	for i := range value.NumField() {
		if f := value.Field(i); f.CanSet() && f.Type() != reflect.TypeFor[time.Time]() && f.Type() != reflect.TypeFor[error]() {
			fill(t, f, i)
		}
	}
	e.Time = time.Now().Round(0)
	for _, want := range []messages.Event{e, {Time: e.Time}, {Time: e.Time, RetryInMS: new(int64(0)), TLSAlert: new(uint8(0)), OfflineMS: new(int64(-1))}} {
		var j Journal
		j.Note(want)
		if diff := cmp.Diff([]messages.Event{want}, j.Read().Transitions); diff != "" {
			t.Error(diff)
		}
	}
}

// Of an update every step is remembered, and how much of the image is there is not: it
// would push everything else out. Its errors say nothing of the servers of the accounts.
func TestRemembersTheStepsOfAnUpdate(t *testing.T) {
	h := newHistory()
	h.register()
	step := func(state, result, progress int64, asks string) {
		h.note(time.Second, messages.Event{
			Type: messages.EventFirmware, Object: 10252, Asks: asks,
			FirmwareState: &state, FirmwareResult: &result, Progress: &progress, Total: new(int64(2000)),
		})
	}
	step(4, -1, 0, "")
	for progress := range int64(20) {
		step(4, -1, 100*(progress+1), "")
	}
	h.note(0, messages.Event{Type: messages.EventError, Server: "coap://images.example/a", Code: messages.ConnectTimeout, Phase: "firmware", Action: messages.ActionRetry})
	step(4, -1, 2000, "install") // the newest of its kind counts, whatever came between
	step(4, -1, 2000, "install")
	step(1, 40, 2000, "")
	r := h.journal.Read()
	var got []string
	for _, e := range r.Transitions[3:] {
		got = append(got, string(e.Type)+e.Asks)
	}
	if want := []string{"firmware", "error", "firmwareinstall", "firmware"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if r.Events("firmware") != 24 || r.Errors("", 6) != 1 || len(r.Servers) != 1 {
		t.Errorf("%d events, %d errors, servers %v", r.Events("firmware"), r.Errors("", 6), r.Servers)
	}
}

// fill gives a field a value of its own.
func fill(t *testing.T, f reflect.Value, n int) {
	switch f.Kind() {
	case reflect.String:
		f.SetString(fmt.Sprintf("text %d", n))
	case reflect.Int, reflect.Int64:
		f.SetInt(int64(1000 + n))
	case reflect.Uint8, reflect.Uint16, reflect.Uint64:
		f.SetUint(uint64(100 + n))
	case reflect.Bool:
		f.SetBool(true)
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
		fill(t, f.Elem(), n)
	default:
		t.Fatalf("a field of kind %s: teach it to the journal and to this test", f.Kind())
	}
}

// lives are what clients go through while nobody asks.
var lives = map[string]func(h *history){
	"registered": func(h *history) { h.register() },
	"updating": func(h *history) {
		h.register()
		for range 100 {
			h.note(time.Hour, messages.Event{Type: messages.EventRegistrationUpdated, Server: dm})
		}
	},
	"offline for weeks": func(h *history) {
		for n := range 30 {
			h.fail(dm, uint64(n+1))
		}
	},
	"reconnecting": func(h *history) {
		for range 30 {
			h.fail(dm, 1)
			h.register()
		}
	},
	"both servers fail": func(h *history) {
		for n := range 30 {
			h.fail(dm, uint64(n+1))
			h.fail(bs, uint64(n+1))
		}
	},
}

func (h *history) register() {
	h.state(time.Second, messages.StateConnecting, messages.StateRegistering)
	h.state(time.Second, messages.StateRegistering, messages.StateRegistered)
	h.note(0, messages.Event{
		Type: messages.EventRegistered, Server: dm, Location: fmt.Sprintf("/rd/%d", h.seq),
		LifetimeS: 86400, LwM2M: "1.1", Attempts: 1, OfflineMS: new(int64(5000)),
	})
}

func (h *history) fail(server string, n uint64) {
	h.state(time.Second, messages.StateWaiting, messages.StateRegistering)
	e := failure(server, n)
	e.Detail += fmt.Sprintf(" (%d)", n) // every one its own
	h.note(time.Minute, e)
	h.state(0, messages.StateRegistering, messages.StateWaiting)
}

// While nobody asks, a journal stays within its bound by its own account and by
// the heap's, and the newest of what has happened is there all the same.
func TestIsCompactWhileNobodyAsks(t *testing.T) {
	for name, live := range lives {
		const journals = 100
		kept := make([]*Journal, journals)
		before := heap()
		for i := range kept {
			h := newHistory()
			live(h)
			kept[i] = new(h.journal)
			if n := kept[i].size(); n > unaskedBudget {
				t.Fatalf("%s: %d bytes by the journal's account", name, n)
			}
			if i == 0 && len(h.noted) > 1 {
				h.checkNewest(t, name)
			}
		}
		if each := (heap() - before) / journals; each > Unasked {
			t.Errorf("%s: %d bytes of the heap", name, each)
		} else {
			t.Logf("%s: %d bytes of the heap, %d transitions", name, each, kept[0].transitions.n)
		}
		runtime.KeepAlive(kept)
	}
}

func (h *history) checkNewest(t *testing.T, name string) {
	t.Helper()
	copied := h.journal // Read would lift the bound
	got := copied.Read().Transitions
	want := h.noted
	for len(want) > 0 && want[len(want)-1].Type == messages.EventRegistrationUpdated {
		want = want[:len(want)-1]
	}
	if diff := cmp.Diff(want[len(want)-len(got):], got); diff != "" || len(got) < 3 {
		t.Errorf("%s: %d transitions: %s", name, len(got), diff)
	}
}

// heap returns how many bytes are in use, after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Every event of every client is noted.
func TestNotingLeavesLittleGarbage(t *testing.T) {
	var j Journal
	e := messages.Event{Type: messages.EventState, Server: dm, Time: epoch, State: messages.StateWaiting, Previous: messages.StateConnecting}
	if n := testing.AllocsPerRun(1000, func() { j.Note(e) }); n > 4 {
		t.Errorf("%v allocations", n)
	}
}
