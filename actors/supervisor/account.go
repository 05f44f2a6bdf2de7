package supervisor

import (
	"cmp"
	"time"

	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// stage is the state of one server account.
//
//	waiting ── delay over ──▶ resolving ──▶ connecting ──▶ talking ──▶ registered
//	   ▲                          │             │             │            │
//	   └────────── failed ────────┴─────────────┴─────────────┴────────────┘
//
// A server that disables the account leads from registered over disabling to waiting.
type stage uint8

const (
	stageIdle       stage = iota // nothing has been started yet
	stageWaiting                 // something will begin when the delay is over
	stageResolving               // an attempt has begun
	stageConnecting              // socket and handshake
	stageTalking                 // the link is up: bootstrapping or registering
	stageRegistered              // registered; the link stays
	stageLeaving                 // de-registering
	stageDisabling               // de-registering because the server has disabled the account
)

func (s stage) String() string {
	names := [...]string{"idle", "waiting", "resolving", "connecting", "talking", "registered", "leaving", "disabling"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// account is what the supervisor knows of one server account. It outlives the
// incarnations: the count, the Location and the time of the outage are here.
type account struct {
	*messages.Account           // shared with what is remembered: never changed, only replaced
	expires           time.Time // the own certificate; zero without one
	name              string    // see server

	stage    stage
	silent   bool // the server of the last link was: the next attempt makes a new session
	resumed  bool // the session began with an Update: the server still knew us
	observed bool // then it observed something, too, by the record of state
	// recalled says that the account waited when the supervisor crashed, and is
	// to wait for the rest.
	recalled bool

	epoch   messages.Epoch // of the present incarnation; 0 when there is none
	outage  outage
	attempt attempt // the present one, or the last
	pending pending // what happens next, and when
	// disabled is the pause that the server has asked for by /1/x/4.
	disabled disabling
	secured  securedLinks // what the next link goes on with
	// moved is when the newest attempt began, or is to begin, that follows a move.
	moved time.Time

	registration *messages.Registration // nil when the server does not know us
	location     string                 // of the registration, for people
	reachable    messages.Reachability  // on the present link

	changes changes                    // by Writes of its server
	renewal *renewal                   // of its certificate; nil without one
	counts  *counts                    // what its server observes, and was sent; nil for nothing so far
	shed    *shedding                  // what the links of the account have dropped; nil for nothing
	request *messages.EnrolmentRequest // for its first certificate, for which the server has asked time; nil for none
}

// pending is what an account waits for.
type pending struct {
	step   Step      // what is done when the delay is over
	wanted time.Time // when the delay is over by the policy
	due    time.Time // when it is, budget included; zero without a wait
	floor  time.Time // no attempt before: the server has asked for it (Max-Age)
	first  bool      // it delays the first attempt, and follows no failure
}

// outOfTurn reports whether the budget makes an account wait longer than the
// policy does.
func (p *pending) outOfTurn() bool { return !p.due.IsZero() && p.due.After(p.wanted) }

// over ends the wait and the pause that the server has asked for.
func (p *pending) over() { p.due, p.floor = time.Time{}, time.Time{} }

// use takes the account as it is to be used from now on.
func (a *account) use(acct messages.Account) {
	a.Account, a.expires = &acct, expiry(&acct.Credentials)
	a.name = cmp.Or(acct.Server, acct.URI.String())
}

// expiry returns when the own certificate of credentials expires; zero without one.
func expiry(c *messages.Credentials) time.Time {
	if c.Mode != messages.SecurityX509 {
		return time.Time{}
	}
	return validity.Expiry(c.Certificate)
}

func (a *account) bootstrap() bool { return a.Peer.Kind == messages.PeerBootstrap }

func (a *account) management() bool { return a.Peer.Kind == messages.PeerManagement }

// server is what events and the status call the account's server.
func (a *account) server() string { return a.name }

// attempting reports whether an attempt is under way: neither a wait on a link
// that works nor a de-registration is one.
func (a *account) attempting() bool {
	return a.stage == stageResolving || a.stage == stageConnecting || a.stage == stageTalking
}

// ready reports whether an account can begin now.
func (a *account) ready() bool {
	return a.stage == stageIdle || a.reloaded()
}

// reloaded reports whether an account waits for its credentials to be read.
func (a *account) reloaded() bool {
	return a.stage == stageWaiting && a.pending.step == Reload && a.pending.due.IsZero()
}

// open reports whether the account has begun and is not registered yet.
func (a *account) open() bool { return a.stage == stageWaiting || a.attempting() }

// succeed ends the outage, and with it what the server has asked for.
func (a *account) succeed() {
	a.outage.succeed()
	a.attempt.worst, a.pending.floor = nil, time.Time{}
}

// knows notes what the server knows of us; nil when it does not.
func (a *account) knows(r *messages.Registration) {
	a.registration, a.location = r, ""
	if r != nil {
		a.location = location(r)
	}
}

// mode returns how the next registration incarnation begins.
func (a *account) mode(now time.Time) messages.Mode {
	if a.registration == nil {
		return messages.ModeRegister
	}
	if at, finite := a.registration.Expires(); finite && !now.Before(at) {
		return messages.ModeRegister
	}
	return messages.ModeUpdate
}

// state returns what the stage is called in events.
func (a *account) state() messages.State {
	switch a.stage {
	case stageResolving:
		return messages.StateResolving
	case stageConnecting:
		return messages.StateConnecting
	case stageTalking:
		if a.bootstrap() {
			return messages.StateBootstrapping
		}
		return messages.StateRegistering
	case stageRegistered:
		return messages.StateRegistered
	case stageLeaving:
		return messages.StateStopping
	case stageIdle:
		return messages.StateStarting
	}
	return messages.StateWaiting
}

// phase returns what an account is doing, for reports that do not come from its
// owner.
func (a *account) phase() messages.Phase {
	switch {
	case a.bootstrap():
		return messages.PhaseBootstrap
	case a.stage == stageRegistered:
		return messages.PhaseRegistered
	case a.stage == stageLeaving, a.stage == stageDisabling:
		return messages.PhaseClose
	}
	return messages.PhaseRegister
}
