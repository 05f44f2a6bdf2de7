package hostile_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// A session that goes on over a new link is not impressed by what anybody can send: what
// the server has sent before, alerts in clear, and records of the session that are forged.
func TestHostileRecordsOnAKeptSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{Roaming: true})
		defer w.Close()
		server := w.Listen(systemtest.DTLSPort)
		security := lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key)
		security.ConnectionID = true
		w.Server.ServeManagement(server, security)
		c := w.Start(w.PSK())
		c.Next(holdfast.EventRegistered)
		var recorded [][]byte
		for _, p := range w.Network.Packets() {
			if p.To.Addr() == systemtest.GatewayAddr {
				recorded = append(recorded, bytes.Clone(p.Data))
			}
		}
		if err := c.Pause(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := c.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		if e := c.Next(holdfast.EventRegistered); e.Session != "kept" {
			t.Fatalf("at the cost of %q", e.Session)
		}
		synctest.Wait()
		last := w.LastPacket()
		hostile := append(recorded,
			dtlsRecord(21, 0, 9, []byte{2, 40}), dtlsRecord(21, 0, 10, []byte{1, 0}), dtlsRecord(21, 1, 99, []byte{2, 20}),
			dtlsRecord(23, 1, 100, make([]byte, 60)), dtlsRecord(25, 1, 101, make([]byte, 60)), dtlsRecord(20, 0, 11, []byte{1}))
		for _, data := range hostile {
			w.Inject(server, data)
		}
		synctest.Wait()
		for _, p := range w.Network.Packets() {
			if p.Seq > last && p.From.Addr() == systemtest.GatewayAddr {
				t.Errorf("%d bytes are sent because of it", len(p.Data))
			}
		}
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		if e := c.Next(holdfast.EventRegistrationUpdated); e.Session != "kept" {
			t.Errorf("at the cost of %q", e.Session)
		}
		if len(recorded) < 4 {
			t.Errorf("%d datagrams were repeated", len(recorded))
		}
		c.ExpectClose(nil)
	})
}
