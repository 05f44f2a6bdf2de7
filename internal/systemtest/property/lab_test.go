package property_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// outcome is what one schedule came to.
type outcome struct {
	lives     []*journal
	virtual   time.Duration  // simulated
	recover   time.Duration  // from the end of the faults to the registration
	bound     time.Duration  // what recover may be
	disk      int            // operations of the disk that failed
	attempts  int            // of all lives
	protected int            // records that were sent under a Connection ID
	faults    []string       // what was not as it should be
	managed   map[string]int // what was compared of the management, by what it is
}

func (o *outcome) failf(format string, args ...any) {
	o.faults = append(o.faults, fmt.Sprintf(format, args...))
}

// lab carries one schedule out, in a bubble.
type lab struct {
	*systemtest.World
	plan      schedule
	began     time.Time
	rand      func() float64
	managers  []*manager
	bootstrap *lwm2mtest.Service // nil while it is down
	rotated   int                // keys that are not the first ones
	active    map[faultKind]int  // how many faults of a kind are in force
	client    *holdfast.Client   // nil while it is closed
	config    holdfast.Config
	disk      *disk
	damaged   [][]byte                  // records as they were after they were damaged
	wake      func(slept time.Duration) // tells the client that the machine slept; nil while it is closed
	managing  *managing                 // nil where nobody manages the client
	traffic   *traffic                  // the same
	forgot    bool                      // a process was killed after the disk had failed: what it could not store is lost
	nonces    *nonces
	out       outcome
}

// firstStart is when the client starts: faults may have begun before.
const firstStart = time.Second

// action is one thing that the lab does at an instant.
type action struct {
	at time.Duration
	do func()
}

// carryOut runs a schedule to its end and returns what it came to. It must be
// called in a bubble, and leaves nothing behind in it.
func carryOut(t *testing.T, p schedule) *outcome {
	l := &lab{
		World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{Seed: p.Seed}), plan: p, began: time.Now(), rand: seeded(p.Seed),
		active: map[faultKind]int{}, disk: &disk{FS: store.OS()},
	}
	l.populate()
	defer l.Close()
	defer l.depopulate()
	l.watchNonces()
	l.prepare()
	l.manage()
	for _, a := range l.actions() {
		time.Sleep(time.Until(l.began.Add(a.at)))
		a.do()
	}
	time.Sleep(time.Until(l.began.Add(p.Span)))
	l.settle()
	l.outlastPauses()
	l.recoverWithin()
	l.agree()
	l.finish()
	l.inspect()
	l.judgeWishes()
	l.judgeNonces()
	l.out.disk = l.disk.count
	l.out.virtual = time.Since(l.began)
	return &l.out
}

// seeded returns a source for many goroutines.
func seeded(seed int64) func() float64 {
	var mu sync.Mutex
	source := rand.New(rand.NewPCG(uint64(seed), 1))
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return source.Float64()
	}
}

// prepare sets up names, servers and the configuration.
func (l *lab) prepare() {
	l.BootstrapHost = l.Network.Host("bootstrap", systemtest.BootstrapAddr)
	l.setDNS()
	l.raiseManagement()
	l.config = l.NoSec()
	l.config.Lifetime = l.plan.Lifetime
	l.config.Reconnect = holdfast.ReconnectConfig{InitialMin: l.plan.R0, InitialMax: l.plan.R0}
	if l.plan.OMA {
		l.config.Reconnect.Policy = holdfast.PolicyLwM2M
	}
	uri := l.uri(l.managers[0])
	l.config.Server.URI = uri
	switch l.plan.Setup {
	case plainServer:
		return
	case certifiedServer:
		l.config.Server = l.papers().account(uri)
		return
	}
	l.config.Server = &holdfast.Account{
		URI: uri, Security: holdfast.SecurityPSK, PSKIdentity: systemtest.Endpoint, PSKKey: systemtest.Key,
	}
	if l.plan.Setup.boots() {
		l.config.Server = nil
		l.config.Bootstrap = l.Factory().Bootstrap
		if l.plan.Named {
			l.config.Bootstrap.URI = "coaps://" + bootstrapName
		}
		l.raiseBootstrap()
		l.deliverAccount()
	}
	if l.plan.Provisioned {
		l.provision()
	}
}

