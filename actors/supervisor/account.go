package supervisor

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/decay"
	"github.com/holdfast-iot/holdfast/messages"
)

// stage is the state of one server account.
//
//	waiting ── delay over ──▶ resolving ──▶ connecting ──▶ talking ──▶ registered
//	   ▲                          │             │             │            │
//	   └────────── failed ────────┴─────────────┴─────────────┴────────────┘
type stage uint8

const (
	stageIdle       stage = iota // nothing has been started yet
	stageWaiting                 // an attempt will begin when the delay is over
	stageResolving               // an attempt has begun
	stageConnecting              // socket and handshake
	stageTalking                 // the link is up: bootstrapping or registering
	stageRegistered              // registered; the link stays
	stageLeaving                 // de-registering
)

func (s stage) String() string {
	names := [...]string{"idle", "waiting", "resolving", "connecting", "talking", "registered", "leaving"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// intent is what happens when an account's delay is over.
type intent uint8

const (
	intentAttempt        intent = iota // a fresh incarnation
	intentBootstrap                    // bootstrap for new credentials
	intentRepeatUpdate                 // an Update on the present link
	intentRepeatRegister               // a Register on the present link
	intentReload                       // the credentials are read anew, then a fresh incarnation
)

// account is what the supervisor knows of one server account. It outlives the
// incarnations: the count, the Location and the time of the outage are here.
type account struct {
	messages.Account

	stage    stage
	epoch    messages.Epoch // of the present incarnation; 0 when there is none
	failures uint64         // consecutive failed attempts
	last     *messages.Failure
	lastSaid *messages.Event

	crashes decay.Decay // of the actors of its incarnations

	registration *messages.Registration // as long as the process lives; nil when the server does not know us
	lostAt       time.Time              // when a registered link was lost; zero when none was

	intent intent
	due    time.Time // when the next attempt begins, budget included; zero without a wait
	wanted time.Time // when the delay is over by the policy
	floor  time.Time // no attempt before: the server has asked for it (Max-Age)

	deadline  time.Time        // of the present attempt
	started   bool             // a bootstrap server has answered POST /bs
	addresses []netip.AddrPort // resolved in the present attempt
	tried     int              // how many of them have been tried
	chosen    netip.AddrPort   // the last one tried, kept across attempts
	worst     *messages.Failure

	shed     messages.Shed // what the links of the account have dropped
	shedSaid time.Time     // when that was last logged
}

func (a *account) bootstrap() bool { return a.Peer == messages.BootstrapPeer() }

func (a *account) server() string { return cmp.Or(a.Server, a.URI.String()) }

// twice reports whether the attempt before ended in the same way as f. A
// handshake that fails in the same way counts whatever it was for.
func (a *account) twice(f *messages.Failure) bool {
	if a.last == nil || a.last.Class != f.Class {
		return false
	}
	if f.Class == messages.ClassHandshakeStalled || f.Class == messages.ClassCredentialsRefused {
		return true
	}
	return a.last.Phase == f.Phase && floorOf(a.last) == 0 && a.last.Answer.Class() == f.Answer.Class()
}

// attempting reports whether an attempt is under way: neither a wait on a link
// that works nor a de-registration is one.
func (a *account) attempting() bool {
	return a.stage == stageResolving || a.stage == stageConnecting || a.stage == stageTalking
}

// hasNextAddress reports whether the present attempt has another address to
// try after f: where the trouble may be that of one address only, and time is
// left.
func (a *account) hasNextAddress(now time.Time, f *messages.Failure) bool {
	return slices.Contains(addressTrouble, f.Class) && !a.started &&
		a.tried < len(a.addresses) && now.Before(a.deadline)
}

// addressTrouble lists the failures after which another address of the same
// server is worth trying. An answer of the server is not one of them.
var addressTrouble = []messages.Class{
	messages.ClassRefused, messages.ClassUnreachable, messages.ClassSocket,
	messages.ClassHandshakeTimeout, messages.ClassHandshakeStalled, messages.ClassTimeout,
	messages.ClassAlert, messages.ClassCredentialsRefused, messages.ClassServerCertificate,
	messages.ClassClosed,
}

// note keeps the most specific failure of an attempt over several addresses: TLS
// before socket before timeout.
func (a *account) note(f messages.Failure) {
	if a.worst == nil || weight(f.Class) > weight(a.worst.Class) {
		a.worst = &f
	}
}

func weight(c messages.Class) int {
	switch c {
	case messages.ClassTimeout, messages.ClassHandshakeTimeout:
		return 1
	case messages.ClassRefused, messages.ClassUnreachable, messages.ClassSocket, messages.ClassClosed:
		return 2
	}
	return 3
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

// share returns the end of the next address's part of the attempt: what is
// left over the addresses that are left, at least ten seconds.
func (a *account) share(now time.Time) time.Time {
	left := len(a.addresses) - a.tried
	if left <= 1 {
		return a.deadline
	}
	each := max(a.deadline.Sub(now)/time.Duration(left), minAddressShare)
	if end := now.Add(each); end.Before(a.deadline) {
		return end
	}
	return a.deadline
}

// minAddressShare is the least time that one of several addresses gets.
const minAddressShare = 10 * time.Second

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
