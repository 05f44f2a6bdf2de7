// Package matrix says which error can occur at which moment and in which state of
// the store, by which account the client is registered again, and why the others
// cannot occur. Its tests provoke every error that can, from the
// outside (docs/recovery.md).
//
// Only tests use it: those of other packages to look up what is possible, and
// the one that writes docs/recovery.md. The provoking is in the test files.
package matrix

import (
	"slices"

	"github.com/holdfast-iot/holdfast/messages"
)

// Moment is what the client is doing when an error happens, in finer steps than
// the phase that its event names.
type Moment uint8

// The moments, in the order in which a client passes through them.
const (
	// Start is whenever the accounts are read or reset: at the start, by the
	// policy while they are not usable, and after a factory reset.
	Start Moment = iota
	Resolving
	Handshake           // with the bootstrap or the management server
	BootstrapRequesting // POST /bs is sent
	BootstrapWaiting    // it is answered, and no operation has come
	BootstrapDelete
	BootstrapWrite
	BootstrapDiscover
	BootstrapRead
	BootstrapFinish
	BootstrapPersisting // Finish waits for the store
	Registering
	RegisteredIdle
	Updating
	Observing // a server observes, and nothing has changed
	Notifying // a confirmable notification is not acknowledged yet
	Sending   // a Send is not answered yet
	Handling  // a handler of the application is at work on a request
	Asleep    // registered in queue mode, and 93 s have gone by
	Disabled  // by /1/x/4: the client stays away for a while
	Closing
	Downloading // an image is fetched, and the client is registered
	Renewing    // a new certificate is shown to the server, and the client is registered
	momentCount
)

// String returns the moment's name in kebab case.
func (m Moment) String() string {
	names := [momentCount]string{
		"start", "resolving", "handshake", "bootstrap-requesting", "bootstrap-waiting", "bootstrap-delete",
		"bootstrap-write", "bootstrap-discover", "bootstrap-read", "bootstrap-finish", "bootstrap-persisting",
		"registering", "registered", "updating", "observing", "notifying", "sending", "handling", "asleep", "disabled",
		"closing", "downloading", "renewing",
	}
	if m < momentCount {
		return names[m]
	}
	return "invalid"
}

// Moments returns every moment, in order.
func Moments() []Moment { return span(Start, Renewing) }

func span(from, to Moment) []Moment {
	var all []Moment
	for m := from; m <= to; m++ {
		all = append(all, m)
	}
	return all
}

// StoreState is what the state directory holds.
type StoreState uint8

// The states of the store.
const (
	Fresh        StoreState = iota // nothing: the accounts of the configuration are used
	Provisioned                    // the factory's accounts, and none in the configuration
	Bootstrapped                   // what a bootstrap delivered
)