func (l *lab) raiseBootstrap() {
	l.bootstrap = l.ServeBootstrap()
}

// deliverAccount makes the bootstrap server write the present accounts.
func (l *lab) deliverAccount() {
	l.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: l.allWrites()})
}

// open starts a life of the client.
func (l *lab) open() {
	if l.client != nil {
		return
	}
	j := newJournal(l.Gateway, l.disk)
	j.damaged, j.intact = len(l.damaged) > 0, l.hasIntact()
	client, err := holdfast.New(l.config,
		lwm2mtest.WithTransport(j), lwm2mtest.WithTap(j), lwm2mtest.WithRand(l.rand), systemtest.WithStoreFS(l.disk),
		systemtest.WithSleep(func(tell func(time.Duration)) func() {
			l.wake = tell
			return func() { l.wake = nil }
		}))
	if err != nil {
		l.out.failf("New: %v", err)
		return
	}
	j.attach(client)
	j.note(entryStart, first, "")
	if err := client.Start(context.Background()); err != nil {
		l.out.failf("Start: %v", err)
	}
	l.client = client
	l.out.lives = append(l.out.lives, j)
}

// shut ends the present life of the client.
func (l *lab) shut() {
	if l.client == nil {
		return
	}
	j := l.life()
	j.note(entryClose, first, "")
	began := time.Now()
	j.closed = l.client.Close(context.Background())
	<-j.drained
	if took := time.Since(began); took > 5*time.Second {
		l.out.failf("Close took %v", took)
	}
	if !systemtest.IsError(j.closed, nil) && !errors.Is(j.closed, holdfast.ErrNotRegistered) && !errors.Is(j.closed, holdfast.ErrUnregistration) {
		l.out.failf("Close: %v", j.closed)
	}
	if n := l.client.Status().Dropped; n > 0 {
		l.out.failf("%d events were dropped", n)
	}
	l.client = nil
}

func (l *lab) life() *journal { return l.out.lives[len(l.out.lives)-1] }

// actions returns what the schedule's faults do and undo, in order. Every
// fault has an offset of its own of some microseconds, so that none begins at
// the instant of a timer that another one started.
func (l *lab) actions() []action {
	all := []action{{at: firstStart, do: l.open}}
	for i, f := range l.plan.Faults {
		f.At += time.Duration(i+1) * time.Microsecond
		begin, end := l.parts(f)
		all = append(all, action{at: f.At, do: begin})
		if end != nil {
			all = append(all, action{at: min(f.At+f.For, l.plan.Span), do: end})
		}
	}
	for i, a := range l.plan.Acts {
		a.At += time.Duration(i) * time.Microsecond
		all = append(all, l.managing.actions(a)...)
	}
	slices.SortStableFunc(all, func(a, b action) int { return cmp.Compare(a.at, b.at) })
	return all
}

// parts returns how a fault begins and, where it lasts, how it ends.
func (l *lab) parts(f fault) (begin, end func()) {
	switch {
	case f.Kind <= faultUnreachable:
		return l.impairment(f)
	case f.Kind >= faultForgetSessions:
		return l.secured(f)
	}
	switch f.Kind {
	case faultRebinding:
		return l.rebind, nil
	case faultDNS:
		return l.counted(f.Kind, func() { l.failDNS(f) }, l.setDNS)
	case faultRegister:
		return func() { l.misbehaveAll(lwm2mtest.Register, f) }, nil
	case faultUpdate:
		return func() { l.misbehaveAll(lwm2mtest.Update, f) }, nil
	case faultForget:
		return func() { l.each(f, (*lwm2mtest.Server).Forget) }, nil
	case faultExpelled:
		return func() { l.expel(f) }, nil
	case faultAbort:
		return l.counted(f.Kind, func() { l.abortManagement(f) }, l.raiseManagement)
	case faultGarbage:
		return func() { l.garbage(f) }, nil
	case callUpdate:
		return l.callUpdate, nil
	case callNetworkUp:
		return l.callNetworkUp, nil
	case callPause:
		return l.counted(f.Kind, l.callPause, l.callResume)
	case faultAsleep:
		return func() { l.sleep(f) }, nil
	case faultDisk:
		return l.breakDisk(f)
	case faultDiskStart:
		return l.breakStart(f)
	}
	return l.shut, l.open
}

