package coapresend

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// Rand is the randomness that a machine draws.
type Rand interface {
	// Float64 returns a number from [0, 1). It spreads the first resend of an
	// exchange (ACK_RANDOM_FACTOR).
	Float64() float64
	// MID returns the first message ID of a link, unless Config.FirstMID gives
	// it. It should not be predictable (RFC 7252 section 11.4).
	MID() uint16
	// Token returns a new token of 8 unpredictable bytes. The machine keeps
	// it.
	Token() []byte
}

// Machine is the message layer of one link, a core.Machine.
//
// Inputs: messages.LinkUp, messages.Datagram, messages.Truncated,
// messages.Request, More, Cancel, Reply, Notify, Unobserve and QueueMode, core.Expired.
// Effects: send; core.Tell of messages.Response, ResponseBlock,
// RequestFailed, Acknowledged and Silence to core.Owner, the first three of an image to core.Update;
// messages.Inbound, InboundBlock,
// BodyRefused and Notified to core.Handler; messages.Malformed, Overloaded,
// RequestStep, MessageIDsUsed, LinkAsleep and LinkAwake to core.Supervisor; and timers.
type Machine struct {
	cfg Config
	rnd Rand

	// Of the present step.
	now     time.Time
	effects []core.Effect

	up         bool // requests wait until the link is up
	welcomed   bool // the peer has answered a request of ours with success
	mids       midSource
	queue      []*exchange   // requests of ours that wait for a slot
	separate   []*exchange   // separate responses that wait for theirs
	notes      notes         // notifications that wait for both
	rtt        time.Duration // smoothed round-trip time; 0 while it is not known
	pace       *pace         // of those that are not confirmable; nil before the first
	active     []*exchange   // those that are sent and not over
	awaited    *awaited      // what those wait for
	calls      int           // requests of ours that are neither answered nor failed
	next       *call         // whose next block is asked for in this step
	stalled    []*call       // of those, streamed ones whose requester has a part and has not asked for the next
	entries    []*entry      // messages of the peer that are remembered, oldest first
	uploads    []*upload     // bodies that the peer is sending, oldest first
	bodies     []*body       // replies of ours larger than a block, oldest first
	rejectable []rejectable  // notifications that may still be rejected, oldest first
	lastID     uint64        // of the requests handed to the handler, and of transfers
	sweeping   bool          // the sweep timer is set
	serving    bool          // the serve timer is set

	freshness freshness
	doubted   bool // the owner wants to know whether the peer knows the session of the link

	wake     wakefulness
	work     bucket        // done for the peer
	reports  bucket        // of malformed messages
	strays   bucket        // empty ACKs and RSTs under message IDs that we have not used
	shed     messages.Shed // dropped, and not reported yet
	shedding bool          // the shed timer is set
}

// New returns the machine of one link. Fields of cfg that are zero or out of
// range get their defaults.
func New(cfg Config, rnd Rand) *Machine {
	if cfg.FirstMID != nil {
		rnd = startAt{rnd, *cfg.FirstMID}
	}
	return &Machine{cfg: cfg.withDefaults(), rnd: rnd}
}

// Step implements core.Machine. Inputs of another epoch, and unknown ones, are
// dropped.
func (m *Machine) Step(now time.Time, in any) []core.Effect {
	m.now = now
	switch in := in.(type) {
	case messages.LinkUp:
		m.linkUp(in)
	case messages.Datagram:
		m.datagram(in)
	case messages.Request:
		m.open(in)
	case messages.Reply:
		m.reply(in)
	case core.Expired:
		m.expired(in.Timer)
	case messages.More:
		m.more(in)
	case messages.Cancel:
		m.cancel(in)
	case messages.QueueMode:
		m.queueMode(in)
	case messages.Notify:
		m.notify(in)
	case messages.Unobserve:
		m.unobserve(in)
	case messages.Truncated:
		m.truncated(in)
	case dropped:
		m.shed.Queue += in.queue
		m.shed.Unsent += in.unsent
	}
	m.reportShed()
	effects := m.effects
	m.effects = nil
	return effects
}

