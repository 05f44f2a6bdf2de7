package holdfast

import (
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/internal/disorder"
	"github.com/holdfast-iot/holdfast/internal/eventlog"
	"github.com/holdfast-iot/holdfast/internal/journal"
	"github.com/holdfast-iot/holdfast/messages"
)

// EventType says what an [Event] is about.
type EventType string

// The event types, and the fields that they set besides Time, Seq, Endpoint
// and Type.
const (
	// EventState says that the client's state has changed: State, Previous.
	EventState EventType = "state"
	// EventError says that something has failed: Code, Name, Phase, Attempt,
	// Detail, CoAP, TLSAlert, Action, NextAttempt, WaitsForTurn and Remedy, as
	// far as they apply. One failed attempt makes one such event.
	EventError EventType = "error"
	// EventBootstrapped says that a bootstrap is complete and stored: Accounts.
	EventBootstrapped EventType = "bootstrapped"
	// EventRegistered says that a server has registered the client: Location,
	// Lifetime, LwM2M, Attempts, LostAt, Session.
	EventRegistered EventType = "registered"
	// EventRegistrationUpdated says that a server has accepted an Update: Session.
	EventRegistrationUpdated EventType = "registration_updated"
	// EventUnregistered says that the client has de-registered from a server.
	EventUnregistered EventType = "unregistered"
	// EventDisabled says that a server has disabled its account by /1/x/4: the client
	// de-registers and stays away from that server until NextAttempt. It comes again
	// at a start within that time.
	EventDisabled EventType = "disabled"
	// EventAsleep says that nothing was sent to a server or received from it for
	// MAX_TRANSMIT_WAIT, 93 s by default, in queue mode: the server keeps what it has
	// for the client until it hears from it, and a modem may sleep if nothing else
	// needs it.
	EventAsleep EventType = "asleep"
	// EventAwake says that this is over: something is sent, or was received after all,
	// or the link is replaced. A registration begins awake, and makes no such event; nor
	// does Pause, which needs no network.
	EventAwake EventType = "awake"
	// EventDegraded says that a part of the client crashes again and again, and
	// is replaced each time: Actor, Restarts, Detail. With Actor "supervisor" it
	// may also say that what the client remembered was set aside after crashes,
	// and with Actor "store" and Server, that what was stored of a registration
	// cannot be used, and a new one is made.
	EventDegraded EventType = "degraded"
	// EventFirmware says how far a firmware update has come: Firmware, and Detail where it
	// has failed. It comes when the state, the result or the question changes, and while an
	// image is fetched at most once for each twentieth of it.
	EventFirmware EventType = "firmware"
	// EventCredentialsRenewed says that a server has accepted a new certificate of the
	// client, which is in use from now on: Expires.
	EventCredentialsRenewed EventType = "credentials_renewed"
	// EventMoved says that this machine reaches a server from another address by now, or that
	// it has a network again and was not answered before: the client goes on over a new
	// socket at NextAttempt, mostly at once, and counts no failure. Detail says why. The
	// registration that follows has LostAt.
	EventMoved EventType = "moved"
	// EventNetwork says that the client uses another interface of those that the
	// configuration names, or none since none can be used: Interface and Detail. It comes
	// at the start, too.
	EventNetwork EventType = "network"
)

// State is what a client, or one connection of it, is doing. A client's state
// is that of the connection that keeps it from being registered.
type State string

// The states, in the order in which a client gets to them. A client that has
// not been started has none.
const (
	Starting      State = "starting"      // credentials are being read
	Resolving     State = "resolving"     // the name of the server is being resolved
	Connecting    State = "connecting"    // a socket is being opened, a DTLS handshake is under way
	Bootstrapping State = "bootstrapping" // the bootstrap server is asked for credentials
	Registering   State = "registering"   // a Register or an Update is under way
	Registered    State = "registered"    // every management server knows the client
	Waiting       State = "waiting"       // for the next attempt
	Paused        State = "paused"        // by [Client.Pause]
	Stopping      State = "stopping"      // by [Client.Close]: de-registering from the servers
	Stopped       State = "stopped"       // for good
)

// Phase says what the client was doing when something failed.
type Phase string

// The phases of an error.
const (
	PhaseAPI        Phase = "api"        // a call of the application
	PhaseConfig     Phase = "config"     // the configuration was checked
	PhaseStore      Phase = "store"      // the state directory or a credentials file was read or written
	PhaseBootstrap  Phase = "bootstrap"  // connecting to the bootstrap server, and the bootstrap
	PhaseRegister   Phase = "register"   // connecting to a management server, and the Register
	PhaseUpdate     Phase = "update"     // an Update, on whatever link
	PhaseRegistered Phase = "registered" // a link on which the client is registered
	PhaseClose      Phase = "close"      // de-registering
	PhaseFirmware   Phase = "firmware"   // fetching a firmware image
	PhaseEnrolment  Phase = "enrolment"  // renewing a certificate, or enrolling for one
)

