package network

import (
	"context"
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
		go r.serve(ctx)
		synctest.Wait()
		if len(delivered) != 1 || delivered[0] != "early" {
			t.Errorf("delivered %q", delivered)
		}
		cancel()
		synctest.Wait()
		if !client.isClosed() || len(reports) != 1 {
			t.Errorf("after the end: closed %v, reports %v", client.isClosed(), reports)
		}
	})
}

// A link that is closed before anyone served it is closed all the same.
func TestRunnerEndsUnserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := newPipe(t)
		ctx, cancel := context.WithCancel(context.Background())
		r := newRunner(testEpoch, dialling(client), func(any) {}, func(any) {})
		if r.write([]byte("too early")) {
			t.Error("a datagram was sent without a session")
		}
		go r.connect(ctx, open{remote: server, deadline: time.Now().Add(time.Minute)})
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !client.isClosed() {
			t.Error("the socket is still open")
		}
	})
}
