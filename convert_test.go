package holdfast

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/messages"
)

// full is an event in which every field is set, each to a value of its own.
func full(t *testing.T) messages.Event {
	t.Helper()
	var m messages.Event
	v := reflect.ValueOf(&m).Elem()
	for i := range v.NumField() {
		n := int64(i + 1)
		switch field := v.Field(i).Addr().Interface().(type) {
		case *time.Time:
			*field = time.Unix(n, n).UTC()
		case **uint8:
			*field = new(uint8(n))
		case **int64:
			*field = new(n)
		case *error:
			*field = fs.ErrInvalid
		default:
			setPlain(t, v.Field(i), n)
		}
	}
	return m
}

func setPlain(t *testing.T, v reflect.Value, n int64) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("text " + strconv.FormatInt(n, 10))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(n)
	case reflect.Uint16, reflect.Uint64:
		v.SetUint(uint64(n))
	default:
		t.Fatalf("a field of type %s", v.Type())
	}
}

// Nothing that an actor reports is lost on the way to the application, and an
// event makes the same message again.
func TestEventsCrossTheBoundaryWhole(t *testing.T) {
	m := full(t)
	e := eventOf(m)
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not set", v.Type().Field(i).Name)
		}
	}
	if back := messageOf(e); !reflect.DeepEqual(back, m) {
		t.Errorf("%+v\ncame back as\n%+v", m, back)
	}
	if back := messageOf(eventOf(messages.Event{})); !reflect.DeepEqual(back, messages.Event{}) {
		t.Errorf("nothing came back as %+v", back)
	}
	if delay, again := e.RetryIn(); !again || delay != time.Duration(*m.RetryInMS)*time.Millisecond {
		t.Errorf("RetryIn: %v, %v", delay, again)
	}
	if d, was := e.Offline(); !was || d != time.Duration(*m.OfflineMS)*time.Millisecond {
		t.Errorf("Offline: %v, %v", d, was)
	}
}

// The JSON form of an event is that of the message, byte for byte, also for an
// encoder that does not escape HTML, and reads back to the same event.
func TestEventsAsJSON(t *testing.T) {
	m := full(t)
	m.Detail = "<4.03> & more"
	update := m
	m.Object, m.FirmwareState, m.FirmwareResult, m.Progress, m.Total, m.Asks = 0, nil, nil, nil, nil, ""
	wantSameJSON(t, m)
	update.Type, update.State = messages.EventFirmware, "" // its state is a number
	wantSameJSON(t, update)
}

func wantSameJSON(t *testing.T, m messages.Event) {
	t.Helper()
	for _, escape := range []bool{true, false} {
		var got, want bytes.Buffer
		for out, v := range map[*bytes.Buffer]any{&got: eventOf(m), &want: m} {
			encoder := json.NewEncoder(out)
			encoder.SetEscapeHTML(escape)
			if err := encoder.Encode(v); err != nil {
				t.Fatal(err)
			}
		}
		if got.String() != want.String() {
			t.Errorf("%s\nis not\n%s", got.String(), want.String())
		}
		var read Event
		if err := json.Unmarshal(got.Bytes(), &read); err != nil {
			t.Fatal(err)
		}
		sent := eventOf(m)
		if sent.cause = nil; !reflect.DeepEqual(read, sent) {
			t.Errorf("%+v\nread back is\n%+v", sent, read)
		}
	}
}

