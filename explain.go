package holdfast

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/actors/supervisor"
	"github.com/holdfast-iot/holdfast/internal/journal"
	"github.com/holdfast-iot/holdfast/internal/wording"
	"github.com/holdfast-iot/holdfast/messages"
)

// Status is a snapshot of a client.
type Status struct {
	Time        time.Time       // of the snapshot
	State       State           // empty before Start
	Connections []Connection    // the bootstrap account first, then by short server ID
	Firmware    *FirmwareStatus // nil without Config.Firmware, and before the client has read its state
	Network     *NetworkStatus  // nil where Config.Network names no interface
	Events      uint64          // events so far; the Seq of the newest
	Dropped     uint64          // events that some subscriber was too slow for
	LatePanics  uint64          // of actors that were stopping already: logged, and without consequence
}

// Explanation says what a client is doing, why it is not connected, and what
// comes next and when. Its String is for a person; its JSON form is the answer
// to GET /v1/explain. It carries no secret.
type Explanation struct {
	Time     time.Time `json:"time"` // of the explanation
	Endpoint string    `json:"endpoint"`
	State    State     `json:"state"`
	Since    time.Time `json:"since,omitzero"` // when the state was entered
	// Connections are the server accounts, the bootstrap account first.
	Connections []Connection `json:"connections"`
	// Trouble is set when store or credentials cannot be read or used.
	Trouble *Trouble `json:"trouble,omitempty"`
	// Firmware is how far an update has come; nil as in a Status.
	Firmware *FirmwareStatus `json:"firmware,omitempty"`
	// Network says which interface is used; nil as in a Status.
	Network *NetworkStatus `json:"network,omitempty"`
	// Transitions are the last events, at most 32, the newest last; those
	// about updates of the registration, about queue mode and about the progress of a download
	// are left out. Until somebody asks for
	// the first time, a client remembers as many as fit in a few hundred bytes.
	Transitions []Event `json:"transitions"`
}

// NetworkStatus says which interface of this machine a client uses, where the configuration
// names some.
type NetworkStatus struct {
	Interfaces []string `json:"interfaces"`          // that are named, the best first
	Interface  string   `json:"interface,omitempty"` // that is used; empty where none can be
	Reason     string   `json:"reason,omitempty"`    // why it is not the first one, or none
}

// networkOf returns what an application sees of the interface in use.
func networkOf(u *messages.Uplink) *NetworkStatus {
	if u == nil || u.Interfaces == "" {
		return nil
	}
	return &NetworkStatus{Interfaces: strings.Split(u.Interfaces, ", "), Interface: u.Interface, Reason: u.Reason}
}

// Connection is what is known of one server account.
type Connection struct {
	Account string // "bootstrap", or "server 1" with the short server ID
	Server  string // URI
	State   State
	// Location, Lifetime (0 is infinite) and ConfirmedAt, when the server last
	// accepted a Register or an Update, are set while it is thought to know us.
	Location    string
	Lifetime    time.Duration
	ConfirmedAt time.Time
	// DisabledUntil is when the pause ends that the server has asked for by disabling
	// the account (/1/x/4); zero without one. The client registers then, and no hint
	// or call makes that earlier.
	DisabledUntil time.Time
	// WaitsFor is why nothing is tried now: "policy", the delay after a failure;
	// "server", a pause that the server has asked for; "disabled"; "first", the delay
	// before the first attempt (/1/x/14, /0/x/11); "order", a server of a higher
	// priority comes first (/1/x/13); "block", that one has failed and blocks the others
	// (/1/x/15); "bootstrap", the outcome of one; "turn", the budget of all accounts;
	// "handshake", its turn to shake hands, see [WithHandshakes], of which no time counts.
	// Empty where nothing is waited for.
	WaitsFor string
	// Behind is the account whose turn it is, such as "server 1", where WaitsFor is
	// "order" or "block".
	Behind string
	// QueueMode is "awake" or "asleep" where the server was told that the client is in
	// queue mode, see EventAsleep; empty otherwise.
	QueueMode string
	// Trouble is set while attempts fail.
	Trouble *Trouble
	// LastError is the newest error about this server, also when it is over.
	LastError *Event
	// Next is set when something will be tried.
	Next *NextStep
	// Shed counts what was dropped; nil when nothing was.
	Shed *Shed
	// Observing is what the server observes, as it was at most 10 s ago; nil where it
	// never has.
	Observing *Observing
	// Sends counts the calls of [Client.Send] and [Client.SendSamples] that concerned the
	// server; nil where there was none.
	Sends *SendCount
	// Attempt is how far the attempt under way has come, or the request that a
	// registered client waits for an answer to; nil where there is neither.
	Attempt *Attempt
	// Session is the DTLS session of the present link; nil without one.
	Session *SecureSession
	// CertificateExpires is when the client's own certificate for this account
	// does, zero without one.
	CertificateExpires time.Time
	// CertificateRenewal is when that certificate is to be renewed; zero where nothing can
	// renew it.
	CertificateRenewal time.Time
}