// Action is what the client does about an error.
type Action string

// The actions. With the first three something is tried at
// [Event.NextAttempt].
const (
	ActionRetry     Action = "retry"     // the same again
	ActionBootstrap Action = "bootstrap" // a bootstrap, for new credentials
	ActionRegister  Action = "register"  // a registration from the start
	ActionIgnore    Action = "ignore"    // nothing: what failed is dropped, the rest goes on
	ActionNone      Action = "none"      // nothing is to be done
	ActionUser      Action = "user"      // a person is needed; Event.Remedy says for what
)

// Event is one thing that an application may want to know. Which fields are
// set depends on Type. Its JSON form, one line of `holdfast run --json`, has the
// others left out. An event never carries a secret.
type Event struct {
	Time     time.Time
	Seq      uint64 // from 1, without gaps, per client
	Endpoint string // of the client
	Type     EventType
	Server   string // URI of the server concerned; empty when it is none

	State    State
	Previous State

	Code     ErrorCode
	Name     string // of the code, as in docs/recovery.md
	Phase    Phase
	Attempt  uint64 // consecutive failures, from 1
	Detail   string // the cause, for a person
	CoAP     string // the response that was the cause, such as "4.03"
	TLSAlert *uint8 // number of the alert that was the cause (RFC 5246 section 7.2); see [AlertError]
	Action   Action
	// NextAttempt is when something will be tried again, zero when nothing
	// will. See also RetryIn.
	NextAttempt time.Time
	// WaitsForTurn says that NextAttempt is later than the reconnection policy
	// asks for: the attempts of all accounts together have a budget.
	WaitsForTurn bool
	Remedy       string // what a person can do

	Accounts int           // management accounts that a bootstrap delivered
	Location string        // path of the registration, as the server chose it
	Lifetime time.Duration // of the registration, whole seconds; 0 is infinite
	LwM2M    string        // version of the protocol that was agreed on, "1.0" or "1.1"
	Attempts uint64        // attempts until this registration, the successful one included
	// LostAt is when the link was lost that this registration replaces, zero
	// when there was none before. See also Offline.
	LostAt time.Time
	// Session says what it has cost to reach the server: "new", a full DTLS handshake;
	// "resumed", an abbreviated one; "kept", none; "none" without DTLS.
	Session string

	Expires time.Time // of the new certificate, when credentials were renewed

	Interface string // of this machine, that is used; empty for none

	Actor string // name of the part that crashes
	// Restarts counts recent crashes of it; older ones count less, but for the
	// supervisor. It is 0 where nothing has crashed.
	Restarts uint64

	Firmware *FirmwareProgress // nil but for EventFirmware

	cause error // what Detail says in words; Err wraps it
}

// FirmwareProgress is how far an update has come. State and Result are the numbers that the
// server sees in the object that the update was begun by; [FirmwareStatus] has them in words.
// What a server was told may lag behind.
type FirmwareProgress struct {
	Object   uint16 // 5, Firmware Update, or 10252, Manifest
	State    int64  // of /5/0/3, or of /10252/0/2
	Result   int64  // of /5/0/5, or of /10252/0/3
	Progress int64  // bytes of the image that are there
	Total    int64  // bytes of the image; 0 while that is not known
	// Asks is "download" or "install" while the gateway is asked whether to go on, which
	// [Client.AuthoriseFirmware] answers; empty otherwise.
	Asks string
}

// FetchesFirmware reports whether an event says that the image of an update is being
// fetched.
func (e Event) FetchesFirmware() bool {
	m := messageOf(e)
	return m.FirmwareFetches()
}

// Ended reports whether the update has ended, and whether it has failed. An installation that
// the server can have tried again, with State 2 of object 5, has failed, and the update not ended.
func (p FirmwareProgress) Ended() (ended, failed bool) {
	m := messageOf(Event{Type: EventFirmware, Firmware: &p})
	return m.FirmwareEnded()
}

// RetryIn returns how long after the event the next attempt comes; again is
// false when none will.
func (e Event) RetryIn() (delay time.Duration, again bool) {
	if e.NextAttempt.IsZero() {
		return 0, false
	}
	return e.NextAttempt.Sub(e.Time), true
}

// Offline returns for how long the client was not registered before a
// registration; was is false when it never was before.
func (e Event) Offline() (d time.Duration, was bool) {
	if e.LostAt.IsZero() {
		return 0, false
	}
	return e.Time.Sub(e.LostAt), true
}

// Err returns the error that an event of type [EventError] reports, an
// *[Error], and nil for every other type. Like the errors of calls it is
// compared by meaning: errors.Is(e.Err(), ErrNetwork). errors.As reaches the
// cause, such as a *net.DNSError, a syscall.Errno, an x509.UnknownAuthorityError
// or an *[AlertError]. Of an event that came as JSON, or is part of a [Status] or
// an [Explanation], only code, phase and text are left.
func (e Event) Err() error {
	if e.Type != EventError {
		return nil
	}
	return &Error{Code: e.Code, Phase: e.Phase, Err: explained(e.Detail, e.cause)}
}

