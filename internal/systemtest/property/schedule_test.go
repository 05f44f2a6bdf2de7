package property_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// setup is which accounts the client of a schedule has.
type setup uint8

const (
	plainServer     setup = iota // a management server over NoSec
	securedServer                // a management server over PSK
	certifiedServer              // a management server over X.509
	bootstrapServer              // a bootstrap server over PSK that delivers a management account over PSK
	twoServers                   // the same with a second management server, over PSK or NoSec
	setups                       // their number
)

func (s setup) String() string {
	return [...]string{"NoSec", "PSK", "X.509", "PSK bootstrap", "two servers"}[s]
}

// boots reports whether the accounts come from a bootstrap server.
func (s setup) boots() bool { return s >= bootstrapServer }

// servers is the number of management accounts.
func (s setup) servers() int {
	if s == twoServers {
		return 2
	}
	return 1
}

// schedule is one random history: a client, what it and its servers suffer,
// and when all of that is over.
type schedule struct {
	Setup setup
	Seed  int64 // of the network's and the client's random draws
	// Provisioned: the bootstrap account is in the state directory, not in the
	// configuration.
	Provisioned bool
	Other       time.Duration // lifetime at the second management server
	Secured     bool          // the second management server has PSK
	Order       precedence    // of two management accounts (/1/x/13)
	Block       bool          // a failure keeps the account behind from being tried (/1/x/15)
	Named       bool          // the servers' URIs have host names
	Decoys      int           // addresses of the management server's name that lead nowhere
	Last        bool          // the decoys come first
	R0          time.Duration
	OMA         bool // the delays are those of OMA's policy, and R0 is not used
	Lifetime    time.Duration
	MaxAge      uint32 // of every 4.29 and 5.03, where they have one, s
	Queue       bool   // the client is in queue mode, whatever its servers write
	Span        time.Duration
	Faults      []fault
	Acts        []act           // what the servers do, and the application, about the client's objects
	Spoil       func(*managing) // after all of it, to see that the judge notices; may be nil
}

// tellsMaxAge reports whether the servers say in 4.29 and 5.03 how long they want
// quiet. They do so always or never, so that the judge knows what was said.
func (p *schedule) tellsMaxAge() bool { return p.Seed%2 == 0 }

// precedence is in which order two management accounts begin.
type precedence uint8

const (
	together    precedence = iota // none of them has a priority
	firstFirst                    // both have one
	secondFirst                   // the same
	firstFree                     // the second one has: what has none goes first
	precedences
)

// priority returns /1/x/13 of a management account, where it has one.
func (p *schedule) priority(w whom) (n uint64, has bool) {
	switch p.Order {
	case firstFirst:
		return uint64(w) + 1, true
	case secondFirst:
		return 2 - uint64(w), true
	case firstFree:
		return 0, w == second
	}
	return 0, false
}

// lifetime is that of the registration with a management server.
func (p *schedule) lifetime(w whom) time.Duration {
	if w == second {
		return p.Other
	}
	return p.Lifetime
}

// fault is one thing that goes wrong, or a call of the application. What N, P
// and D mean depends on the kind.
type fault struct {
	Kind  faultKind
	At    time.Duration // since the beginning, a second before the client starts
	For   time.Duration // how long it lasts, where it lasts
	Where int           // index into scopes, for faults of the network; which servers are struck, for others
	N     int
	P     float64
	D     time.Duration
}

type faultKind uint8

const (
	// Faults of the network.
	faultLoss faultKind = iota
	faultDuplication
	faultReordering
	faultDelay
	faultBlackHole
	faultRefusedPort
	faultUnreachable
	faultRebinding
	faultDNS
	// Misbehaviour of the management server.
	faultRegister
	faultUpdate
	faultForget
	faultExpelled // it forgets the client and then refuses its Register
	faultAbort
	faultGarbage
	// Calls of the application.
	callUpdate
	callNetworkUp
	callRestart
	callPause   // and Resume at the end
	faultAsleep // the machine was suspended until now
	// Faults of the disk.
	faultDisk
	faultDiskStart // the client is restarted on it
	// Faults of DTLS.
	faultForgetSessions
	faultRefuseHandshakes
	faultIgnoreHandshakes
	faultCertificate // the server's is not to be trusted; its handshakes are refused where there is none
	// Misbehaviour of the bootstrap server.
	faultBootstrapRequest
	faultBootstrapBroken
	faultBootstrapAbort
	faultRotateKey
	faultDiskFinish // a bootstrap is asked for on it
	faultDamage     // the newest credentials are damaged while the client is down
	callBootstrap
	faultKinds // their number
)

func (k faultKind) String() string {
	return [...]string{
		"loss", "duplication", "reordering", "delay", "black hole", "refused port", "unreachable", "NAT rebinding", "DNS",
		"register", "update", "forget", "expelled", "abort", "garbage", "RegisterUpdate", "NetworkUp", "restart", "Pause", "asleep",
		"disk", "restart on a bad disk",
		"forget sessions", "refuse handshakes", "ignore handshakes", "certificate",
		"bootstrap request", "broken bootstrap", "bootstrap abort", "rotate key",
		"bootstrap on a bad disk", "damage", "Bootstrap",
	}[k]
}

// kinds returns how many of the fault kinds a set-up can suffer; the list is
// sorted by that.
func (s setup) kinds() faultKind {
	return [...]faultKind{faultForgetSessions, faultBootstrapRequest, faultBootstrapRequest, faultKinds, faultKinds}[s]
}