// Attempt is how far an attempt to reach a server has come: what was sent last, and
// what has come back.
type Attempt struct {
	// Began and Deadline are those of the whole attempt, over all addresses of the
	// server; zero for a request of a registered client.
	Began    time.Time `json:"began,omitzero"`
	Deadline time.Time `json:"deadline,omitzero"`
	Host     string    `json:"host"`              // of the server's URI
	Address  string    `json:"address,omitempty"` // that is tried, with the port
	// Sent is a DNS query, ClientHello, ClientHello with cookie, ClientKeyExchange and
	// Finished, Bootstrap-Request, Register, Update or De-register; empty before.
	Sent     string    `json:"sent,omitempty"`
	SentAt   time.Time `json:"sent_at,omitzero"`      // for the first time
	LastSent time.Time `json:"last_sent_at,omitzero"` // for the last time
	Resent   int       `json:"resent"`
	// Heard is what has come of the answer: "nothing", for example, or "whole flight".
	Heard string `json:"heard"`
	Text  string `json:"text"`           // all of it, for a person
	Hint  string `json:"hint,omitempty"` // what the silence may mean; empty while it is too early
}

// attemptOf returns what an application sees of an attempt.
func attemptOf(a *messages.AttemptStatus, now time.Time) *Attempt {
	if a == nil {
		return nil
	}
	out := &Attempt{
		Began: a.Began, Deadline: a.Deadline, Host: a.Host,
		Sent: a.Step.Sent.String(), SentAt: a.Step.Since, LastSent: a.Step.Last, Resent: a.Step.Resent,
		Heard: a.Step.Heard.String(), Text: wording.Attempt(a, now), Hint: wording.Hint(a, now),
	}
	if a.Address.IsValid() {
		out.Address = a.Address.String()
	}
	return out
}

// Shed counts what the links of a server have dropped, by reason.
type Shed struct {
	Queue     uint64 `json:"queue"`     // datagrams that came faster than they could be looked at
	Rate      uint64 `json:"rate"`      // datagrams above the work that is done for one peer in a second
	Answers   uint64 `json:"answers"`   // responses for which no message ID was left
	Memory    uint64 `json:"memory"`    // requests, or parts of bodies, that could not be remembered
	Forged    uint64 `json:"forged"`    // empty ACKs and RSTs that were not believed
	Truncated uint64 `json:"truncated"` // datagrams that were too long to be read whole
	Unsent    uint64 `json:"unsent"`    // datagrams of ours that the socket had no room for
}

// Observing is what a server observes (RFC 7641), and what has become of the
// notifications for it since the client was started.
type Observing struct {
	Observations int    `json:"observations"` // at present
	Stored       int    `json:"stored"`       // notifications that wait for the server to be back, at present
	Notified     uint64 `json:"notified"`     // notifications sent, without resends and those that a newer one replaced
	Acknowledged uint64 `json:"acknowledged"` // of those; the others were not confirmable, or nothing came back
	Dropped      uint64 `json:"dropped"`      // stored ones for which there was no room, the oldest first
}

// SendCount says what has become of Sends to a server since the client was started.
type SendCount struct {
	Accepted uint64 `json:"accepted"` // the server has answered with success
	Failed   uint64 `json:"failed"`   // it could not be asked, has refused, or has not answered
}

// Trouble is a run of failures that has not ended.
type Trouble struct {
	Since    time.Time `json:"since"`    // of the first of them
	Failures uint64    `json:"failures"` // consecutive, so far
	Error    *Event    `json:"error"`    // the newest of them
	Next     *NextStep `json:"next,omitempty"`
}

// NextStep is what a client will do, and when.
type NextStep struct {
	Action Action
	At     time.Time
	In     time.Duration // from the time of the snapshot, in whole milliseconds, not negative
	// WaitsForTurn says that it would come sooner by the policy: the attempts
	// of all accounts together have a budget.
	WaitsForTurn bool
}

