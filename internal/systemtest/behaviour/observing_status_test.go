package behaviour_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// wantObserving demands what the status says of the server.
func (x *watched) wantObserving(want holdfast.Observing) {
	x.T.Helper()
	synctest.Wait()
	got := x.client.Explain().Connections[0].Observing
	if got == nil || *got != want {
		x.T.Errorf("the status says %+v, want %+v", got, want)
	}
}

// Status and metrics say what a server observes, what it was told and what waits for it.
func TestStatusOfObservations(t *testing.T) {
	observed(t, nil, func(x *watched) {
		x.wantObserving(holdfast.Observing{Observations: 1})
		for i := range 3 {
			warm(t, x.values, 21+float64(i))
			time.Sleep(time.Second)
		}
		time.Sleep(10 * time.Second)
		told := x.client.Explain().Connections[0].Observing
		if told.Observations != 1 || told.Notified != 3 {
			t.Fatalf("%+v", told)
		}
		if err := x.client.Pause(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			warm(t, x.values, 31+float64(i))
			time.Sleep(10 * time.Second)
		}
		x.wantObserving(holdfast.Observing{Observations: 1, Notified: 3, Acknowledged: told.Acknowledged, Stored: 4})
		if err := x.client.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		x.client.WaitFor(holdfast.Registered)
		time.Sleep(time.Minute)
		unmute(x.World)
		if err := x.client.Send(context.Background(), holdfast.AllServers, temperature); err != nil {
			t.Fatal(err)
		}
		_ = x.client.Send(context.Background(), holdfast.AllServers, "/9999")
		if sends := x.client.Explain().Connections[0].Sends; sends == nil || *sends != (holdfast.SendCount{Accepted: 1, Failed: 1}) {
			t.Errorf("Sends: %+v", sends)
		}
		labels := `{endpoint="gw-0001",server="` + x.client.Explain().Connections[0].Server + `"}`
		x.client.ExpectMetrics(
			`holdfast_observations`+labels+` 1`, `holdfast_notifications_total`+labels+` 7`, `holdfast_notifications_stored`+labels+` 0`,
			`holdfast_notifications_dropped_total`+labels+` 0`,
		)
		if _, err := x.relation.Cancel(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if now := x.client.Explain().Connections[0].Observing; now.Observations != 0 || now.Notified != 7 {
			t.Errorf("%+v", now)
		}
	})
}
