package supervisor

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/decay"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

// Config is what the supervisor of one client is told.
type Config struct {
	Endpoint string
	// Policy has r0, and the cap of every policy.
	Policy Policy
	// Budget bounds one attempt: registration_timeout, 3 minutes by default.
	Budget time.Duration
	// PolicyKind says whose delays count.
	PolicyKind PolicyKind
	// QueueMode says that every account is in queue mode, whatever its binding says.
	QueueMode bool
	// CID has handshakes offer a Connection ID, and KeepSessions has sessions stored.
	CID, KeepSessions bool
	// Update says that there is a shared actor update; the shell sets it.
	Update bool
	// FirstMID is the message ID that the first link to a peer begins with, drawn
	// at random, where no record of state says otherwise.
	FirstMID uint16
	// Versions are the LwM2M versions to offer, highest first.
	Versions []string
	// Linger is the grace period of a finished bootstrap link, in which a
	// Finish that is resent because our 2.04 was lost is still answered:
	// MAX_TRANSMIT_WAIT.
	Linger time.Duration
	// MaxAccounts is how many management accounts are used at most, those with
	// the lowest short server IDs; 0 means accounts.DefaultMax.
	MaxAccounts int
	// Objects lists what a registration announces, given objects 0, 1 and 2; the
	// shell sets it to that of management, which serves them.
	Objects func(*lwm2m.Tree) []messages.ObjectEntry
	// Registry defines what servers can write to objects 1 and 2; nil means the core
	// objects.
	Registry *lwm2m.Registry
	// MaxBytes bounds objects 0, 1 and 2 as a whole, as stored (limits.bootstrap_bytes);
	// 0 means accounts.MaxRecord.
	MaxBytes int
	// Built is when this program was built; zero when that is not known. A wall
	// clock that stands before it is wrong.
	Built time.Time
	// RenewAt is the part of a certificate's life after which it is renewed, above 0 and at
	// most 1; 0 means RenewAt.
	RenewAt float64
	// EnrolAt is where the configured account enrols with security mode 4, by the bootstrap
	// account's credentials; nil for the bootstrap server.
	EnrolAt *uri.URI
	// Wall says what the wall clock shows, for that; nil for the machine's own. The shell
	// sets it.
	Wall validity.Wall
	// Download is how it fetches images; nil for no credentials and no local hosts.
	Download *Download
}

// Machine is the pure core. It implements core.Machine.
type Machine struct {
	config *Config // that of the runtime, not changed
	state  messages.State
	stop   *messages.Stopped // set while stopping

	factory  *lwm2m.Tree // objects 0 and 1 of the factory's accounts
	tree     *lwm2m.Tree // objects 0, 1 and 2 in force; nil when no account is usable
	accounts roster
	unused   []messages.Peer // accounts of tree that limits.accounts leaves out

	loader    loader
	resets    resets
	order     order
	budget    Budget // of the attempts of all accounts together
	rates     rates
	siblings  map[core.Role]decay.Decay // crashes of the shared siblings
	lingering messages.Epoch            // link of a finished bootstrap; 0 for none
	sessions  sessions
	states    states
	place     *accounts.Digest // where records of sessions are; nil where none may be
	writes    writes
	sends     sends
	roaming   *roaming

	paused   bool
	renewing bool   // a bootstrap that is wanted, or under way, is to bring another certificate
	origin   origin // of tree

	*updateState

	memory *Memory
	kept   map[messages.Peer]kept // what is remembered of accounts that have not been read yet

	published messages.Snapshot
	effects   []core.Effect // of the step under way
	answers   []core.Effect // of the step under way, to calls
}

// New returns a machine that waits for Start, the first of its client.
func New(config Config) *Machine { return Resume(config, &Memory{}) }

// Resume returns a machine that waits for Start and knows what one before it has
// left in memory. It writes its own there, at the end of each step.
func Resume(config Config, memory *Memory) *Machine { return resume(&config, memory) }

// resume is Resume with a configuration of which it keeps no copy, and where it fills in
// what is missing.
func resume(config *Config, memory *Memory) *Machine {
	if config.Registry == nil {
		config.Registry = objects.Core()
	}
	if config.Download == nil {
		config.Download = noDownload
	}
	m := &Machine{
		config: config, memory: memory, factory: lwm2m.NewTree(),
		updateState: noUpdates,
	}
	if config.Update {
		m.updateState = &updateState{firmware: &messages.FirmwareStatus{}}
	}
	m.recall()
	return m
}

// Names of timers that come one for an account, or for a shared sibling.
const (
	timerWait    = "wait"    // of an account: its delay is over
	timerGuard   = "guard"   // of an account: its incarnation has said nothing
	timerShare   = "share"   // of an account: the time of the address that is being tried
	timerRespawn = "respawn" // of a sibling's role
)

// Timers of which there is one.
var (
	timerLoad   = core.Timer{Name: "load"}
	timerLinger = core.Timer{Name: "linger"}
	timerStop   = core.Timer{Name: "stop"}
	timerOrder  = core.Timer{Name: "order"} // an account blocks the others no longer
)

func waitTimer(p messages.Peer) core.Timer  { return core.Timer{Name: timerWait, Key: p.Key()} }
func shareTimer(p messages.Peer) core.Timer { return core.Timer{Name: timerShare, Key: p.Key()} }

func guardTimer(p messages.Peer) core.Timer { return core.Timer{Name: timerGuard, Key: p.Key()} }

func respawnTimer(role core.Role) core.Timer {
	return core.Timer{Name: timerRespawn, Key: uint64(role)}
}