// What is known of a connection reads back as it was written, in the names of
// the contract.
func TestConnectionsAsJSON(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	next := &NextStep{Action: ActionRegister, At: at.Add(time.Minute), In: time.Minute, WaitsForTurn: true}
	last := &Event{Time: at, Type: EventError, Code: CodeTimeout, NextAttempt: at.Add(time.Minute)}
	tests := []struct {
		connection Connection
		want       string
	}{
		{Connection{Account: "bootstrap", Server: "coap://a", State: Waiting}, `{"account":"bootstrap","server":"coap://a","state":"waiting"}`},
		{
			Connection{
				Account: "server 1", Server: "coap://a", State: Registered, Location: "/rd/1", Lifetime: time.Hour, ConfirmedAt: at,
				Trouble: &Trouble{Since: at, Failures: 2, Error: last, Next: next}, LastError: last, Next: next, Shed: &Shed{Rate: 3},
				Observing: &Observing{Observations: 1, Stored: 2, Notified: 3, Acknowledged: 4, Dropped: 5}, Sends: &SendCount{Accepted: 6, Failed: 7},
			},
			`{"account":"server 1","server":"coap://a","state":"registered","location":"/rd/1","lifetime_s":3600,` +
				`"confirmed_at":"2026-01-01T00:00:00Z","trouble":{"since":"2026-01-01T00:00:00Z","failures":2,` +
				`"error":{"time":"2026-01-01T00:00:00Z","seq":0,"endpoint":"","type":"error","code":6,"retry_in_ms":60000},` +
				`"next":{"action":"register","at":"2026-01-01T00:01:00Z","in_ms":60000,"waits_for_turn":true}},` +
				`"last_error":{"time":"2026-01-01T00:00:00Z","seq":0,"endpoint":"","type":"error","code":6,"retry_in_ms":60000},` +
				`"next":{"action":"register","at":"2026-01-01T00:01:00Z","in_ms":60000,"waits_for_turn":true},` +
				`"shed":{"queue":0,"rate":3,"answers":0,"memory":0,"forged":0,"truncated":0,"unsent":0},` +
				`"observing":{"observations":1,"stored":2,"notified":3,"acknowledged":4,"dropped":5},"sends":{"accepted":6,"failed":7}}`,
		},
		{
			Connection{Account: "server 1", Server: "coap://a", State: Registered, Location: "/rd/1"}, // for ever
			`{"account":"server 1","server":"coap://a","state":"registered","location":"/rd/1","lifetime_s":0}`,
		},
	}
	for _, tt := range tests {
		got, err := json.Marshal(tt.connection)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s, %v\nwant %s", got, err, tt.want)
		}
		var read Connection
		if err := json.Unmarshal(got, &read); err != nil || !reflect.DeepEqual(read, tt.connection) {
			t.Errorf("%+v, %v\nis not %+v", read, err, tt.connection)
		}
	}
}

// Every word that an actor may use in an event has its constant here, and no
// constant stands for a word that none uses.
func TestWordsOfEventsAreDeclared(t *testing.T) {
	for _, kind := range []string{"EventType", "State", "Action"} {
		got, want := constants(t, ".", kind), constants(t, "messages", kind)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %v, the actors have %v", kind, got, want)
		}
	}
	var phases, codes []string
	for p := messages.PhaseAPI; p.String() != "invalid"; p++ {
		phases = append(phases, strconv.Quote(p.String()))
	}
	for _, c := range messages.ErrorCodes() {
		codes = append(codes, strconv.Itoa(int(c)))
	}
	slices.Sort(phases)
	slices.Sort(codes)
	if got := constants(t, ".", "Phase"); !slices.Equal(got, phases) {
		t.Errorf("phases: %v, the actors have %v", got, phases)
	}
	if got := constants(t, ".", "ErrorCode"); !slices.Equal(got, codes) {
		t.Errorf("codes: %v, the actors have %v", got, codes)
	}
}

// constants returns the values of all constants of a type that a directory
// declares, in order.
func constants(t *testing.T, directory, kind string) (values []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(directory, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil || strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && isOf(spec, kind) {
				values = append(values, spec.Values[0].(*ast.BasicLit).Value)
			}
			return true
		})
	}
	slices.Sort(values)
	return values
}

func isOf(spec *ast.ValueSpec, kind string) bool {
	name, ok := spec.Type.(*ast.Ident)
	return ok && name.Name == kind && len(spec.Values) == 1
}

// The store tells files that may be read later from those that a person has to
// correct by a code in its own words.
func TestFactoryErrorsAreClassified(t *testing.T) {
	for problem, want := range map[error]messages.ErrorCode{
		errors.New("no PEM"): messages.ConnectorInvalidCredentials,
		&fs.PathError{Op: "read", Path: "gw.crt", Err: errors.New("I/O error")}: messages.ConnectorFailedToReadCredentials,
	} {
		faults := &CredentialsError{Faults: []Fault{{Key: "server.certificate", Err: problem}}}
		coded, ok := errors.AsType[interface {
			error
			Code() messages.ErrorCode
		}](classified(faults))
		if !ok || coded.Code() != want || coded.Error() != faults.Error() || !errors.Is(classified(faults), faults) {
			t.Errorf("%v: %v", problem, coded)
		}
	}
}

// The number that readers see is the one that the supervisor takes.
func TestDefaultAccounts(t *testing.T) {
	if DefaultAccounts != accounts.DefaultMax {
		t.Errorf("DefaultAccounts is %d, the supervisor's default %d", DefaultAccounts, accounts.DefaultMax)
	}
}
