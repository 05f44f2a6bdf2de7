package network

import (
	"errors"
	"net/netip"
	"reflect"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

var testPeer = messages.ManagementPeer(7)

const (
	testEpoch = messages.Epoch(42)
)

var (
	now  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	addr = netip.MustParseAddr
)

// connect is a NoSec request with a minute to go.
func connect(t testing.TB, target string, changes ...func(*messages.Connect)) messages.Connect {
	in := messages.Connect{
		Peer: testPeer, Epoch: testEpoch,
		URI: parse(t, target), Credentials: nosec(), Deadline: now.Add(time.Minute),
	}
	for _, change := range changes {
		change(&in)
	}
	return in
}

func ports(port uint16, addrs ...string) []netip.AddrPort {
	var list []netip.AddrPort
	for _, a := range addrs {
		list = append(list, netip.AddrPortFrom(addr(a), port))
	}
	return list
}

// told returns the messages of type T among the effects.
func told[T any](effects []core.Effect) []T {
	var all []T
	for _, e := range effects {
		if tell, ok := e.(core.Tell); ok {
			if m, ok := tell.Message.(T); ok {
				all = append(all, m)
			}
		}
	}
	return all
}

// found returns the first effect of type T.
func found[T core.Effect](t testing.TB, effects []core.Effect) T {
	t.Helper()
	for _, e := range effects {
		if e, ok := e.(T); ok {
			return e
		}
	}
	var none T
	t.Fatalf("no %T among %v", none, effects)
	return none
}

func wantEffects(t testing.TB, got []core.Effect, want ...core.Effect) {
	t.Helper()
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got effects\n%v\nwant\n%v", got, want)
	}
}

func wantState(t testing.TB, m *Machine, want State) {
	t.Helper()
	if m.State() != want {
		t.Errorf("state is %v, want %v", m.State(), want)
	}
}

// lost returns the failure that the effects tell the owner of.
func lost(t testing.TB, effects []core.Effect) messages.Failure {
	t.Helper()
	all := told[messages.LinkLost](effects)
	if len(all) != 1 {
		t.Fatalf("%d LinkLost among %v, want 1", len(all), effects)
	}
	found[shut](t, effects)
	f := all[0].Failure
	if f.Peer != testPeer || f.Epoch != testEpoch {
		t.Errorf("the failure is of %v, epoch %v", f.Peer, f.Epoch)
	}
	return f
}

func TestNameIsResolvedThenConnected(t *testing.T) {
	m := New(testPeer, testEpoch)
	wantState(t, m, Idle)
	wantEffects(t, m.Step(now, connect(t, "coap://lwm2m.test")),
		core.Tell{To: core.Supervisor, Message: messages.Progress{Epoch: testEpoch, Stage: messages.StageResolving}},
		core.SetTimer{Timer: guard, After: lookupLimit + guardGrace},
		resolve{host: "lwm2m.test", deadline: now.Add(lookupLimit)},
	)
	wantState(t, m, Resolving)

	later := now.Add(2 * time.Second)
	list := ports(5683, "192.0.2.1", "2001:db8::1")
	wantEffects(t, m.Step(later, resolved{epoch: testEpoch, addrs: []netip.Addr{addr("192.0.2.1"), addr("2001:db8::1")}}),
		core.Tell{To: core.Supervisor, Message: messages.Progress{
			Epoch: testEpoch, Stage: messages.StageConnecting, Addresses: list, Chosen: list[0],
		}},
		core.SetTimer{Timer: guard, After: 29*time.Second + guardGrace},
		open{remote: list[0], deadline: later.Add(29 * time.Second)},
	)
	wantState(t, m, Connecting)

	up := messages.LinkUp{Epoch: testEpoch, Deadline: later.Add(29 * time.Second)}
	wantEffects(t, m.Step(later, connected{epoch: testEpoch}),
		core.StopTimer{Timer: guard},
		core.Tell{To: core.Supervisor, Message: messages.Progress{
			Epoch: testEpoch, Stage: messages.StageUp, Addresses: list, Chosen: list[0],
		}},
		core.Tell{To: core.Link, Message: up},
		core.Tell{To: core.Owner, Message: up},
		serve{},
	)
	wantState(t, m, Up)

	refused := &SocketError{Op: opRead, Err: syscall.ECONNREFUSED}
	if f := lost(t, m.Step(later, broken{epoch: testEpoch, err: refused})); f.Class != messages.ClassRefused {
		t.Errorf("class is %v, want refused", f.Class)
	}
	wantState(t, m, Lost)
}