// Step implements core.Machine.
func (m *Machine) Step(now time.Time, in any) []core.Effect {
	m.effects, m.answers, m.writes.effects, m.states.effects = nil, nil, nil, nil
	if m.state == messages.StateStopped {
		return nil
	}
	m.dispatch(now, in)
	m.settle(now)
	m.remember()
	return slices.Concat(m.effects, m.answers, m.writes.effects, m.states.effects)
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
		m.progress(now, in)
	case messages.Joined:
		m.joined(now, in)
	case messages.Postponed:
		m.postponed(now, in)
	case messages.Failed:
		m.failed(now, in, 0)
	case messages.Registered:
		m.registered(now, in)
	case messages.Updated:
		m.updated(in)
	case messages.Reregistering:
		m.reregistering(in)
	case messages.BootstrapStarted:
		m.bootstrapStarted(now, in)
	case messages.Bootstrapped:
		m.bootstrapped(now, in)
	case messages.Malformed:
		m.undecodable(now, in)
	case messages.Overloaded:
		m.overloaded(now, in)
	case Crashed:
		m.crashed(now, in)
	case core.Expired:
		m.expired(now, in.Timer)
	default:
		m.call(now, in)
	}
}

// call takes what comes from the facade, and what only is to be known.
func (m *Machine) call(now time.Time, in any) {
	switch in := in.(type) {
	case messages.NetworkUp:
		m.networkUp(now)
	case messages.NetworkChanged:
		m.networkChanged(now, in)
	case messages.Woke:
		m.woke(now, in)
	case messages.ClockStepped:
		m.clockStepped(now)
	case messages.CallRequest:
		m.called(now, in)
	case messages.SendRequest:
		m.send(now, in)
	case messages.SendAnswered:
		m.sendAnswered(now, in)
	case messages.Stop:
		m.stopAll(now, in)
	case messages.Deregistered:
		m.deregistered(in)
	case messages.HandshakeStep:
		m.handshaking(in)
	case messages.RequestStep:
		m.requesting(now, in)
	case messages.MessageIDsUsed:
		m.messageIDsUsed(in)
	default:
		m.fromOthers(now, in)
	}
}

// fromOthers takes what comes from shared actors, and what links say of themselves.
func (m *Machine) fromOthers(now time.Time, in any) {
	switch in := in.(type) {
	case messages.LinkAsleep:
		m.linkAsleep(in)
	case messages.LinkAwake:
		m.linkAwake(in)
	case messages.SessionLeft:
		m.sessionLeft(in)
	case messages.SequenceUsed:
		m.sequenceUsed(in)
	case messages.Proven:
		m.proven(now, in)
	case messages.EnrolmentRequested:
		m.enrolmentRequested(in)
	case messages.Enrolled:
		m.enrolled(now, in)
	default:
		m.fromUpdate(now, in)
	}
}

// fromUpdate takes what comes from the shared actor update, or is for it.
func (m *Machine) fromUpdate(now time.Time, in any) {
	switch in := in.(type) {
	case messages.OpenDownload:
		m.openDownload(now, in)
	case messages.DownloadProgressed:
		m.downloadProgressed(in)
	case messages.DownloadFailed:
		m.downloadFailed(now, in)
	case messages.CloseDownload:
		m.closeDownload(in)
	case messages.FirmwareChanged:
		m.firmwareChanged(in)
	case messages.FirmwareDecided:
		m.answer(in.Answer, in.Answered)
	case messages.AuthoriseFirmware:
		m.authorise(in)
	case messages.SendReports:
		m.sendReports(now, in)
	default:
		m.fromManagement(now, in)
	}
}

// fromManagement takes what comes from servers through management, and from the
// store.
func (m *Machine) fromManagement(now time.Time, in any) {
	switch in := in.(type) {
	case messages.DisableTriggered:
		m.disableTriggered(now, in)
	case messages.UpdateTriggered:
		m.updateTriggered(now, in)
	case messages.BootstrapTriggered:
		m.bootstrapTriggered(now, in)
	case messages.RenewCertificate:
		m.renewalAsked(now, in)
	case messages.ObservingChanged:
		m.observingChanged(in)
	case messages.ObservationsKept:
		m.observationsKept(in)
	case messages.ObservationsLost:
		m.observationsLost(now, in)
	case messages.RegistrationDoubted:
		m.registrationDoubted(now, in.Epoch)
	case messages.WriteModel:
		m.changeAsked(now, ofWrite(in))
	case messages.ChangeAccess:
		m.changeAsked(now, ofAccess(in))
	case messages.WriteAnswered:
		m.writeAnswered(in)
	case messages.SendCollected:
		m.sendCollected(in)
	case messages.InstancesChanged:
		m.announce(true)
	case core.Persisted:
		m.persisted(now, in)
	case core.PersistFailed:
		m.persistFailed(now, in)
	}
}

func (m *Machine) do(effects ...core.Effect) { m.effects = append(m.effects, effects...) }

// answer answers a call at the end of the step, after the snapshot: whoever
// looks at the status when the call has returned sees what it did.
func (m *Machine) answer(to chan<- messages.Answered, answered messages.Answered) {
	m.answers = append(m.answers, Answer{To: to, Answered: answered})
}

// servers returns the management accounts in the order of their short server
// IDs.
func (m *Machine) servers() roster { return m.accounts.servers() }

// admit adds an account, in place of the one before of the same number.
func (m *Machine) admit(a *account) { m.accounts = m.accounts.with(a) }

// dismiss drops an account.
func (m *Machine) dismiss(a *account) { m.accounts = m.accounts.without(a.Peer) }

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
