// Package option holds what the runtime of clients can be adjusted by.
//
// It owns the type that stands behind the options of the root, which are for
// applications, and those of lwm2mtest, which are for tests: so neither of the
// two has to import the other, and what only tests need is no symbol of the
// root. Nothing here acts; the root reads the settings when it makes a runtime
// or a client.
package option

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/holdfast-iot/holdfast/internal/linkwatch"
	"github.com/holdfast-iot/holdfast/internal/store"
)

// Option changes settings.
type Option func(*Settings)

// Settings are the sum of a runtime's or a client's options. The zero value is
// what a gateway runs with, in silence.
type Settings struct {
	// Logger is where the client logs; nil is silent.
	Logger *slog.Logger
	// Handshakes is how many handshakes of a runtime go on at a time; the default of
	// internal/admission where it is not positive.
	Handshakes int
	// Transport replaces the operating system's network where it is not nil.
	Transport Transport
	// DialTCP replaces how connections to web servers that have images are opened, where it
	// is not nil.
	DialTCP func(ctx context.Context, remote netip.AddrPort) (net.Conn, error)
	// Rand replaces the source of r0 and of resend factors where it is not nil:
	// numbers in [0, 1), from any goroutine.
	Rand func() float64
	// Watch, where it is not nil, returns what watches the mailbox of the actor
	// at a path, such as "gw-1/registration/1".
	Watch func(path string) Watcher
	// StoreFS replaces the file system under the state directories where it is
	// not nil.
	StoreFS store.FS
	// Sleep, where it is not nil, replaces the watch for the time that the
	// machine is suspended: it is given what to tell that time, and returns what
	// ends that.
	Sleep func(tell func(slept time.Duration)) (remove func())
	// Links, where it is not nil, replaces the watch for what the machine can reach others
	// by: it is given what to tell that, and returns what ends that.
	Links func(tell func(linkwatch.Change)) (remove func())
	// Wall, where it is not nil, replaces the wall clock by which certificates are
	// judged: it returns what that shows at an instant of time.Now.
	Wall func(instant time.Time) time.Time
	// Steps, where it is not nil, replaces the watch for a wall clock that is set:
	// it is given what to tell that, and returns what ends that.
	Steps func(tell func()) (remove func())
}

// Transport is the network below the links of a client: the one interface that
// actors/network asks for, declared here for those who must not import it.
type Transport interface {
	// Lookup returns all A and AAAA addresses of a host.
	Lookup(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial returns a connected datagram socket: each Read and Write is one
	// datagram, and a refused port shows as ECONNREFUSED.
	Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error)
}

// Watcher is told of the messages of one actor, on the goroutine of whoever
// sends or handles them. Its functions must not be nil.
type Watcher struct {
	Posted   func(message any) // put into the mailbox
	Invoking func(message any) // about to be handled; a panic is the actor's
	Effect   func(effect any)  // about to be carried out; a panic is the actor's
	Invoked  func(message any) // handled
	Dropped  func(message any) // refused by a full mailbox
}

// With returns the settings as the options change them.
func (s Settings) With(options []Option) Settings {
	for _, option := range options {
		if option != nil {
			option(&s)
		}
	}
	return s
}