func TestAddressChoice(t *testing.T) {
	three := ports(5683, "192.0.2.1", "192.0.2.2", "2001:db8::1")
	tests := []struct {
		name  string
		input []netip.AddrPort
		after netip.AddrPort
		list  []netip.AddrPort
		want  netip.AddrPort
	}{
		{"the first", three, netip.AddrPort{}, three, three[0]},
		{"the next", three, three[0], three, three[1]},
		{"around the end", three, three[2], three, three[0]},
		{"after one that is gone", three, ports(5683, "192.0.2.9")[0], three, three[0]},
		{"the only one again", three[:1], three[0], three[:1], three[0]},
		{"without duplicates and unusable ones",
			ports(5683, "0.0.0.0", "192.0.2.1", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:192.0.2.1", "127.0.0.1"),
			netip.AddrPort{}, ports(5683, "192.0.2.1", "127.0.0.1"), ports(5683, "192.0.2.1")[0]},
		{"at most eight",
			ports(1, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9"),
			netip.AddrPort{},
			ports(1, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8"),
			ports(1, "10.0.0.1")[0]},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := New(testPeer, testEpoch)
			effects := m.Step(now, connect(t, "coap://lwm2m.test", func(c *messages.Connect) {
				c.Addresses, c.After = test.input, test.after
			}))
			if got := found[open](t, effects).remote; got != test.want {
				t.Errorf("chose %v, want %v", got, test.want)
			}
			progress := told[messages.Progress](effects)
			if len(progress) != 1 || !reflect.DeepEqual(progress[0].Addresses, test.list) || progress[0].Chosen != test.want {
				t.Errorf("progress is %+v, want %v", progress, test.list)
			}
		})
	}
}

// With k addresses each has the k-th part of what is left of the budget, at
// least MinAddressShare, and never more than is left.
func TestShareOfTheBudget(t *testing.T) {
	tests := []struct {
		name      string
		left      time.Duration
		addresses int
		want      time.Duration
	}{
		{"alone", 3 * time.Minute, 1, 3 * time.Minute},
		{"one of three", 3 * time.Minute, 3, time.Minute},
		{"one of eight", time.Minute, 8, messages.MinAddressShare},
		{"little left", 4 * time.Second, 2, 4 * time.Second},
	}
	all := []netip.Addr{}
	for i := range byte(maxAddresses) {
		all = append(all, netip.AddrFrom4([4]byte{192, 0, 2, i + 1}))
	}
	for _, test := range tests {
		m := New(testPeer, testEpoch)
		m.Step(now, connect(t, "coap://lwm2m.test", func(c *messages.Connect) { c.Deadline = now.Add(test.left) }))
		effects := m.Step(now, resolved{epoch: testEpoch, addrs: all[:test.addresses]})
		if got := found[open](t, effects).deadline; got != now.Add(test.want) {
			t.Errorf("%s: until %v, want %v", test.name, got.Sub(now), test.want)
		}
	}
	// given addresses come with a share already
	m := New(testPeer, testEpoch)
	effects := m.Step(now, connect(t, "coap://lwm2m.test", func(c *messages.Connect) { c.Addresses = withPort(all, 5683) }))
	if got := found[open](t, effects).deadline; got != now.Add(time.Minute) {
		t.Errorf("given: until %v, want 1m", got.Sub(now))
	}
}

func TestLiteralAddressSkipsDNS(t *testing.T) {
	for target, want := range map[string]string{
		"coap://192.0.2.1:61616":   "192.0.2.1:61616",
		"coap://[2001:db8::1]":     "[2001:db8::1]:5683",
		"coap://[::ffff:10.1.2.3]": "10.1.2.3:5683",
	} {
		m := New(testPeer, testEpoch)
		if got := found[open](t, m.Step(now, connect(t, target))).remote.String(); got != want {
			t.Errorf("%s: dials %s, want %s", target, got, want)
		}
	}
}

func TestNoUsableAddress(t *testing.T) {
	m := New(testPeer, testEpoch)
	m.Step(now, connect(t, "coap://lwm2m.test"))
	f := lost(t, m.Step(now, resolved{epoch: testEpoch, addrs: []netip.Addr{addr("0.0.0.0"), addr("ff02::1")}}))
	if got := wantAs[*ResolveError](t, &f).Reason; f.Class != messages.ClassDNS || got != ResolveNoAddress {
		t.Errorf("got %v, %v", f.Class, got)
	}
}

func TestLookupIsBoundedByTheDeadline(t *testing.T) {
	m := New(testPeer, testEpoch)
	effects := m.Step(now, connect(t, "coap://lwm2m.test", func(c *messages.Connect) { c.Deadline = now.Add(4 * time.Second) }))
	if got := found[resolve](t, effects).deadline; got != now.Add(4*time.Second) {
		t.Errorf("the lookup ends at %v", got)
	}
}

func TestFailsWithoutAPacket(t *testing.T) {
	tests := []struct {
		name   string
		target string
		change func(*messages.Connect)
		class  messages.Class
	}{
		{"empty key", "coaps://lwm2m.test", func(c *messages.Connect) { c.Credentials = messages.Credentials{Mode: messages.SecurityPSK} }, messages.ClassBadCredentials},
		{"enrolment", "coaps://lwm2m.test", func(c *messages.Connect) { c.Credentials.Mode = messages.SecurityEST }, messages.ClassConfiguration},
		{"no raw public key", "coaps://lwm2m.test", func(c *messages.Connect) { c.Credentials.Mode = messages.SecurityRPK }, messages.ClassBadCredentials},
		{"enrolment", "coaps://lwm2m.test", func(c *messages.Connect) { c.Credentials.Mode = messages.SecurityEST }, messages.ClassConfiguration},
		{"coaps without security", "coaps://lwm2m.test", func(*messages.Connect) {}, messages.ClassConfiguration},
		{"a secured account without DTLS", "coap://lwm2m.test", func(c *messages.Connect) { c.Credentials = psk() }, messages.ClassConfiguration},
		{"the deadline has passed", "coap://lwm2m.test", func(c *messages.Connect) { c.Deadline = now }, messages.ClassTimeout},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := New(testPeer, testEpoch)
			effects := m.Step(now, connect(t, test.target, test.change))
			if f := lost(t, effects); f.Class != test.class {
				t.Errorf("class is %v, want %v", f.Class, test.class)
			}
			if len(effects) != 3 {
				t.Errorf("got effects %v, want only the loss", effects)
			}
			wantState(t, m, Lost)
		})
	}
}