// SecureSession is the DTLS session of a link that is up.
type SecureSession struct {
	Since time.Time `json:"since"` // when its full handshake ended
	Suite string    `json:"suite"` // name of the IANA registry
	// ConnectionID says that the server finds the session by a Connection ID (RFC 9146):
	// it outlives a change of the address, and a restart.
	ConnectionID bool `json:"cid"`
	// Nonces is how many have been used for what was sent, since the session began; some
	// are passed over where it goes on after a restart.
	Nonces uint64 `json:"nonces"`
}

// sessionOf returns what an application sees of a session; nil for none.
func sessionOf(s *messages.SecureSession) *SecureSession {
	if s == nil {
		return nil
	}
	return &SecureSession{Since: s.Since, Suite: s.Suite, ConnectionID: s.Movable}
}

// countNonces fills in what the links know of themselves.
func countNonces(list []Connection, snapshot messages.Snapshot, nonces func(messages.Epoch) uint64) {
	for i, c := range snapshot.Connections {
		if s := list[i].Session; s != nil {
			s.Nonces = nonces(c.Epoch)
		}
	}
}

// Explain says what the client is doing, and why.
func (c *Client) Explain() Explanation {
	status, record := c.hub.record()
	return explain(c.config.Endpoint, status, record)
}

func explain(endpoint string, status Status, record journal.Record) Explanation {
	transitions := eventsOf(record.Transitions)
	return Explanation{
		Time: status.Time, Endpoint: endpoint, State: status.State, Since: record.Since,
		Connections: status.Connections, Transitions: transitions,
		Trouble:  storeTrouble(record.Server(""), status.Time),
		Network:  status.Network,
		Firmware: status.Firmware.withTrouble(transitions, status.Time),
	}
}

// connectionsOf joins what the supervisor says of its accounts with what has
// happened to their servers.
func connectionsOf(s messages.Snapshot, servers []journal.Server, now time.Time) []Connection {
	list := make([]Connection, 0, len(s.Connections))
	for _, c := range s.Connections {
		list = append(list, connectionOf(c, journal.Find(servers, c.Server), now))
	}
	return list
}

func connectionOf(c messages.ConnectionStatus, record journal.Server, now time.Time) Connection {
	last := lastOf(record)
	out := Connection{
		Account: c.Peer.String(), Server: c.Server, State: State(c.State),
		LastError: last, Next: nextStep(c.NextAttempt, last, now), Attempt: attemptOf(c.Attempt, now), CertificateExpires: c.CertificateExpires,
		CertificateRenewal: c.CertificateRenewal, Session: sessionOf(c.Session),
		DisabledUntil: c.DisabledUntil, QueueMode: c.QueueMode.String(), WaitsFor: c.WaitsFor.String(),
	}
	if c.Behind != (messages.Peer{}) {
		out.Behind = c.Behind.String()
	}
	if shed := Shed(c.Shed); shed != (Shed{}) {
		out.Shed = &shed
	}
	if observing := Observing(c.Observing); observing != (Observing{}) {
		out.Observing = &observing
	}
	if sends := SendCount(c.Sends); sends != (SendCount{}) {
		out.Sends = &sends
	}
	if out.Next != nil {
		out.Next.WaitsForTurn = c.WaitsForTurn
		if !c.DisabledUntil.IsZero() {
			out.Next.Action = ActionRegister
		}
	}
	if c.Location != "" {
		out.Location, out.Lifetime, out.ConfirmedAt = c.Location, c.Lifetime, c.RegisteredAt
	}
	if c.Failures > 0 && last != nil && !record.FailingSince.IsZero() {
		out.Trouble = &Trouble{Since: record.FailingSince, Failures: c.Failures, Error: last, Next: out.Next}
	}
	return out
}

// lastOf returns the last error of a server as an application sees it, or nil.
func lastOf(record journal.Server) *Event {
	if record.Last == nil {
		return nil
	}
	return new(eventOf(*record.Last))
}

func eventsOf(all []messages.Event) []Event {
	events := make([]Event, 0, len(all))
	for _, e := range all {
		events = append(events, eventOf(e))
	}
	return events
}

// storeTrouble is about what concerns no server. Its end is no event.
func storeTrouble(record journal.Server, now time.Time) *Trouble {
	last := lastOf(record)
	if last == nil || record.FailingSince.IsZero() {
		return nil
	}
	if look := record.Next(); !look.IsZero() && now.After(look.Add(supervisor.LoadBound)) {
		return nil // it was looked at again, and is not reported any more
	}
	return &Trouble{
		Since: record.FailingSince, Failures: last.Attempt, Error: last,
		Next: nextStep(record.Next(), last, now),
	}
}

