package messages

// A session is a registration with one management server together with the link
// on which its requests come. The supervisor announces each session once when it
// is up and once when it is lost, in order, to whoever serves the server or has
// something to tell it. An actor that is started anew is told again which
// sessions are up.
//
// A request of the server can overtake the announcement: the server may ask as
// soon as it has accepted the Register.

// SessionUp says that a server has registered the client, or that it has accepted
// an Update on a new link. Supervisor to management.
type SessionUp struct {
	Peer    Peer
	Epoch   Epoch  // the link on which the session runs
	Version string // LwM2M version that the server accepted, such as "1.1"
	Host    string // of the server's URI
	Port    uint16
	// Resumed says that the server still knew the registration and accepted an
	// Update: what it has asked for before, such as observations, is still in
	// force (LwM2M Core section 6.4.2). After a Register nothing is.
	Resumed bool
	// Observed says that, when the client was started, there was a record of what the
	// server observes: where there is none now, it has been lost.
	Observed bool
	// Again says that the session has been announced before, to an incarnation of
	// the addressee that has crashed: what the server has asked for since is in
	// force, whatever Resumed says.
	Again bool
}

// SessionLost ends the session that [SessionUp] announced for the same epoch: the
// link has failed or is given up, or the server has ended the registration.
// Supervisor to management.
type SessionLost struct {
	Peer  Peer
	Epoch Epoch
	// StillRegistered says that, as far as is known, the server keeps the
	// registration: the client will try to resume it with an Update on a new
	// link. Whether that succeeds, the next SessionUp says. False means that the
	// client has left, also because the server has disabled it (/1/x/4), that the
	// server has forgotten it, or that the account is gone. What the server has
	// asked for, and what is stored for it, is over then: it observes anew.
	StillRegistered bool
}