// String returns the state's name.
func (s StoreState) String() string {
	names := [...]string{"fresh", "provisioned", "bootstrapped"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// StoreStates returns every state of the store, in order.
func StoreStates() []StoreState { return []StoreState{Fresh, Provisioned, Bootstrapped} }

// Reason says why an error cannot occur at a moment. The list is closed.
type Reason uint8

// The reasons.
const (
	// NoReason is that of a cell that can occur, and is tested.
	NoReason Reason = iota
	NotBuilt
	NotThen
	OtherCode
	NoLink
	NoAttempt
	CheckedBefore
	SmallRequests
	IsRegistered
	SharedActor
	LinkNotNeeded
	OneAccount
	OwnOutcome
	OwnResult
	AsRegistered
)

// String returns the reason as a sentence.
func (r Reason) String() string {
	sentences := [...]string{
		NoReason:      "It can occur.",
		NotBuilt:      "What it is about does not exist yet.",
		NotThen:       "What it is about is over, or does not begin, at that moment.",
		OtherCode:     "The same fault is reported with another code at that moment.",
		NoLink:        "No message layer runs yet: there is nobody to send or take a message.",
		NoAttempt:     "No attempt is under way that could fail.",
		CheckedBefore: "Accounts are checked whole when they are read or delivered: those in use are usable.",
		SmallRequests: "The client's own requests and answers stay far below every budget.",
		IsRegistered:  "There is a registration to end, so the call does what it says.",
		SharedActor:   "An actor that all accounts share is replaced alone, and no attempt fails.",
		OneAccount:    "A configuration has one management account at most.",
		OwnOutcome:    "What does not fit ends that request or notification alone, and is no error of the client.",
		OwnResult:     "A fault of the disk under an image ends the update with a result of its own, which the server learns, and is no error of the client.",
		AsRegistered:  "The registration goes on meanwhile, on another link: it is as at any moment at which the client is registered.",
		LinkNotNeeded: "The server has finished: a lost link changes nothing any more.",
	}
	if int(r) < len(sentences) {
		return sentences[r]
	}
	return "invalid"
}

// Reasons returns the closed list of reasons, without NoReason.
func Reasons() []Reason {
	var all []Reason
	for r := NotBuilt; r <= AsRegistered; r++ {
		all = append(all, r)
	}
	return all
}

// Account is where the account comes from by which a client is registered.
type Account uint8

// The accounts. Each has another lifetime in the tests: it is what the server
// sees of the difference.
const (
	NoAccount  Account = iota
	Configured         // it stands in the configuration
	Factory            // it was provisioned
	Former             // a bootstrap delivered it before the error
	Delivered          // a bootstrap delivered it after the error
	// Either is Former or Delivered: the attempts of both are due at the same
	// instant, and which begins first is left to chance.
	Either
)

// String returns what the account is called.
func (a Account) String() string {
	names := [...]string{"none", "configured", "factory", "former", "delivered", "either"}
	if int(a) < len(names) {
		return names[a]
	}
	return "invalid"
}

// Account returns the management account of a client that starts with that
// store.
func (s StoreState) Account() Account {
	return [...]Account{Fresh: Configured, Provisioned: Factory, Bootstrapped: Former}[s]
}

// Cell is one cell of the matrix of errors, moments and states of the store:
// the error can occur and is tested, or there is a reason why it cannot.
type Cell struct {
	Reason Reason
	// Back is the account by which the client is registered first after the
	// error; none where it cannot occur.
	Back Account
}

// because gives the reason of some moments of one code.
type because struct {
	reason  Reason
	moments []Moment
}

// line is one code of the matrix: where it is tested, and why it cannot occur
// elsewhere. Otherwise holds where no other reason is given.
type line struct {
	tested    []Moment
	because   []because
	otherwise Reason
	// unless are the reasons why a tested moment cannot show the error unless a
	// bootstrap has stored accounts.
	unless []because
	// renewed are the moments after which the client comes back by what a
	// bootstrap delivers, also where one had before: the error condemns the
	// former account, or does not stop the bootstrap that is under way.
	renewed []Moment
	// lost are the moments at which the account of a former bootstrap is lost.
	lost []Moment
	// ended says that the client is closed: the next one begins with what is
	// stored.
	ended bool
}

// reasonAt returns the reason of a moment, if the list has one.
func reasonAt(list []because, at Moment) (Reason, bool) {
	for _, b := range list {
		if slices.Contains(b.moments, at) {
			return b.reason, true
		}
	}
	return NoReason, false
}

// Groups of moments.
var (
	session  = span(BootstrapWaiting, BootstrapFinish) // during the bootstrap server's operations
	sessions = span(BootstrapRequesting, BootstrapPersisting)
	linked   = append(span(BootstrapRequesting, Asleep), Closing)
	unlinked = append(span(Start, Handshake), Disabled)
	managed  = span(Observing, Asleep) // registered, while servers manage the client
	busy     = span(Observing, Handling)

	onDisk = []because{{OwnResult, []Moment{Downloading}}}
)

// matrix is the data of [CellOf]. A code that is missing is not built.
var matrix = map[messages.ErrorCode]line{
	messages.ConnectBootstrapFailed: {
		tested:    append([]Moment{Handshake, BootstrapRequesting}, session...),
		because:   []because{{OtherCode, []Moment{Resolving, BootstrapPersisting}}, {NoAttempt, []Moment{Start}}},
		otherwise: NotThen,
	},
	messages.ConnectInvalidParameters: {
		tested: []Moment{Start, Registering, Downloading}, renewed: []Moment{Registering}, otherwise: CheckedBefore,
	},
	messages.ConnectorInvalidCredentials: {tested: []Moment{Start, Downloading}, otherwise: CheckedBefore},
	messages.ConnectNotRegistered: {
		tested:    append(span(Start, Registering), Disabled, Closing),
		renewed:   []Moment{BootstrapPersisting}, // the store ends what it has begun
		otherwise: IsRegistered, ended: true,
	},
	messages.ConnectTimeout: {
		tested: append([]Moment{Handshake, BootstrapRequesting, Registering, Updating, Notifying, Sending, Downloading}, session...),
		because: []because{
			{NoAttempt, []Moment{Start, Disabled}},
			{OtherCode, []Moment{Resolving, RegisteredIdle, Observing, Handling, Asleep, Closing, Renewing}},
		},
		otherwise: NotThen,
	},
	messages.ConnectNetworkError: {
		tested: slices.Concat(span(Handshake, BootstrapFinish), []Moment{Registering, RegisteredIdle, Updating, Downloading}, managed),
		because: []because{
			{NoAttempt, []Moment{Start, Disabled}}, {OtherCode, []Moment{Resolving, Closing, Renewing}}, {LinkNotNeeded, []Moment{BootstrapPersisting}},
		},
	},
	messages.ConnectResponseParseFailed: {tested: slices.Concat(linked, []Moment{Downloading}), renewed: sessions, because: []because{{NoLink, unlinked}, {AsRegistered, []Moment{Renewing}}}},
	messages.ConnectUnknownError: {
		tested:  append(span(Resolving, Asleep), Downloading),
		because: []because{{SharedActor, []Moment{Start}}, {NoAttempt, []Moment{Disabled}}, {OtherCode, []Moment{Closing}}, {AsRegistered, []Moment{Renewing}}},
	},
	messages.ConnectMemoryConnectFail: {
		tested:    []Moment{Start, BootstrapWrite, Downloading},
		unless:    []because{{OneAccount, []Moment{Start}}},
		because:   []because{{NoLink, []Moment{Resolving, Handshake, Disabled}}, {OwnOutcome, busy}},
		otherwise: SmallRequests,
	},
	messages.ConnectNotAllowed: {tested: span(Start, Downloading), renewed: sessions, otherwise: AsRegistered},
	messages.ConnectSecureConnectionFailed: {
		tested:    []Moment{Handshake, Downloading},
		because:   []because{{OtherCode, append([]Moment{Renewing}, linked...)}},
		otherwise: NotThen,
	},
	messages.EnrolmentFailed:               {tested: []Moment{Renewing}, otherwise: NotThen},
	messages.ConnectDNSResolvingFailed:     {tested: []Moment{Resolving, Downloading}, otherwise: NotThen},
	messages.ConnectorUnregistrationFailed: {tested: []Moment{Closing}, otherwise: NotThen},
	messages.ConnectorFailedToStoreCredentials: {
		tested: []Moment{Start, BootstrapPersisting}, lost: []Moment{Start}, because: onDisk, otherwise: NotThen,
	},
	messages.ConnectorFailedToReadCredentials: {tested: []Moment{Start}, lost: []Moment{Start}, because: onDisk, otherwise: NotThen},
}

// CellOf returns the cell of a code, a moment and a state of the store. There
// is none (false) for what is no code, moment or state.
func CellOf(code messages.ErrorCode, at Moment, stored StoreState) (Cell, bool) {
	if !slices.Contains(messages.ErrorCodes(), code) || at >= momentCount || stored > Bootstrapped {
		return Cell{}, false
	}
	row, built := matrix[code]
	if !built {
		return Cell{Reason: NotBuilt}, true
	}
	if reason, found := reasonAt(row.unless, at); found && stored != Bootstrapped {
		return Cell{Reason: reason}, true
	}
	if slices.Contains(row.tested, at) {
		return Cell{Back: row.back(Bootstrapping(code, at), at, stored)}, true
	}
	if reason, found := reasonAt(row.because, at); found {
		return Cell{Reason: reason}, true
	}
	return Cell{Reason: row.otherwise}, row.otherwise != NoReason
}

// back returns the account by which a client comes back. When a bootstrap fails,
// one that has been bootstrapped before still has its former account; another
// one waits for a bootstrap that succeeds.
func (l line) back(bootstrapping bool, at Moment, stored StoreState) Account {
	switch {
	case slices.Contains(l.renewed, at), slices.Contains(l.lost, at) && stored == Bootstrapped:
		return Delivered
	case !bootstrapping:
		return stored.Account()
	case stored != Bootstrapped:
		return Delivered
	case l.ended:
		return Former
	}
	return Either
}

// Bootstrapping reports whether an error at the moment concerns the bootstrap
// account. The handshake is that of either server; code 2 has it with the
// bootstrap server.
func Bootstrapping(code messages.ErrorCode, at Moment) bool {
	return at >= BootstrapRequesting && at <= BootstrapPersisting ||
		at == Handshake && code == messages.ConnectBootstrapFailed
}

// Phases returns the phases that events name at the moment. A crash and an
// undecodable message are reported by whether the client is registered.
func (m Moment) Phases() []messages.Phase {
	switch m {
	case Start:
		return []messages.Phase{messages.PhaseStore, messages.PhaseConfig}
	case Resolving, Handshake:
		return []messages.Phase{messages.PhaseBootstrap, messages.PhaseRegister, messages.PhaseUpdate}
	case Registering:
		return []messages.Phase{messages.PhaseRegister}
	case RegisteredIdle, Observing, Asleep, Disabled:
		return []messages.Phase{messages.PhaseRegistered}
	case Notifying, Sending, Handling: // the Update that follows is silent, too
		return []messages.Phase{messages.PhaseRegistered, messages.PhaseUpdate}
	case Updating:
		return []messages.Phase{messages.PhaseUpdate, messages.PhaseRegistered}
	case Closing:
		return []messages.Phase{messages.PhaseClose}
	case Downloading:
		return []messages.Phase{messages.PhaseFirmware}
	case Renewing:
		return []messages.Phase{messages.PhaseEnrolment}
	}
	return []messages.Phase{messages.PhaseBootstrap}
}

// Occurs reports whether the matrix says that an error event with the code and
// the phase can be seen while the store is in that state. The answers to calls
// (phase api, and code 5) may come at any moment.
func Occurs(code messages.ErrorCode, phase string, stored StoreState) bool {
	if code == messages.ConnectNotAllowed || code == messages.ConnectNotRegistered {
		return phase == messages.PhaseAPI.String() || phase == messages.PhaseClose.String()
	}
	return slices.ContainsFunc(Moments(), func(at Moment) bool {
		c, ok := CellOf(code, at, stored)
		named := slices.ContainsFunc(at.Phases(), func(p messages.Phase) bool { return p.String() == phase })
		return ok && c.Reason == NoReason && named
	})
}