// secured returns the parts of the faults that need DTLS.
func (l *lab) secured(f fault) (begin, end func()) {
	switch f.Kind {
	case faultForgetSessions:
		return func() { l.each(f, (*lwm2mtest.Server).ForgetSessions) }, nil
	case faultRefuseHandshakes:
		alert := []uint8{0, 40, 42, 45, 49, 71, 80, 86, 115}[f.N%9]
		return l.counted(faultRefuseHandshakes, func() { l.refuse(f, alert) }, l.accept)
	case faultIgnoreHandshakes:
		return l.counted(faultRefuseHandshakes, func() { l.ignore(f) }, l.accept)
	case faultCertificate:
		if l.plan.Setup != certifiedServer {
			return l.counted(faultRefuseHandshakes, func() { l.refuse(f, 46) }, l.accept)
		}
		return l.counted(f.Kind, func() { l.forge(f) }, l.certify)
	case faultBootstrapRequest:
		return func() { l.misbehave(l.Server, lwm2mtest.BootstrapRequest, f) }, nil
	case faultBootstrapBroken:
		return l.counted(f.Kind, func() { l.Server.SetBootstrap(systemtest.Endpoint, l.broken(f)) }, l.deliverAccount)
	case faultBootstrapAbort:
		return l.counted(f.Kind, l.abortBootstrap, l.raiseBootstrap)
	case faultDiskFinish:
		return l.breakFinish(f)
	case faultDamage:
		return func() { l.damage(f) }, l.open
	case callBootstrap:
		return l.callBootstrap, nil
	}
	return func() { l.rotate(f) }, nil
}

// counted makes overlapping faults of a kind end with the last of them.
func (l *lab) counted(kind faultKind, begin, end func()) (func(), func()) {
	return func() { l.active[kind]++; begin() },
		func() {
			if l.active[kind]--; l.active[kind] == 0 {
				end()
			}
		}
}

// impairment returns the parts of a fault of the packet network.
func (l *lab) impairment(f fault) (begin, end func()) {
	var c lwm2mtest.Conditions
	switch f.Kind {
	case faultLoss:
		c.Loss = f.P
	case faultDuplication:
		c.Duplicate, c.Jitter = f.P, f.D
	case faultReordering:
		c.Jitter = f.D
	case faultDelay:
		c.Latency = f.D
	case faultBlackHole:
		c.BlackHole = true
	case faultRefusedPort:
		c.Refuse = true
	default:
		c.Unreachable = []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EPERM, syscall.ENETDOWN, syscall.EACCES, syscall.ENOBUFS}[f.N%6]
	}
	at := func(a netip.Addr) lwm2mtest.Scope {
		return lwm2mtest.Either(lwm2mtest.FromAddr(a), lwm2mtest.ToAddr(a))
	}
	scope := []lwm2mtest.Scope{
		lwm2mtest.Everywhere(), lwm2mtest.FromHost(l.Gateway), lwm2mtest.ToHost(l.Gateway),
		at(systemtest.ServerAddr), at(systemtest.BootstrapAddr), at(secondAddr),
		lwm2mtest.Either(at(systemtest.ServerAddr), at(secondAddr)),
		lwm2mtest.Either(at(systemtest.BootstrapAddr), at(secondAddr)),
	}[f.Where]
	var made *lwm2mtest.Impairment
	return func() { made = l.Network.Impair(scope, c) }, func() { made.Lift() }
}

// rebind gives the client another address.
func (l *lab) rebind() {
	l.Gateway.Rebind()
	for _, g := range l.managers {
		g.loseTrack()
	}
}

