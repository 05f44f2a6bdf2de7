package linkwatch

import (
	"testing"
	"time"
)

func stateOf(messages ...any) *State {
	s := &State{}
	for _, m := range messages {
		s.Apply(m)
	}
	return s
}

var (
	eth0     = Link{Index: 2, Name: "eth0", Up: true, Running: true}
	wwan0    = Link{Index: 3, Name: "wwan0", Up: true, Running: true}
	ethAddr  = Address{Index: 2, Addr: four}
	wwanAddr = Address{Index: 3, Addr: ip("198.51.100.7")}
	ethRoute = Route{Indexes: []int{2}, Metric: 100}
)

func TestStateTellsWhatIsNew(t *testing.T) {
	gone := ethAddr
	gone.Gone = true
	tests := []struct {
		name    string
		before  []any
		message any
		changed bool
	}{
		{"first", nil, eth0, true},
		{"the same", []any{eth0}, eth0, false},
		{"other flags", []any{eth0}, Link{Index: 2, Name: "eth0", Up: true}, true},
		{"gone", []any{ethAddr}, gone, true},
		{"gone that was never there", nil, gone, false},
		{"route", nil, ethRoute, true},
		{"the same route", []any{ethRoute}, ethRoute, false},
		{"another metric", []any{ethRoute}, Route{Indexes: []int{2}, Metric: 7}, true},
		{"lost messages", nil, Interrupted{}, true},
		{"no news", nil, Done{}, false},
	}
	for _, tt := range tests {
		if got := stateOf(tt.before...).Apply(tt.message); got != tt.changed {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestViewShowsWhatCanBeUsed(t *testing.T) {
	v := stateOf(eth0, ethAddr, Address{Index: 2, Addr: six, Pending: true}, ethRoute,
		Route{Indexes: []int{2, 9}, Metric: 7}, Address{Index: 9, Addr: six}, Link{Index: 1, Name: "lo", Up: true, Running: true, Loopback: true}).View()
	if len(v) != 2 || v[0].Name != "lo" || v[0].Reaches() {
		t.Fatalf("%+v", v)
	}
	i := v.Named("eth0")
	if i == nil || !i.Up || !i.Reaches() || !i.Routed() || len(i.Addresses) != 1 || i.Route4 != (Default{true, 7}) || i.Route6.Is {
		t.Fatalf("%+v", i)
	}
	if v.Named("eth1") != nil {
		t.Error("eth1")
	}
}

// What has come by which a server may be reached again, and what has not.
func TestGains(t *testing.T) {
	down := Link{Index: 2, Name: "eth0", Up: true}
	linkLocal := Address{Index: 2, Addr: ip("fe80::5")}
	bare := []any{eth0}
	good := []any{eth0, ethAddr}
	routed := []any{eth0, ethAddr, ethRoute}
	tests := []struct {
		name        string
		before, now []any
		only        []string
		want        bool
	}{
		{"nothing", routed, routed, nil, false},
		{"an address", bare, good, nil, true},
		{"one of the link", bare, []any{eth0, linkLocal}, nil, false},
		{"a deprecated one", bare, []any{eth0, Address{Index: 2, Addr: four, Deprecated: true}}, nil, false},
		{"a carrier", []any{down, ethAddr}, good, nil, true},
		{"no carrier", good, []any{down, ethAddr}, nil, false},
		{"a carrier without an address", []any{down}, bare, nil, false},
		{"a route", good, routed, nil, true},
		{"another route", routed, []any{eth0, ethAddr, Route{Indexes: []int{2}, Metric: 7}}, nil, true},
		{"a route less", routed, good, nil, false},
		{"an address more", good, append(good, Address{Index: 2, Addr: six}), nil, true},
		{"an address less", append(good, Address{Index: 2, Addr: six}), good, nil, false},
		{"another interface", good, append(good, wwan0, wwanAddr), nil, true},
		{"one that does not count", good, append(good, wwan0, wwanAddr), []string{"eth0"}, false},
		{"one that counts", good, append(good, wwan0, wwanAddr), []string{"wwan0"}, true},
		{"loopback", nil, []any{Link{Index: 1, Name: "lo", Up: true, Running: true, Loopback: true}, Address{Index: 1, Addr: four}}, nil, false},
	}
	for _, tt := range tests {
		if got := stateOf(tt.now...).View().Gains(stateOf(tt.before...).View(), tt.only...); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestStateIsBounded(t *testing.T) {
	s := &State{}
	for i := range maxRoutes + 10 {
		s.Apply(Route{Indexes: []int{i + 1}})
	}
	if len(s.routes) != maxRoutes {
		t.Errorf("%d routes", len(s.routes))
	}
}

func TestPace(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var p pace
	p.done(now, true)
	p.stir(now)
	if p.due != now.Add(rest) {
		t.Errorf("soon after a look: %v", p.due.Sub(now))
	}
	p.done(now.Add(rest), true)
	now = now.Add(time.Hour)
	p.stir(now)
	p.stir(now.Add(settle / 2))
	if p.due != now.Add(settle) {
		t.Errorf("a second sign puts the look off: %v", p.due.Sub(now))
	}
	want := []time.Duration{rest, 2 * rest, 4 * rest}
	for _, w := range want {
		p.done(now, false)
		if p.due != now.Add(w) {
			t.Errorf("after a failure: %v, want %v", p.due.Sub(now), w)
		}
	}
	for range 100 {
		p.done(now, false)
	}
	if p.due != now.Add(longestRest) {
		t.Errorf("%v", p.due.Sub(now))
	}
	if p.done(now, true); !p.due.IsZero() {
		t.Error("a look that succeeds is the last one")
	}
}
