package registration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

const (
	testEpoch  messages.Epoch = 7
	testBudget                = 3 * time.Minute
)

// driver plays supervisor and coapresend to a machine in virtual time. Every
// step returns the effects as one line each.
type driver struct {
	t       *testing.T
	machine *Machine
	now     time.Time
	request messages.Request // the last one that was sent
	told    []any            // what the supervisor was told, in order
	timers  map[core.Timer]time.Time
}

func newDriver(t *testing.T) *driver {
	t.Helper()
	return &driver{
		t: t, machine: New(Config{Budget: testBudget}),
		now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), timers: map[core.Timer]time.Time{},
	}
}

func (d *driver) step(in any) []string {
	d.t.Helper()
	var lines []string
	for _, effect := range d.machine.Step(d.now, in) {
		lines = append(lines, d.note(effect))
	}
	return lines
}

func (d *driver) note(effect core.Effect) string {
	switch effect := effect.(type) {
	case core.SetTimer:
		d.timers[effect.Timer] = d.now.Add(effect.After)
		return fmt.Sprintf("timer %s %s", effect.Timer, effect.After)
	case core.StopTimer:
		delete(d.timers, effect.Timer)
		return "stop " + effect.Timer.String()
	case core.Tell:
		if request, ok := effect.Message.(messages.Request); ok {
			d.request = request
			return describe(request)
		}
		d.told = append(d.told, effect.Message)
		return fmt.Sprintf("tell %s %T", effect.To, effect.Message)
	}
	d.t.Fatalf("unknown effect %T", effect)
	return ""
}

func describe(r messages.Request) string {
	s := r.Code.String() + " /" + strings.Join(r.Path, "/")
	if len(r.Query) > 0 {
		s += "?" + strings.Join(r.Query, "&")
	}
	if len(r.Payload) > 0 {
		s += " " + string(r.Payload)
	}
	return s
}

// fire lets virtual time pass until a timer is due.
func (d *driver) fire(timer core.Timer) []string {
	d.t.Helper()
	at, armed := d.timers[timer]
	if !armed {
		d.t.Fatalf("timer %q is not armed", timer)
	}
	d.now = at
	delete(d.timers, timer)
	return d.step(core.Expired{Timer: timer})
}

func (d *driver) begin(change func(*messages.BeginRegistration)) []string {
	d.t.Helper()
	server, err := uri.Parse("coap://lwm2m.example:5683?aid=42")
	if err != nil {
		d.t.Fatal(err)
	}
	b := messages.BeginRegistration{
		Account:  messages.Account{Peer: messages.ManagementPeer(1), URI: server, Lifetime: 24 * time.Hour},
		Epoch:    testEpoch,
		Endpoint: "gw-1",
		Deadline: d.now.Add(testBudget),
		Mode:     messages.ModeRegister,
		Versions: []string{"1.1", "1.0"},
		Objects:  []messages.ObjectEntry{{ID: 1, Instances: []uint16{0}}, {ID: 3, Instances: []uint16{0}}},
	}
	if change != nil {
		change(&b)
	}
	return d.step(b)
}

func (d *driver) linkUp() []string {
	return d.step(messages.LinkUp{Epoch: testEpoch})
}

// answer answers the last request.
func (d *driver) answer(code messages.CoAPCode, change ...func(*messages.Response)) []string {
	r := messages.Response{Epoch: testEpoch, ID: d.request.ID, Code: code}
	for _, f := range change {
		f(&r)
	}
	return d.step(r)
}

func (d *driver) fail(reason messages.RequestFailure) []string {
	return d.step(messages.RequestFailed{Epoch: testEpoch, ID: d.request.ID, Reason: reason})
}

func at(segments ...string) func(*messages.Response) {
	return func(r *messages.Response) { r.LocationPath = segments }
}

// registered brings a machine to Registered with the Location rd/5a3f.
func registered(t *testing.T) *driver {
	t.Helper()
	d := newDriver(t)
	d.begin(nil)
	d.linkUp()
	d.answer(messages.Created, at("rd", "5a3f"))
	d.want(Registered)
	return d
}

func (d *driver) want(s State) {
	d.t.Helper()
	if got := d.machine.State(); got != s {
		d.t.Fatalf("state %s, want %s", got, s)
	}
}

// failure returns the failure that the supervisor was told last.
func (d *driver) failure() messages.Failed {
	d.t.Helper()
	if len(d.told) == 0 {
		d.t.Fatal("the supervisor was told nothing")
	}
	f, ok := d.told[len(d.told)-1].(messages.Failed)
	if !ok {
		d.t.Fatalf("the supervisor was told %T", d.told[len(d.told)-1])
	}
	return f
}

func contains(t *testing.T, lines []string, want string) {
	t.Helper()
	for _, line := range lines {
		if line == want {
			return
		}
	}
	t.Fatalf("no effect %q among\n%s", want, strings.Join(lines, "\n"))
}

func lacks(t *testing.T, lines []string, prefix string) {
	t.Helper()
	for _, line := range lines {
		if strings.HasPrefix(line, prefix) {
			t.Fatalf("unexpected effect %q", line)
		}
	}
}