// loseTrack is what a server does without security that does not know any more which
// client an address is of: what comes from there it rejects by RST, which ends
// observations, until the client's next Update. So it gives up what it observed.
func (g *manager) loseTrack() {
	if g.secured {
		return
	}
	for _, relation := range g.server.Observations(systemtest.Endpoint) {
		relation.Forget()
	}
}

func (l *lab) failDNS(f fault) {
	failure := []lwm2mtest.DNSFailure{lwm2mtest.NameNotFound, lwm2mtest.ServerFailure, lwm2mtest.NoAnswerFromDNS}[f.N%3]
	if f.Where != 1 {
		for _, g := range l.struck(f) {
			l.Network.FailDNS(g.name, failure)
		}
	}
	if f.Where != 2 {
		l.Network.FailDNS(bootstrapName, failure)
	}
}

// each does something to the servers that a fault strikes.
func (l *lab) each(f fault, do func(*lwm2mtest.Server)) {
	for _, g := range l.struck(f) {
		do(g.server)
	}
}

func (l *lab) misbehaveAll(kind lwm2mtest.Kind, f fault) {
	l.each(f, func(s *lwm2mtest.Server) { l.misbehave(s, kind, f) })
}

// misbehave queues one of a server's misbehaviours for a few requests.
func (l *lab) misbehave(server *lwm2mtest.Server, kind lwm2mtest.Kind, f fault) {
	b := behaviours()[f.N%len(behaviours())]
	if l.managing != nil && b.Answer.IsSuccess() {
		b = lwm2mtest.Behaviour{Silent: true} // nobody agrees with a server that says it has done what it has not
	}
	if overloadedAnswer(b.Answer) && l.plan.tellsMaxAge() {
		b.MaxAge = &l.plan.MaxAge
	}
	if b.Delay != 0 {
		b.Delay = min(2*f.D, maxDelay)
	}
	server.Misbehave(systemtest.Endpoint, kind, 1+int(f.P*maxMisbehaves), b)
}

func overloadedAnswer(c messages.CoAPCode) bool {
	return c == messages.TooManyRequests || c == messages.ServiceUnavailable
}

// behaviours is every way in which lwm2mtest treats a request badly.
func behaviours() []lwm2mtest.Behaviour {
	all := []lwm2mtest.Behaviour{
		{Silent: true}, {Silent: true, Process: true}, {Reset: true}, {Reset: true, Process: true},
		{AckOnly: true}, {AckOnly: true, Process: true}, {Raw: []byte{0x40}}, {Raw: []byte{0x60, 0x45, 0, 0, 0xff}, Process: true},
		{Delay: 1}, {Delay: 1, Separate: true}, {WithoutLocation: true}, {Twice: true},
	}
	for _, code := range []messages.CoAPCode{
		messages.BadRequest, messages.Unauthorized, messages.Forbidden, messages.NotFound, messages.MethodNotAllowed,
		messages.PreconditionFailed, messages.UnsupportedFormat, messages.TooManyRequests, messages.InternalServerError,
		messages.ServiceUnavailable, messages.Content, messages.Deleted,
	} {
		all = append(all, lwm2mtest.Behaviour{Answer: code, Payload: "on purpose"})
	}
	return all
}

// expel makes the server refuse the client, and the client notice.
func (l *lab) expel(f fault) {
	answer := []messages.CoAPCode{messages.BadRequest, messages.Forbidden, messages.PreconditionFailed}[f.N%3]
	l.each(f, func(s *lwm2mtest.Server) {
		s.Forget()
		s.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1+int(f.P*maxMisbehaves), lwm2mtest.Behaviour{Answer: answer})
	})
	l.callUpdate()
}

func (l *lab) abortBootstrap() {
	if l.active[faultBootstrapAbort] == 1 {
		l.bootstrap.Abort()
		l.bootstrap = nil
	}
}