// Ranges of what a schedule draws.
const (
	maxFaults     = 12
	maxLatency    = 60 * time.Second
	maxDelay      = 4 * time.Minute // of an answer, and of a packet both ways
	maxHours      = 1000
	maxMisbehaves = 4 // requests that one misbehaviour concerns
)

// drawSchedule draws a schedule of 1 to 1,000 virtual hours. The client's
// delays are whole milliseconds, so that what an event announces is exact.
func drawSchedule(t *rapid.T, s setup) schedule {
	p := schedule{
		Setup: s,
		Seed:  rapid.Int64Range(0, 1<<32).Draw(t, "seed"),
		Named: rapid.Bool().Draw(t, "named"),
		R0:    time.Duration(rapid.IntRange(2000, 10000).Draw(t, "r0 ms")) * time.Millisecond,
		Span:  time.Duration(rapid.SampledFrom([]int{1, 2, 10, 30, 100, 300, maxHours}).Draw(t, "hours")) * time.Hour,
	}
	if s.boots() {
		p.Provisioned = rapid.Bool().Draw(t, "provisioned")
	}
	if s == twoServers {
		p.Secured = rapid.Bool().Draw(t, "second secured")
		p.Order = precedence(rapid.IntRange(0, int(precedences)-1).Draw(t, "order"))
		p.Block = rapid.Bool().Draw(t, "block")
	}
	if p.Named {
		p.Decoys = rapid.IntRange(0, 2).Draw(t, "decoys")
		p.Last = rapid.Bool().Draw(t, "decoys first")
	}
	lifetimes := rapid.SampledFrom([]time.Duration{
		24 * time.Hour, 2 * time.Hour, max(10*time.Minute, p.Span/100), max(2*time.Minute, p.Span/200).Truncate(time.Second),
	})
	p.Lifetime = lifetimes.Draw(t, "lifetime")
	if s == twoServers {
		p.Other = lifetimes.Draw(t, "other lifetime") + time.Duration(rapid.IntRange(0, 60).Draw(t, "and s"))*time.Second
	}
	p.OMA = rapid.IntRange(0, 3).Draw(t, "oma") == 3
	if p.OMA && s == twoServers {
		// Where no server is to be reached there is a bootstrap and ten attempts every
		// quarter of an hour, without end.
		p.Span = min(p.Span, 100*time.Hour)
	}
	p.MaxAge = uint32(rapid.SampledFrom([]int{0, 1, 30, 600, 86400}).Draw(t, "max-age"))
	p.Faults = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) fault { return drawFault(t, p) }), 1, maxFaults).Draw(t, "faults")
	p.Faults = withGenerations(p.Faults)
	return p
}

// withGenerations has a bootstrap called for twice before credentials are damaged, in
// every other case: else there is hardly ever a generation before.
func withGenerations(faults []fault) []fault {
	all := faults
	for _, f := range faults {
		if f.Kind == faultDamage && f.N%2 == 0 {
			all = append(all, fault{Kind: callBootstrap, At: f.At / 3}, fault{Kind: callBootstrap, At: f.At / 3 * 2})
		}
	}
	return all
}

func drawFault(t *rapid.T, p schedule) fault {
	scopes := 5
	if p.Setup == twoServers {
		scopes = 8
	}
	f := fault{
		Kind:  faultKind(scattered(rapid.Uint32().Draw(t, "kind")) % int(p.Setup.kinds())),
		At:    time.Duration(rapid.Int64Range(0, p.Span.Milliseconds()-1).Draw(t, "at ms")) * time.Millisecond,
		Where: rapid.IntRange(0, scopes-1).Draw(t, "where"),
		N:     scattered(rapid.Uint32().Draw(t, "n")),
		P:     float64(rapid.IntRange(5, 95).Draw(t, "percent")) / 100,
		D:     time.Duration(rapid.Int64Range(0, maxLatency.Milliseconds()).Draw(t, "d ms")) * time.Millisecond,
	}
	if rapid.Bool().Draw(t, "early") { // faults that meet are the interesting ones
		f.At = min(f.At%time.Hour, p.Span-time.Millisecond) / 3
	}
	unit := rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour}).Draw(t, "unit")
	f.For = min(unit*time.Duration(rapid.IntRange(1, 60).Draw(t, "units")), p.Span-f.At)
	return f
}

// scattered spreads a number: rapid draws small ones more often, and a choice
// among many should be even.
func scattered(n uint32) int { return int(rand.New(rand.NewPCG(uint64(n), 2)).Uint32N(1 << 20)) }

// String returns the schedule as the report of a failure shows it.
func (p schedule) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, seed %d, secured %v, order %d (block %v), provisioned %v, named %v, decoys %d (first %v), r0 %v, OMA %v, lifetimes %v and %v, max-age %d, span %v, queue mode %v, sessions %d",
		p.Setup, p.Seed, p.Secured, p.Order, p.Block, p.Provisioned, p.Named, p.Decoys, p.Last, p.R0, p.OMA, p.Lifetime, p.Other, p.MaxAge, p.Span, p.Queue, p.lasts())
	for _, a := range p.Acts {
		fmt.Fprintf(&text, "\n  %v: %s by %s n %d", a.At, a.Kind, a.Whom, a.N)
	}
	for _, f := range p.Faults {
		fmt.Fprintf(&text, "\n  %v + %v: %s where %d n %d p %.2f d %v", f.At, f.For, f.Kind, f.Where, f.N, f.P, f.D)
	}
	return text.String()
}