// stages returns a machine in each state that it can be in before Lost.
func stages(t testing.TB) map[State]*Machine {
	all := map[State]*Machine{}
	for _, s := range []State{Idle, Resolving, Connecting, Up} {
		all[s] = New(testPeer, testEpoch)
		if s >= Resolving {
			all[s].Step(now, connect(t, "coap://lwm2m.test"))
		}
		if s >= Connecting {
			all[s].Step(now, resolved{epoch: testEpoch, addrs: []netip.Addr{addr("192.0.2.1")}})
		}
		if s >= Up {
			all[s].Step(now, connected{epoch: testEpoch})
		}
		wantState(t, all[s], s)
	}
	return all
}

// allInputs returns one input of every kind.
func allInputs(t testing.TB, epoch messages.Epoch) []any {
	return []any{
		connect(t, "coap://lwm2m.test", func(c *messages.Connect) { c.Epoch = epoch }),
		resolved{epoch: epoch, addrs: []netip.Addr{addr("192.0.2.1")}}, connected{epoch: epoch},
		broken{epoch: epoch, err: errors.New("x")},
	}
}

func TestOtherEpochsAreDropped(t *testing.T) {
	for _, epoch := range []messages.Epoch{testEpoch - 1, testEpoch + 1} {
		for _, in := range allInputs(t, epoch) {
			for state, m := range stages(t) {
				wantEffects(t, m.Step(now, in))
				wantState(t, m, state)
			}
		}
	}
}

func TestOtherPeerIsDropped(t *testing.T) {
	m := New(testPeer, testEpoch)
	wantEffects(t, m.Step(now, connect(t, "coap://lwm2m.test", func(c *messages.Connect) { c.Peer.ID++ })))
	wantState(t, m, Idle)
}

func TestInputsOutOfTurnAreIgnored(t *testing.T) {
	for state, m := range stages(t) {
		for _, in := range []any{
			core.Persisted{}, core.PersistFailed{}, "unknown", nil,
			messages.LinkUp{}, messages.Progress{Epoch: testEpoch},
		} {
			wantEffects(t, m.Step(now, in))
		}
		if state != Idle {
			wantEffects(t, m.Step(now, connect(t, "coap://lwm2m.test")))
		}
		if state != Resolving {
			wantEffects(t, m.Step(now, resolved{epoch: testEpoch, addrs: []netip.Addr{addr("192.0.2.1")}}))
		}
		wantState(t, m, state)
	}
}

func TestLostIsFinal(t *testing.T) {
	for _, m := range stages(t) {
		m.Step(now, broken{epoch: testEpoch, err: errors.New("x")})
		for _, in := range append(allInputs(t, testEpoch), core.Expired{Timer: guard}) {
			wantEffects(t, m.Step(now, in))
		}
		wantState(t, m, Lost)
		if m.security != nil {
			t.Error("the credentials are still held")
		}
	}
}

