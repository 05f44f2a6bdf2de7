package supervisor

import (
	"maps"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/decay"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// Config is what the supervisor of one client is told.
type Config struct {
	Endpoint string
	// Policy has r0, and the cap of every policy.
	Policy     Policy
	PolicyKind PolicyKind
	// Budget bounds one attempt: registration_timeout, 3 minutes by default.
	Budget time.Duration
	// Versions are the LwM2M versions to offer, highest first.
	Versions []string
	// Linger is the grace period of a finished bootstrap link, in which a
	// Finish that is resent because our 2.04 was lost is still answered:
	// MAX_TRANSMIT_WAIT.
	Linger time.Duration
	// MaxAccounts is how many management accounts are used at most, those with
	// the lowest short server IDs; 0 means accounts.DefaultMax.
	MaxAccounts int
	// Objects lists what a registration announces of objects 0 and 1; the
	// shell sets it to that of management, which serves them.
	Objects func(*lwm2m.Tree) []messages.ObjectEntry
}

// Machine is the pure core. It implements core.Machine.
type Machine struct {
	config   Config
	state    messages.State
	factory  *lwm2m.Tree // objects 0 and 1 of the factory's accounts
	tree     *lwm2m.Tree // objects 0 and 1 in force; nil when no account is usable
	accounts map[messages.Peer]*account
	unused   []messages.Peer // accounts of tree that limits.accounts leaves out
	epoch    messages.Epoch  // of the newest incarnation

	loading uint64    // token of the newest LoadAccounts
	loads   uint64    // consecutive failures to read
	lookAt  time.Time // when store and files are looked at again; zero when that is not planned
	asked   bool      // a LoadAccounts has not been answered yet
	reset   uint64    // token of the newest ForgetCredentials
	resets  map[uint64]chan<- messages.Answered
	paused  bool
	budget  Budget          // of the attempts of all accounts together
	line    []messages.Peer // ordered accounts that have not begun
	turn    messages.Peer   // the ordered account whose turn it is; zero for none
	// unproven says that nobody has registered since the last bootstrap.
	unproven   bool
	lingering  messages.Epoch
	hinted     time.Time // the last network hint that was heeded
	triggered  time.Time // the last bootstrap that a server asked for
	triggers   uint64    // how many it has asked for, none of them an hour after the one before
	malformed  time.Time // the last event about an undecodable message
	crashes    map[core.Role]*decay.Decay
	crashDelay time.Duration     // floor of the delay after the crash under way
	stop       *messages.Stopped // set while stopping
	moved      bool              // an account has changed, though the client's state may not have
	effects    []core.Effect     // of the step under way
	answers    []core.Effect     // of the step under way, to calls
}

// New returns a machine that waits for Start.
func New(config Config) *Machine {
	return &Machine{
		config: config, factory: lwm2m.NewTree(), accounts: map[messages.Peer]*account{},
		resets: map[uint64]chan<- messages.Answered{}, crashes: map[core.Role]*decay.Decay{},
	}
}

// Names of timers that come one for an account, or for a shared sibling.
const (
	timerWait    = "wait"    // of an account: its delay is over
	timerGuard   = "guard"   // of an account: its incarnation has said nothing
	timerRespawn = "respawn" // of a sibling's role
)

// Timers of which there is one.
var (
	timerLoad   = core.Timer{Name: "load"}
	timerLinger = core.Timer{Name: "linger"}
	timerStop   = core.Timer{Name: "stop"}
)

func waitTimer(p messages.Peer) core.Timer  { return core.Timer{Name: timerWait, Key: p.Key()} }
func guardTimer(p messages.Peer) core.Timer { return core.Timer{Name: timerGuard, Key: p.Key()} }

func respawnTimer(role core.Role) core.Timer {
	return core.Timer{Name: timerRespawn, Key: uint64(role)}
}

// Limits of the supervisor's own.
const (
	// hintInterval is the least time between two heeded network hints.
	hintInterval = 5 * time.Second
	// malformedInterval is the least time between two events about
	// undecodable messages.
	malformedInterval = time.Second
	// warnInterval is the least time between two lines in the log about
	// what a link has dropped.
	warnInterval = time.Minute
	// guardGrace is how long after the end of its attempt's budget a silent
	// incarnation is given up: no lost message may strand an account.
	guardGrace = 30 * time.Second
)

// Step implements core.Machine.
func (m *Machine) Step(now time.Time, in any) []core.Effect {
	m.effects, m.answers = nil, nil
	if m.state == messages.StateStopped {
		return nil
	}
	m.dispatch(now, in)
	m.settle()
	return append(m.effects, m.answers...)
}

func (m *Machine) dispatch(now time.Time, in any) {
	switch in := in.(type) {
	case messages.Start:
		m.start(now)
	case messages.AccountsLoaded:
		m.loaded(now, in)
	case messages.CredentialsForgotten:
		m.forgotten(now, in)
	case messages.Progress:
		m.progress(in)
	case messages.Failed:
		m.failed(now, in)
	case messages.Registered:
		m.registered(now, in)
	case messages.Updated:
		m.updated(in)
	case messages.Reregistering:
		m.reregistering(in)
	case messages.BootstrapStarted:
		m.bootstrapStarted(in)
	case messages.Bootstrapped:
		m.bootstrapped(now, in)
	case messages.Malformed:
		m.undecodable(now, in)
	case messages.Overloaded:
		m.overloaded(now, in)
	case messages.Crashed:
		m.crashed(now, in)
	case core.Expired:
		m.expired(now, in.Timer)
	default:
		m.call(now, in)
	}
}

// call takes what comes from the facade and, through management, from servers.
func (m *Machine) call(now time.Time, in any) {
	switch in := in.(type) {
	case messages.NetworkUp:
		m.networkUp(now)
	case messages.Woke:
		m.woke(now, in)
	case messages.CallRequest:
		m.called(now, in)
	case messages.UpdateTriggered:
		m.updateTriggered(now, in)
	case messages.BootstrapTriggered:
		m.bootstrapTriggered(now, in)
	case messages.Stop:
		m.stopAll(now, in)
	case messages.Deregistered:
		m.deregistered(in)
	}
}

func (m *Machine) do(effects ...core.Effect) { m.effects = append(m.effects, effects...) }

// answer answers a call at the end of the step, after the snapshot: whoever
// looks at the status when the call has returned sees what it did.
func (m *Machine) answer(to chan<- messages.Answered, code messages.ErrorCode, cause error) {
	m.answers = append(m.answers, Answer{To: to, Answered: messages.Answered{Code: code, Cause: cause}})
}

// settle reports a change of the client's state and publishes a snapshot, once
// a step.
func (m *Machine) settle() {
	if m.stop == nil && m.state != "" {
		m.enter(m.overall())
	}
	if len(m.effects) > 0 || m.moved {
		m.moved = false
		m.do(Publish{Snapshot: m.snapshot()})
	}
}

// enter reports a change of the client's state.
func (m *Machine) enter(s messages.State) {
	if s == m.state {
		return
	}
	event := messages.Event{Type: messages.EventState, State: s, Previous: m.state}
	if a := m.leading(); a != nil {
		event.Server = a.server()
	}
	m.state = s
	m.do(Emit{Event: event})
}

// overall derives the client's state from those of its accounts: registered when
// every management account is, else the state of the leading account.
func (m *Machine) overall() messages.State {
	if m.paused {
		return messages.StatePaused
	}
	if a := m.leading(); a != nil {
		return a.state()
	}
	if m.loads > 0 {
		return messages.StateWaiting
	}
	return messages.StateStarting
}

// leading returns the account that the client's state is about: a bootstrap
// under way while nobody is registered, else the first management account that
// is not registered, else the first one.
func (m *Machine) leading() *account {
	servers := m.servers()
	bootstrap := m.accounts[messages.BootstrapPeer()]
	busy := bootstrap != nil && bootstrap.stage != stageIdle
	for _, a := range servers {
		if a.stage != stageRegistered {
			if busy && (a.stage == stageWaiting || a.stage == stageIdle) {
				return bootstrap
			}
			return a
		}
	}
	if len(servers) > 0 {
		return servers[0]
	}
	return bootstrap
}

// servers returns the management accounts in the order of their short server
// IDs.
func (m *Machine) servers() []*account {
	all := slices.Collect(maps.Values(m.accounts))
	all = slices.DeleteFunc(all, (*account).bootstrap)
	slices.SortFunc(all, byID)
	return all
}

func (m *Machine) everyone() []*account {
	all := slices.Collect(maps.Values(m.accounts))
	slices.SortFunc(all, byID)
	return all
}

func byID(a, b *account) int { return a.Peer.Compare(b.Peer) }

// live returns the account whose present incarnation has the epoch, or nil:
// what comes from an older one is dropped here.
func (m *Machine) live(epoch messages.Epoch) *account {
	for _, a := range m.accounts {
		if a.epoch == epoch && epoch != 0 {
			return a
		}
	}
	return nil
}

func (m *Machine) snapshot() messages.Snapshot {
	s := messages.Snapshot{State: m.state}
	for _, a := range m.everyone() {
		s.Connections = append(s.Connections, a.status())
	}
	return s
}