func (m *Machine) linkUp(in messages.LinkUp) {
	if in.Epoch != m.cfg.Epoch {
		return
	}
	m.up, m.freshness.wanted, m.doubted = true, in.Unproven, in.Origin == messages.SessionKept
	m.pump()
}

func (m *Machine) expired(timer core.Timer) {
	switch timer {
	case sweepTimer:
		m.sweep()
	case serveTimer:
		m.serveExpired()
	case paceTimer:
		m.paceExpired()
	case midTimer:
		m.pump()
	case awakeTimer:
		m.awakeExpired()
	case shedTimer:
		m.shedding = false
	case sendTimer(uint16(timer.Key)):
		m.sendExpired(uint16(timer.Key))
	case stallTimer(timer.Key, messages.ForOwner):
		m.stallExpired(timer.Key, messages.ForOwner)
	case stallTimer(timer.Key, messages.ForUpdate):
		m.stallExpired(timer.Key, messages.ForUpdate)
	}
}

// sweep forgets what has expired, and is repeated while anything is left to
// expire. Lookups compare times themselves: the sweep only frees memory.
func (m *Machine) sweep() {
	m.sweeping = false
	m.entries = expire(m.entries, m.now) // a reply that comes after that is dropped
	m.uploads = expire(m.uploads, m.now)
	m.bodies = expire(m.bodies, m.now)
	m.rejectable = expire(m.rejectable, m.now)
	if next, ok := m.nextDeadline(); ok {
		m.sweeping = true
		m.setTimer(sweepTimer, max(next.Sub(m.now), m.cfg.ExchangeLifetime()/sweepsPerLifetime))
	}
}

// sweepLater makes sure that a sweep comes after something was stored.
func (m *Machine) sweepLater() {
	if !m.sweeping {
		m.sweeping = true
		m.setTimer(sweepTimer, m.cfg.ExchangeLifetime())
	}
}

// nextDeadline returns the earliest deadline of what is kept, if anything is.
func (m *Machine) nextDeadline() (next time.Time, ok bool) {
	consider := func(e expiring) {
		if d := e.deadline(); !ok || d.Before(next) {
			next, ok = d, true
		}
	}
	for _, e := range m.entries {
		consider(e)
	}
	for _, u := range m.uploads {
		consider(u)
	}
	for _, b := range m.bodies {
		consider(b)
	}
	for _, r := range m.rejectable {
		consider(r)
	}
	return next, ok
}

func (m *Machine) setTimer(timer core.Timer, after time.Duration) {
	m.do(core.SetTimer{Timer: timer, After: after})
}

func (m *Machine) stopTimer(timer core.Timer) { m.do(core.StopTimer{Timer: timer}) }

// send is the effect that sends one datagram on the link.
type send struct {
	core.Marker
	data []byte
}

func (m *Machine) transmit(datagram []byte) {
	m.stirred()
	m.do(send{data: datagram})
}

func (m *Machine) tell(to core.Role, message any) {
	m.do(core.Tell{To: to, Message: message})
}

// usualEffects is how many effects a step has room for without growing.
const usualEffects = 4

func (m *Machine) do(effect core.Effect) {
	if m.effects == nil {
		m.effects = make([]core.Effect, 0, usualEffects)
	}
	m.effects = append(m.effects, effect)
}

// expiring is state that is kept until a deadline.
type expiring interface{ deadline() time.Time }

// expire removes what has reached its deadline at the instant now. It keeps the
// order and reuses the memory of all.
func expire[T expiring](all []T, now time.Time) []T {
	kept := all[:0]
	for _, t := range all {
		if now.Before(t.deadline()) {
			kept = append(kept, t)
		}
	}
	clear(all[len(kept):])
	if len(kept) == 0 {
		return nil
	}
	return kept
}
