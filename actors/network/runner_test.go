package network

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// No datagram is delivered before the link's users know of the link, and none
// is lost meanwhile.
func TestRunnerWaitsForServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newPipe(t)
		client.inject([]byte("early"))
		ctx, cancel := context.WithCancel(context.Background())
		var reports []any
		var delivered []string
		r := newRunner(testEpoch, dialling(client),
			func(in any) { reports = append(reports, in) },
			func(d any) { delivered = append(delivered, string(d.(messages.Datagram).Data)) })
		go r.connect(ctx, open{remote: server, deadline: time.Now().Add(time.Minute)})
		synctest.Wait()
		if len(reports) != 1 || reports[0] != (connected{epoch: testEpoch}) || len(delivered) != 0 {
			t.Errorf("before serve: reports %v, delivered %q", reports, delivered)
		}
		time.Sleep(time.Hour) // the deadline was the handshake's only
		cancel()              // and so was the context
		go listen(r)
		synctest.Wait()
		if len(delivered) != 1 || delivered[0] != "early" {
			t.Errorf("delivered %q", delivered)
		}
		client.inject([]byte("late"))
		synctest.Wait()
		if len(delivered) != 2 || delivered[1] != "late" {
			t.Errorf("delivered %q", delivered)
		}
		r.close()
		synctest.Wait()
		if !client.isClosed() || len(reports) != 1 {
			t.Errorf("after the end: closed %v, reports %v", client.isClosed(), reports)
		}
	})
}

// A link that is closed before anyone served it is closed all the same, also while
// it is being made.
func TestRunnerEndsUnserved(t *testing.T) {
	for name, dialled := range map[string]bool{"up": true, "dialling": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, _ := newPipe(t)
				var reports []any
				r := newRunner(testEpoch, dialling(client), func(in any) { reports = append(reports, in) }, func(any) {})
				if r.write([]byte("too early")) {
					t.Error("a datagram was sent without a session")
				}
				if !dialled {
					r.close()
				}
				r.connect(t.Context(), open{remote: server, deadline: time.Now().Add(time.Minute)})
				if dialled {
					r.close()
				}
				listen(r) // returns at once
				if !client.isClosed() || r.write([]byte("too late")) || (len(reports) == 1) != dialled {
					t.Errorf("closed %v, reports %v", client.isClosed(), reports)
				}
			})
		})
	}
}

// The stack of a goroutine that has delivered a datagram has grown for good: it does
// not wait for the next one with it.
func TestAGoroutineDeliversOneDatagram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newPipe(t)
		var on []string // the first line of a stack names the goroutine
		r := newRunner(testEpoch, dialling(client), func(any) {}, func(any) {
			stack := make([]byte, 64)
			name, _, _ := strings.Cut(string(stack[:runtime.Stack(stack, false)]), " [")
			on = append(on, name)
		})
		r.connect(t.Context(), open{remote: server, deadline: time.Now().Add(time.Minute)})
		go listen(r)
		for range 3 {
			client.inject([]byte("datagram"))
			synctest.Wait()
		}
		r.close()
		synctest.Wait()
		if len(on) != 3 || on[0] == on[1] || on[1] == on[2] {
			t.Errorf("delivered on %q", on)
		}
	})
}

// What a link still says when its wait is called off is no failure: it is closed by
// then.
func TestShutIsNoFailure(t *testing.T) {
	client, _ := newPipe(t)
	var reports []any
	s := newShell(Config{Peer: testPeer, Epoch: testEpoch, Outlet: &Outlet{}})
	s.runner = newRunner(testEpoch, dialling(client), func(in any) { reports = append(reports, in) }, func(any) {})
	s.cancel = func() { s.runner.fail(context.Canceled) }
	if s.shut(); len(reports) > 0 {
		t.Errorf("reported %v", reports)
	}
}

// panicking is a connection of an application that panics when it is closed.
type panicking struct{ *pipe }

func (p panicking) Close() error {
	p.pipe.Close()
	panic("closed")
}

// A transport that panics when a link is closed does not end the process.
func TestPanicInTheCloseOfATransport(t *testing.T) {
	var client *pipe
	transport := fakeTransport{dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
		client, _ = newEnds()
		return panicking{client}, nil
	}}
	inBubble(t, transport, func(r *rig) {
		r.connect("coap://192.0.2.1", nosec())
		r.wantStages(messages.StageConnecting, messages.StageUp)
		r.stop(r.pid)
		synctest.Wait()
		if !client.isClosed() {
			t.Error("the link is still open")
		}
	})
}