// No lost message can strand a link: a goroutine that never reports is given
// up.
func TestGuard(t *testing.T) {
	for state, class := range map[State]messages.Class{
		Resolving: messages.ClassDNS, Connecting: messages.ClassTimeout,
	} {
		m := stages(t)[state]
		if f := lost(t, m.Step(now, core.Expired{Timer: guard})); f.Class != class {
			t.Errorf("%v: class is %v, want %v", state, f.Class, class)
		}
	}
	for _, state := range []State{Idle, Up} {
		m := stages(t)[state]
		wantEffects(t, m.Step(now, core.Expired{Timer: guard}))
		wantState(t, m, state)
	}
}

func TestSecuredLinkOpensWithItsCredentials(t *testing.T) {
	m := New(testPeer, testEpoch)
	effects := m.Step(now, connect(t, "coaps://192.0.2.1", func(c *messages.Connect) { c.Credentials = psk() }))
	if s := found[open](t, effects).security; s == nil || s.identity != "device" {
		t.Errorf("security is %+v", s)
	}
	up := told[messages.LinkUp](m.Step(now, connected{epoch: testEpoch}))
	if len(up) != 2 {
		t.Errorf("got %+v", up)
	}
}

// Whatever happens in whatever order: at most one LinkLost, nothing at all
// after it, and nothing is read before the link is up.
func TestAnyOrderOfInputs(t *testing.T) {
	all := append(allInputs(t, testEpoch), core.Expired{Timer: guard})
	all = append(all, allInputs(t, testEpoch-1)...)
	rapid.Check(t, func(t *rapid.T) {
		m := New(testPeer, testEpoch)
		for _, in := range rapid.SliceOfN(rapid.SampledFrom(all), 0, 20).Draw(t, "inputs") {
			before := m.State()
			effects := m.Step(now, in)
			losses := len(told[messages.LinkLost](effects))
			if before == Lost && len(effects) > 0 {
				t.Fatalf("effects %v after the end", effects)
			}
			if losses > 1 || losses == 1 && m.State() != Lost {
				t.Fatalf("%d losses, state %v", losses, m.State())
			}
			for _, e := range effects {
				if _, ok := e.(serve); ok && m.State() != Up {
					t.Fatalf("serves in state %v", m.State())
				}
			}
		}
	})
}

func TestNames(t *testing.T) {
	for s, want := range map[State]string{Idle: "idle", Resolving: "resolving", Connecting: "connecting", Up: "up", Lost: "lost", 99: "invalid"} {
		if s.String() != want {
			t.Errorf("got %q, want %q", s, want)
		}
	}
}

// A link that is up needs neither what it was asked for nor the keys.
func TestALinkThatIsUpKeepsNoCredentials(t *testing.T) {
	m := New(testPeer, testEpoch)
	in := connect(t, "coaps://192.0.2.1")
	in.Credentials = psk()
	m.Step(now, in)
	if m.security == nil || m.request == nil {
		t.Fatal("not prepared")
	}
	m.Step(now, connected{epoch: testEpoch})
	wantState(t, m, Up)
	if m.security != nil || m.request != nil {
		t.Errorf("kept: %+v, %+v", m.security, m.request)
	}
}

// What comes late joins the addresses of the attempt, behind those that were there,
// and is told once.
func TestLateAddressesJoin(t *testing.T) {
	m := New(testPeer, testEpoch)
	m.Step(now, connect(t, "coap://lwm2m.test"))
	if effects := m.Step(now, joined{epoch: testEpoch, addrs: []netip.Addr{addr("192.0.2.9")}}); effects != nil {
		t.Errorf("before the lookup has ended: %v", effects)
	}
	effects := m.Step(now, resolved{epoch: testEpoch, addrs: []netip.Addr{addr("2001:db8::1")}})
	if got := found[open](t, effects).deadline; got != now.Add(time.Minute/2) {
		t.Errorf("the first of two addresses has until %v", got)
	}
	late := joined{epoch: testEpoch, addrs: []netip.Addr{addr("192.0.2.1"), addr("2001:db8::1"), addr("0.0.0.0")}}
	effects = m.Step(now, late)
	want := core.Tell{To: core.Supervisor, Message: messages.Joined{
		Epoch: testEpoch, Addresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:5683")},
	}}
	if diff := cmp.Diff([]core.Effect{want}, effects, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Error(diff)
	}
	wantState(t, m, Connecting)
	for _, again := range []joined{late, {epoch: testEpoch + 1, addrs: []netip.Addr{addr("192.0.2.2")}}} {
		if effects := m.Step(now, again); effects != nil {
			t.Errorf("again: %v", effects)
		}
	}
}