// NeedsPerson reports whether an error goes on until a person does something:
// credentials, a configuration or a clock have to be put right. What the client
// retries because a network or a server may come back needs none, nor does what a
// bootstrap is to mend.
func (e Event) NeedsPerson() bool {
	m := messageOf(e)
	return m.NeedsPerson()
}

// hub numbers the events of one client and passes them to its subscribers. It
// never blocks the emitter: an event that a subscriber has no room for is dropped
// and counted.
type hub struct {
	endpoint string
	nonces   func(messages.Epoch) uint64 // how many a link has used; nil where nobody knows
	logger   *slog.Logger                // never waits

	mu          sync.Mutex
	seq         uint64
	dropped     uint64
	latePanics  uint64
	snapshot    messages.Snapshot
	journal     journal.Journal
	subscribers map[*subscriber]struct{}
	changed     chan struct{} // closed at the next snapshot; nil while nobody waits for it
	closed      bool
}

type subscriber struct{ events chan Event }

func newHub(endpoint string, logger *slog.Logger) *hub {
	return &hub{
		endpoint: endpoint, logger: logger, subscribers: map[*subscriber]struct{}{},
		snapshot: messages.Snapshot{},
	}
}

// emit numbers an event and hands it out.
func (h *hub) emit(e messages.Event) {
	defer disorder.Delay()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	e.Seq, e.Endpoint, e.Time = h.seq, h.endpoint, time.Now()
	if e.State != "" {
		h.snapshot.State = e.State
	}
	eventlog.Event(h.logger, &e)
	h.journal.Note(e)
	seen := eventOf(e)
	for s := range h.subscribers {
		select {
		case s.events <- seen:
		default:
			h.dropped++
		}
	}
}

// newest returns the number of the newest event.
func (h *hub) newest() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seq
}

// report emits an error that is none of the supervisor's: of a call that comes
// while there is none.
func (h *hub) report(code ErrorCode, phase Phase, detail string) {
	h.emit(messageOf(Event{
		Type: EventError, Code: code, Name: code.String(), Phase: phase, Attempt: 1, Action: ActionNone, Detail: detail,
	}))
}

// publish replaces the snapshot and wakes those who wait for a state.
func (h *hub) publish(s messages.Snapshot) {
	defer disorder.Delay()
	h.mu.Lock()
	defer h.mu.Unlock()
	eventlog.Steps(h.logger, h.snapshot, s)
	h.snapshot = s
	h.wake()
}

// wake wakes those who wait for a change; callers hold mu.
func (h *hub) wake() {
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// subscribe returns a channel with room for size events, at least one, and a
// function that ends the subscription and closes the channel.
func (h *hub) subscribe(size int) (<-chan Event, func()) {
	s := &subscriber{events: make(chan Event, max(size, 1))}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(s.events)
		return s.events, func() {}
	}
	h.subscribers[s] = struct{}{}
	return s.events, func() { h.unsubscribe(s) }
}

func (h *hub) unsubscribe(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, subscribed := h.subscribers[s]; subscribed {
		delete(h.subscribers, s)
		close(s.events)
	}
}

// close ends all subscriptions: loops over their channels end.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.snapshot.State = messages.StateStopped // also when the supervisor could not say so, or never was
	for s := range h.subscribers {
		delete(h.subscribers, s)
		close(s.events)
	}
	h.wake()
}

// observe returns the present state and a channel that is closed at the next
// change; ended says that there will be none.
func (h *hub) observe() (s State, changed <-chan struct{}, ended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return State(h.snapshot.State), h.changed, h.closed
}

// state returns what the client is doing.
func (h *hub) state() State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return State(h.snapshot.State)
}

// status returns what is known of the client and of its servers.
func (h *hub) status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.present(h.journal.Servers())
}

// latePanic counts a panic of an actor that was stopping already.
func (h *hub) latePanic() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.latePanics++
}

// record returns the status together with all that the journal has noted.
func (h *hub) record() (Status, journal.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	record := h.journal.Read()
	return h.present(record.Servers), record
}

// present returns the status; callers hold mu.
func (h *hub) present(servers []journal.Server) Status {
	now := time.Now()
	connections := connectionsOf(h.snapshot, servers, now)
	if h.nonces != nil {
		countNonces(connections, h.snapshot, h.nonces)
	}
	return Status{
		Time: now, State: State(h.snapshot.State), Connections: connections,
		Firmware: firmwareStatusOf(h.snapshot.Firmware), Network: networkOf(h.snapshot.Uplink), Events: h.seq, Dropped: h.dropped, LatePanics: h.latePanics,
	}
}