// garbage sends what is no CoAP message, or no message that fits.
func (l *lab) garbage(f fault) {
	all := [][]byte{
		{}, {0xff}, {0x40, 0x01}, {0x80, 0x01, 0, 1}, {0x49, 0x01, 0, 1}, {0x40, 0x01, 0, 1, 0xff}, {0x40, 0, 0, 1, 2, 3},
		{0x40, 0x20, 0, 1}, {0x60, 0, 0, 1}, {0x70, 0, 0, 1}, {0x60, 0x44, 0, 1}, {0x50, 0x44, 0, 1}, {0x40, 0x44, 0, 1}, {0x40, 0, 0, 9},
	}
	for i := range 1 + f.N%5 {
		l.each(f, func(s *lwm2mtest.Server) {
			_ = s.SendRaw(systemtest.Endpoint, all[(f.N+i)%len(all)]) // nobody may be registered
		})
	}
}

func (l *lab) callUpdate() {
	if l.client == nil {
		return
	}
	l.life().note(entryUpdate, first, "")
	if err := l.client.RegisterUpdate(context.Background()); err != nil && !errors.Is(err, holdfast.ErrNotAllowed) {
		l.out.failf("RegisterUpdate: %v", err)
	}
}

func (l *lab) callNetworkUp() {
	if l.client == nil {
		return
	}
	l.life().note(entryHint, first, "")
	l.client.NetworkUp()
}

// callPause pauses the client, which may be closed or paused already.
func (l *lab) callPause() { l.call(entryPause, (*holdfast.Client).Pause) }

// callResume ends the pause, unless a restart has.
func (l *lab) callResume() { l.call(entryResume, (*holdfast.Client).Resume) }

// call makes a call that the client's state may forbid. What it does comes after
// its entry.
func (l *lab) call(kind entryKind, call func(*holdfast.Client, context.Context) error) {
	if l.client == nil {
		return
	}
	l.life().note(kind, first, "")
	if err := call(l.client, context.Background()); err != nil && !errors.Is(err, holdfast.ErrNotAllowed) {
		l.out.failf("%s: %v", kind, err)
	}
}

// sleep tells the client that the machine was suspended for a while, in which its
// timers stood still; for the servers that time has passed.
func (l *lab) sleep(f fault) {
	if l.wake == nil {
		return
	}
	for _, g := range l.managers {
		if f.For >= l.plan.lifetime(g.whom) {
			g.server.Forget()
		}
	}
	l.life().add(entry{kind: entryWoke, slept: f.For})
	l.wake(f.For)
}

// rotate gives a management server another key, of which the bootstrap server
// knows.
func (l *lab) rotate(f fault) {
	for _, g := range l.struck(f) {
		l.rotated++
		g.key = fmt.Appendf(nil, "rotated%d-%08d", g.whom, f.N)
		if g.service != nil && g.secured {
			g.service.SetPSK(systemtest.Endpoint, g.key)
		}
		g.server.ForgetSessions()
	}
	if l.active[faultBootstrapBroken] == 0 {
		l.deliverAccount()
	}
}

// broken returns a bootstrap that cannot succeed.
func (l *lab) broken(f fault) lwm2mtest.BootstrapConfig {
	good := lwm2mtest.BootstrapConfig{Delete: []string{"/0", "/1"}, Writes: l.allWrites()}
	switch f.N % 7 {
	case 0: // falls silent instead of finishing
		good.NoFinish = true
	case 1: // abandoned at one of its steps
		good.Before = abandon(f.Where % 5)
	case 2: // no account at all
		good.Writes = nil
	case 3: // a Security instance without its Server instance
		good.Delete, good.Writes = []string{"/"}, good.Writes[:1]
	case 4: // what is no TLV and no SenML
		for i := range good.Writes {
			good.Writes[i].Payload = []byte{0xff, 0xff, 0xff}
		}
		good.KeepGoing = f.Where > 2
	case 5: // a key that is none
		good.Writes = l.keyless(f)
		good.KeepGoing = true
	default: // says everything twice, and then nothing
		good.Twice, good.NoFinish = true, true
	}
	return good
}

var errAbandoned = errors.New("the server dies")

// abandon ends a bootstrap before its n-th step, n from 0.
func abandon(n int) func(context.Context, lwm2mtest.BootstrapStep) error {
	return func(context.Context, lwm2mtest.BootstrapStep) error {
		if n--; n < 0 {
			return errAbandoned
		}
		return nil
	}
}
