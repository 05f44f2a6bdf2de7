package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/configfile"
)

// asGateway is the environment variable with the configuration of the client that the test
// binary is then, for the scenario that kills one.
const asGateway = "DEMO_TEST_GATEWAY"

func TestMain(m *testing.M) {
	if config := os.Getenv(asGateway); config != "" {
		gateway(config)
		return
	}
	code := m.Run()
	if err := leaks(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// leaks reports goroutines that stay. Protoactor's dead-letter throttle goes a
// second after the last dead letter, and one look takes half a second at most.
func leaks() (err error) {
	for range 6 {
		if err = goleak.Find(); err == nil {
			return nil
		}
	}
	return err
}

// gateway is what `holdfast run --json` is, as far as the demo needs it.
func gateway(config string) {
	file, err := configfile.Load(config)
	if err != nil {
		panic(err)
	}
	client, err := holdfast.New(file.Config)
	if err != nil {
		panic(err)
	}
	interrupted, _ := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(interrupted, func() { _ = client.Close(context.Background()) })
	events, _ := client.Events(eventRoom)
	if err := client.Start(context.Background()); err != nil {
		panic(err)
	}
	lines := json.NewEncoder(os.Stdout)
	for e := range events {
		_ = lines.Encode(e)
	}
}

// testCommand starts the test binary as a gateway.
func testCommand(config string) (*exec.Cmd, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asGateway+"="+config)
	return cmd, nil
}

// output is what --json printed.
type output struct {
	events  map[string][]holdfast.Event // by endpoint
	results []result
	summary total
}

// runJSON runs scenarios in-process.
func runJSON(t *testing.T, only ...string) output {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	if err := Run(t.Context(), Options{Only: only, Out: &out, JSON: true, Command: testCommand}); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return parse(t, out.Bytes())
}

func parse(t *testing.T, data []byte) output {
	t.Helper()
	o := output{events: map[string][]holdfast.Event{}}
	for line := range bytes.Lines(data) {
		var head struct{ Type string }
		unmarshal(t, line, &head)
		switch head.Type {
		case typeResult, typeFirmware, typeSession:
			var r result
			unmarshal(t, line, &r)
			o.results = append(o.results, r)
		case "demo_summary":
			unmarshal(t, line, &o.summary)
		default:
			var e holdfast.Event
			unmarshal(t, line, &e)
			o.events[e.Endpoint] = append(o.events[e.Endpoint], e)
		}
	}
	return o
}

func unmarshal(t *testing.T, line []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(line, v); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
}

// The whole demo does what docs/contract.md, Commands, says of it.
func TestDemo(t *testing.T) {
	began := time.Now()
	o := runJSON(t)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	if len(o.results) != len(scenarios()) || o.summary.Recovered != len(scenarios()) {
		t.Errorf("%d results, summary %+v", len(o.results), o.summary)
	}
	for endpoint, events := range o.events {
		for i, e := range events {
			if e.Seq != uint64(i+1) {
				t.Fatalf("%s: event %d has the number %d", endpoint, i+1, e.Seq)
			}
		}
	}
	updates, sessions := 0, 0
	for _, r := range o.results {
		switch r.about() {
		case anUpdate:
			updates++
			checkUpdate(t, r, o.events[r.Endpoint])
		case aSession:
			sessions++
			checkSession(t, r, o.events[r.Endpoint])
		default:
			checkResult(t, r, o.events[r.Endpoint])
		}
	}
	if updates != 4 || sessions != 2 {
		t.Errorf("%d firmware updates, %d sessions", updates, sessions)
	}
	for code := holdfast.ErrBootstrapFailed.Code; code <= holdfast.ErrReadCredentials.Code; code++ {
		if !slices.ContainsFunc(o.results, func(r result) bool { return r.Code == code }) {
			t.Errorf("code %d is not shown", code)
		}
	}
}

// checkSession holds the result of a session that goes on against the events: no error, and
// nothing but the first handshake.
func checkSession(t *testing.T, r result, events []holdfast.Event) {
	t.Helper()
	if !r.Recovered || r.RecoveredInMS == nil || r.Session != "kept" || r.Attempts != 1 || r.ServerSaw < 1 || r.Code != 0 || r.Name != "" {
		t.Errorf("%+v", r)
	}
	var costs []string
	for _, e := range events {
		if e.Type == holdfast.EventError {
			t.Errorf("%s: %+v", r.Scenario, e)
		}
		if e.Session != "" {
			costs = append(costs, e.Session)
		}
	}
	if len(costs) < 2 || costs[0] != "new" || slices.Contains(costs[1:], "new") {
		t.Errorf("%s: links have cost %v", r.Scenario, costs)
	}
}

// updatesOf says how each update ends, and what the server has to have been told, in words of
// their own independently of the plays.
var updatesOf = map[string]struct {
	object uint16
	result int64
	told   map[string][]int64
}{
	"firmware-update":    {10252, 18, map[string][]int64{"/10252/0/2": {1, -1, 3, 4, 6, 7, 1}, "/10252/0/3": {-1, 18}}},
	"firmware-signature": {10252, 23, map[string][]int64{"/10252/0/2": {1, -1, 1}, "/10252/0/3": {-1, 23}}},
	"firmware-lost-link": {5, 1, map[string][]int64{"/5/0/3": {0, 1, 2, 3, 0}, "/5/0/5": {0, 1}}},
	"firmware-kill":      {5, 1, map[string][]int64{"/5/0/3": {0, 1, 2, 3, 0}, "/5/0/5": {0, 1}}},
}

// checkUpdate holds the result of an update against the events between its numbers.
func checkUpdate(t *testing.T, r result, events []holdfast.Event) {
	t.Helper()
	want := updatesOf[r.Scenario]
	if !r.Recovered || r.RecoveredInMS == nil || r.Failure != "" || !reflect.DeepEqual(r.Told, want.told) {
		t.Errorf("%+v, want %+v", r, want)
	}
	if r.FirstSeq == 0 || r.LastSeq < r.FirstSeq || r.LastSeq > uint64(len(events)) {
		t.Fatalf("%s: %d to %d of %d events", r.Scenario, r.FirstSeq, r.LastSeq, len(events))
	}
	if !slices.ContainsFunc(events[r.FirstSeq-1:r.LastSeq], func(e holdfast.Event) bool {
		return e.Firmware != nil && e.Firmware.Object == want.object && e.Firmware.Result == want.result
	}) {
		t.Errorf("%s: nothing shows the result between %d and %d", r.Scenario, r.FirstSeq, r.LastSeq)
	}
}

// checkResult holds a result against the events between its numbers.
func checkResult(t *testing.T, r result, events []holdfast.Event) {
	t.Helper()
	if r.FirstSeq == 0 || r.LastSeq < r.FirstSeq || r.LastSeq > uint64(len(events)) {
		t.Fatalf("%s: %d to %d of %d events", r.Scenario, r.FirstSeq, r.LastSeq, len(events))
	}
	between := events[r.FirstSeq-1 : r.LastSeq]
	at := slices.IndexFunc(between, func(e holdfast.Event) bool {
		return e.Type == holdfast.EventError && e.Code == r.Code && e.Name == r.Name
	})
	if at < 0 {
		t.Errorf("%s: no error %d between %d and %d", r.Scenario, r.Code, r.FirstSeq, r.LastSeq)
		return
	}
	if !slices.ContainsFunc(between[at:], cureOf(r.Code)) {
		t.Errorf("%s: nothing shows the recovery between %d and %d", r.Scenario, r.FirstSeq, r.LastSeq)
	}
	if !r.Recovered || r.RecoveredInMS == nil || r.Attempts < 1 || r.ServerSaw < 1 {
		t.Errorf("%+v", r)
	}
	if !slices.Equal(r.DelaysMS, delays(between)) {
		t.Errorf("%s: delays %v, the events say %v", r.Scenario, r.DelaysMS, delays(between))
	}
}

// cureOf says what docs/design.md, The recovery table, calls recovered,
// independently of the table of scenarios.
func cureOf(code holdfast.ErrorCode) func(holdfast.Event) bool {
	switch code {
	case 5, 14:
		return func(e holdfast.Event) bool { return e.State == holdfast.Stopped }
	case 8:
		return func(e holdfast.Event) bool { return e.Type == holdfast.EventRegistrationUpdated }
	}
	return func(e holdfast.Event) bool { return e.Type == holdfast.EventRegistered }
}

func TestOnlyRunsWhatIsNamed(t *testing.T) {
	o := runJSON(t, "garbage", "connectnetworkerror")
	var names []string
	for _, r := range o.results {
		names = append(names, r.Scenario)
		checkResult(t, r, o.events[r.Endpoint])
	}
	if want := []string{"port-closed", "garbage"}; !slices.Equal(names, want) {
		t.Errorf("ran %v, want %v", names, want)
	}
}

// All updates have a name in common. One that goes wrong is told from an error.
func TestUpdates(t *testing.T) {
	chosen, err := choose([]string{"Firmware", "13"})
	if each := count(chosen); err != nil || each != [...]int{anError: 1, anUpdate: 4, aSession: 0} {
		t.Errorf("%v, %v", each, err)
	}
	chosen, err = choose([]string{"session"})
	if each := count(chosen); err != nil || each != [...]int{anError: 0, anUpdate: 0, aSession: 2} {
		t.Errorf("%v, %v", each, err)
	}
	if chosen, err := choose([]string{"0"}); err == nil {
		t.Errorf("0 is %d scenarios", len(chosen))
	}
	s := scenario{name: "x", about: anUpdate, cured: updatedByURI}
	fetched := holdfast.Event{Type: holdfast.EventFirmware, Seq: 1, Firmware: &holdfast.FirmwareProgress{Object: 5, State: 1}}
	over := holdfast.Event{Type: holdfast.EventFirmware, Seq: 2, Firmware: &holdfast.FirmwareProgress{Object: 5, Result: 1}}
	told := map[string][]int64{"/5/0/5": {1}}
	if r := s.judgeUpdate(gatewayName, []holdfast.Event{fetched, over}, 0, told, nil); !r.Recovered || verdictOf([]result{r}) != "1 of 1 firmware update ended as they should" {
		t.Errorf("%+v %s", r, verdictOf([]result{r}))
	}
	for _, r := range []result{
		s.judgeUpdate(gatewayName, []holdfast.Event{fetched}, 0, told, nil),
		s.judgeUpdate(gatewayName, []holdfast.Event{fetched, over}, 0, nil, nil),
		s.judgeUpdate(gatewayName, []holdfast.Event{fetched, over}, 0, told, errNotResumed),
	} {
		if r.Recovered || r.Failure == "" {
			t.Errorf("%+v", r)
		}
	}
}

// Where a program cannot be started a second time, as in an emulator, the gateway that is
// killed is not shown, and nothing has failed.
func TestNoSecondProcess(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	foreign := filepath.Join(t.TempDir(), "foreign")
	if err := os.WriteFile(foreign, []byte("\x7fELF of another machine"), 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := Run(t.Context(), Options{Only: []string{"firmware-kill"}, Out: &out, Command: func(string) (*exec.Cmd, error) {
		return exec.Command(foreign), nil
	}})
	if err != nil || !strings.Contains(out.String(), "not shown: this machine starts no second process") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestUnknownScenario(t *testing.T) {
	var out bytes.Buffer
	var unknown *UnknownScenarioError
	o := Options{Only: []string{"garbage", "weather"}, Out: &out}
	if err := Run(t.Context(), o); !errors.As(err, &unknown) || unknown.Name != "weather" {
		t.Errorf("Run: %v", err)
	}
	if err := List(o); !errors.As(err, &unknown) {
		t.Errorf("List: %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("it printed %q", out.String())
	}
}

func TestList(t *testing.T) {
	var text, lines bytes.Buffer
	if err := errors.Join(List(Options{Out: &text}), List(Options{Out: &lines, JSON: true})); err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios() {
		if !strings.Contains(text.String(), s.name) || !strings.Contains(text.String(), s.label()) {
			t.Errorf("%s is not listed", s.name)
		}
	}
	if n := strings.Count(lines.String(), `"type":"demo_scenario"`); n != len(scenarios()) {
		t.Errorf("%d lines of JSON", n)
	}
}

func TestScenariosAreSound(t *testing.T) {
	names, codes := map[string]bool{}, map[holdfast.ErrorCode]bool{}
	for _, s := range scenarios() {
		if s.name == "" || s.provoked == "" || s.play == nil || s.cured.match == nil || names[s.name] || codes[s.code] && s.about == anError || (s.code == 0) != (s.about != anError) {
			t.Errorf("%+v", s.name)
		}
		names[s.name], codes[s.code] = true, true
	}
}

// An interrupt ends the show in order: no file and no goroutine is left.
func TestInterrupt(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &interrupter{cancel: cancel, at: "black-hole"}
	began := time.Now()
	if err := Run(ctx, Options{Only: []string{"black-hole", "garbage"}, Out: out}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if strings.Contains(out.text.String(), "garbage") {
		t.Errorf("it went on after the interrupt:\n%s", out.text.String())
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// interrupter cancels when a text is printed.
type interrupter struct {
	cancel context.CancelFunc
	at     string
	text   strings.Builder
}

func (w *interrupter) Write(b []byte) (int, error) {
	if strings.Contains(string(b), w.at) {
		w.cancel()
	}
	return w.text.Write(b)
}

func TestFailureIsReported(t *testing.T) {
	s := scenarios()[0]
	broken := errors.New("the stage is on fire")
	reported := holdfast.Event{Type: holdfast.EventError, Code: s.code, Seq: 1}
	cured := holdfast.Event{Type: holdfast.EventRegistered, Seq: 2}
	if r := s.judge(gatewayName, []holdfast.Event{reported, cured}, 1, nil); !r.Recovered {
		t.Errorf("%+v", r)
	}
	for _, r := range []result{
		s.judge(gatewayName, nil, 1, nil),
		s.judge(gatewayName, []holdfast.Event{reported}, 1, nil),
		s.judge(gatewayName, []holdfast.Event{cured, reported}, 1, nil),
		s.judge(gatewayName, []holdfast.Event{reported, cured}, 0, nil),
		s.judge(gatewayName, []holdfast.Event{reported, cured}, 1, broken),
	} {
		if r.Recovered || r.Failure == "" || r.RecoveredInMS != nil {
			t.Errorf("%+v", r)
		}
		if err := outcome(t.Context(), []result{r}); !errors.Is(err, ErrFailed) {
			t.Errorf("%v", err)
		}
	}
}

// A driver that panics costs one attempt, which is announced: the policy's delay,
// or that of a crash where it is longer.
func TestDriverPanics(t *testing.T) {
	o := runJSON(t, "9")
	if len(o.results) != 1 {
		t.Fatalf("%d results", len(o.results))
	}
	r := o.results[0]
	checkResult(t, r, o.events[r.Endpoint])
	if r.Endpoint != unpluggedName || r.Attempts != 2 || !slices.Equal(r.DelaysMS, []int64{1000}) {
		t.Errorf("%+v", r)
	}
}

// docs/contract.md, Commands, names every field of the lines of --json.
func TestContractNamesEveryField(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "contract.md"))
	if err != nil {
		t.Fatal(err)
	}
	for kind, line := range map[string]any{
		typeResult: result{Code: 1, Name: "x", Failure: "x"}, typeFirmware: result{Told: map[string][]int64{"": nil}, Failure: "x"},
		typeSession: result{Session: "kept", Failure: "x"}, "demo_summary": total{}, "demo_scenario": listed{Code: 1, Name: "x"},
	} {
		data, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		unmarshal(t, data, &fields)
		_, row, _ := strings.Cut(string(page), "| `"+kind+"` |")
		row, _, _ = strings.Cut(row, "\n")
		for name := range fields {
			if name != "type" && !strings.Contains(row, "`"+name+"`") {
				t.Errorf("%s does not name %s", kind, name)
			}
		}
	}
}
