// Package clientview is what packages on top of the root, such as control, may
// do with a client beyond what gateways need. The root makes the views; it has
// no exported symbol for them, so that its documentation is about gateways.
package clientview

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-iot/holdfast/internal/journal"
	"github.com/holdfast-iot/holdfast/messages"
)

// Client is a client as its companions see it. All methods may be called from
// any goroutine.
type Client interface {
	// Endpoint returns the endpoint client name.
	Endpoint() string
	// Logger returns the client's logger, which names the endpoint.
	Logger() *slog.Logger
	// Attach binds a companion to the client, for as long as the client lives.
	// It returns what Open of the companion does, where the client runs
	// already, and ErrNotAllowed of the root when the client is closed.
	Attach(Companion) error
	// RollCall asks which actors the client has, and pings all of them through
	// their mailboxes. It is false when the supervisor does not answer.
	RollCall(ctx context.Context) (actors []messages.Pinged, ok bool)
	// Configured returns the accounts of the configuration, also those that cannot
	// be used.
	Configured() []Account
	// Call makes a call of the application, and returns what is known of it when it
	// has been carried out. The errors are those of the methods of the client.
	Call(ctx context.Context, what messages.Call) (messages.Answered, error)
	// Record returns what the client's journal has noted. From the first call
	// on the journal keeps as much as it can.
	Record() journal.Record
	// Close closes the client and returns the outcome as soon as its actors
	// are gone, without waiting for the companions: one of them may call it.
	Close() error
}

// Account is an account of the configuration.
type Account struct {
	Peer   messages.Peer
	Server string // its URI, as in events
	// CertificateExpires is when the own certificate does, as the files were when
	// they were last looked at; zero without one, and where it cannot be read.
	CertificateExpires time.Time
}

// Companion lives and ends with a client.
type Companion interface {
	// Open is called by Start, when the state directory is the client's and
	// nothing has been sent yet; by Attach when the client runs. After an error
	// the client does not start, and Open may be called again.
	Open() error
	// Serve is called once the client runs. It does not wait.
	Serve()
	// Abandon takes Open back, where it was called: the client could not be
	// started, but may be yet.
	Abandon()
	// Close is called once when the client is closed, after its actors are
	// gone. Afterwards no goroutine and no socket of the companion is left.
	Close()
}

// view makes the view of a client of the root.
var view func(client any) Client

// Provide is for the root alone, which calls it while it is initialised.
func Provide(f func(client any) Client) { view = f }

// Of returns the view of a *holdfast.Client.
func Of(client any) Client { return view(client) }
