package peer

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// The kinds of Leshan processes.
const (
	LeshanServer    = "server"
	LeshanBootstrap = "bootstrap"
	// LeshanClient is Leshan's own client, to test this package with.
	LeshanClient = "client"
)

const (
	// readyTimeout bounds the start of a Java process on a busy machine.
	readyTimeout = 2 * time.Minute
	// replyTimeout bounds Do. It is above the 5 s that an operation on a
	// silent device takes.
	replyTimeout = time.Minute
	// closeTimeout bounds an orderly end.
	closeTimeout = time.Minute
)

// An Object is one line of JSON that a Leshan peer printed. Numbers are
// float64.
type Object = map[string]any

// A LeshanPeer is a running Leshan process of the kind that interop/leshan
// builds; the commands and events are described there. Its methods may be used
// by many goroutines, those that can end the test only by the test's own.
type LeshanPeer struct {
	t       testing.TB
	kind    string
	args    []string
	coap    string
	coaps   string
	session *session
}

// Leshan builds the Java peer if that has not been done, starts a server
// (LeshanServer or LeshanBootstrap) on free ports and returns when it listens,
// or starts a LeshanClient. It knows the objects of interop/leshan/models. The
// arguments are those of interop/leshan: --cid, --block-size, --cert, --key,
// --trust, --coap, --coaps, --awake, --ack-timeout; --server, --endpoint, --queue.
func Leshan(t testing.TB, kind string, args ...string) *LeshanPeer {
	t.Helper()
	Require(t, KindLeshan)
	p := &LeshanPeer{t: t, kind: kind, args: args}
	p.start(args)
	return p
}

// start runs the process and waits for its ready line.
func (p *LeshanPeer) start(args []string) {
	p.t.Helper()
	s, err := startSession(p.t, p.kind, args)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	ready, err := s.waitEvent(ctx, "ready", nil)
	if err != nil {
		p.t.Fatalf("peer: Leshan does not start: %v\n%s", err, s.process.output)
	}
	p.session = s
	p.coap, _ = ready["coap"].(string)
	p.coaps, _ = ready["coaps"].(string)
}

// CoAP returns the address of the NoSec endpoint, host:port.
func (p *LeshanPeer) CoAP() string { return p.coap }

// CoAPS returns the address of the DTLS endpoint, host:port.
func (p *LeshanPeer) CoAPS() string { return p.coaps }

// Ports returns the ports of the NoSec and the DTLS endpoint.
func (p *LeshanPeer) Ports() (coap, coaps int) {
	p.t.Helper()
	_, coap = splitAddr(p.t, p.coap)
	_, coaps = splitAddr(p.t, p.coaps)
	return coap, coaps
}

// Do sends a command, a map or a struct with an op, and returns the reply. It
// ends the test when there is none within 30 s or when it reports an error.
func (p *LeshanPeer) Do(command any) Object {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), replyTimeout)
	defer cancel()
	reply, err := p.Call(ctx, command)
	if err != nil {
		p.t.Fatalf("peer: %v: %v", command, err)
	}
	if failure, failed := reply["error"]; failed {
		p.t.Fatalf("peer: %v: %v", command, failure)
	}
	return reply
}

// Call sends a command and returns the reply, which carries "error" when
// Leshan could not obey ("timeout" when the device did not answer). The error
// is the context's, or tells that the process has ended.
func (p *LeshanPeer) Call(ctx context.Context, command any) (Object, error) {
	return p.session.call(ctx, command)
}

// WaitEvent returns the oldest event of that name for which match is true, and
// which no earlier WaitEvent returned; it waits when there is none yet. A nil
// match takes any. The error is the context's, or tells that the process has
// ended.
func (p *LeshanPeer) WaitEvent(ctx context.Context, name string, match func(Object) bool) (Object, error) {
	return p.session.waitEvent(ctx, name, match)
}

// Events returns all events since the last start, in order.
func (p *LeshanPeer) Events() []Object { return p.session.history() }

// Kill ends the process by SIGKILL and returns when it is gone: a server that
// crashes and forgets.
func (p *LeshanPeer) Kill() { p.session.process.kill() }

// Restart kills the process, if it still runs, and starts it again on the same
// ports. The new one knows nothing of what the old was told: security entries
// and configurations must be given again. No other method may run at the same
// time.
func (p *LeshanPeer) Restart() {
	p.t.Helper()
	p.Kill()
	p.start(append(append([]string(nil), p.args...), "--coap", p.coap, "--coaps", p.coaps))
}

// Close closes the process's input and waits for its orderly end. Calling it
// is optional: the end of the test ends the process too.
func (p *LeshanPeer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	proc := p.session.process
	// The only error is that it was closed before.
	_ = proc.stdin.Close()
	select {
	case <-proc.exited:
	case <-ctx.Done():
		proc.kill()
		return fmt.Errorf("peer: Leshan did not end by itself: %w", ctx.Err())
	}
	return proc.err
}