// nextStep says what comes at an instant; nil when that is zero.
func nextStep(at time.Time, last *Event, now time.Time) *NextStep {
	if at.IsZero() {
		return nil
	}
	step := &NextStep{Action: ActionRetry, At: at, In: max(at.Sub(now), 0).Truncate(time.Millisecond)}
	if last != nil && !last.NextAttempt.IsZero() {
		step.Action = last.Action
	}
	return step
}

// connectionJSON is the form of a [Connection] in docs/contract.md, Control API.
type connectionJSON struct {
	Account     string    `json:"account"`
	Server      string    `json:"server"`
	State       State     `json:"state"`
	Location    string    `json:"location,omitempty"`
	LifetimeS   *int64    `json:"lifetime_s,omitempty"` // absent without a location
	ConfirmedAt time.Time `json:"confirmed_at,omitzero"`
	Trouble     *Trouble  `json:"trouble,omitempty"`
	LastError   *Event    `json:"last_error,omitempty"`
	Next        *NextStep `json:"next,omitempty"`
	Shed        *Shed     `json:"shed,omitempty"`

	Observing *Observing `json:"observing,omitempty"`
	Sends     *SendCount `json:"sends,omitempty"`

	DisabledUntil      time.Time `json:"disabled_until,omitzero"`
	QueueMode          string    `json:"queue_mode,omitempty"`
	WaitsFor           string    `json:"waits_for,omitempty"`
	Behind             string    `json:"behind,omitempty"`
	Attempt            *Attempt  `json:"attempt,omitempty"`
	CertificateExpires time.Time `json:"certificate_expires,omitzero"`
	CertificateRenewal time.Time `json:"certificate_renewal,omitzero"`

	Session *SecureSession `json:"session,omitempty"`
}

// MarshalJSON writes durations in seconds, as "lifetime_s".
func (c Connection) MarshalJSON() ([]byte, error) {
	form := connectionJSON{
		Account: c.Account, Server: c.Server, State: c.State, Location: c.Location, ConfirmedAt: c.ConfirmedAt,
		Trouble: c.Trouble, LastError: c.LastError, Next: c.Next, Shed: c.Shed, Attempt: c.Attempt, CertificateExpires: c.CertificateExpires,
		DisabledUntil: c.DisabledUntil, QueueMode: c.QueueMode, WaitsFor: c.WaitsFor, Behind: c.Behind,
		Observing: c.Observing, Sends: c.Sends, CertificateRenewal: c.CertificateRenewal, Session: c.Session,
	}
	if c.Location != "" {
		form.LifetimeS = new(int64(c.Lifetime / time.Second))
	}
	return marshal(form)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Connection) UnmarshalJSON(data []byte) error {
	var form connectionJSON
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	*c = Connection{
		Account: form.Account, Server: form.Server, State: form.State, Location: form.Location, ConfirmedAt: form.ConfirmedAt,
		Trouble: form.Trouble, LastError: form.LastError, Next: form.Next, Shed: form.Shed, Attempt: form.Attempt, CertificateExpires: form.CertificateExpires,
		DisabledUntil: form.DisabledUntil, QueueMode: form.QueueMode, WaitsFor: form.WaitsFor, Behind: form.Behind,
		Observing: form.Observing, Sends: form.Sends, CertificateRenewal: form.CertificateRenewal, Session: form.Session,
	}
	if form.LifetimeS != nil {
		c.Lifetime = time.Duration(*form.LifetimeS) * time.Second
	}
	return nil
}

// stepJSON is the form of a [NextStep] in docs/contract.md, Control API.
type stepJSON struct {
	Action       Action    `json:"action"`
	At           time.Time `json:"at"`
	InMS         int64     `json:"in_ms"`
	WaitsForTurn bool      `json:"waits_for_turn,omitempty"`
}

// MarshalJSON writes durations in milliseconds, as "in_ms".
func (s NextStep) MarshalJSON() ([]byte, error) {
	return marshal(stepJSON{s.Action, s.At, s.In.Milliseconds(), s.WaitsForTurn})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *NextStep) UnmarshalJSON(data []byte) error {
	var form stepJSON
	if err := json.Unmarshal(data, &form); err != nil {
		return err
	}
	*s = NextStep{form.Action, form.At, time.Duration(form.InMS) * time.Millisecond, form.WaitsForTurn}
	return nil
}
