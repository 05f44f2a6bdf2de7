package crash_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// An actor of an account that panics at every attempt: each crash is one failed
// attempt, the delays double by the policy, the loop is reported as degraded,
// and when it ends the client is registered at the next attempt.
func TestCrashLoopOfAnAccountSlowsDown(t *testing.T) {
	for _, target := range []spot{
		{"network/1", lwm2mtest.StageInvoking, "messages.Connect"},
		{"coapresend/1", lwm2mtest.StageInvoking, "messages.Request"},
		{"registration/1", lwm2mtest.StageInvoking, "messages.LinkUp"},
		{"registration/1", lwm2mtest.StageEffect, "core.SetTimer"},
	} {
		t.Run(target.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLife(t, target, -1)
				defer l.Close()
				l.client = l.Start(l.cfg, lwm2mtest.WithTap(l.fire))
				var last holdfast.Event
				for n := range uint64(8) {
					last = l.client.ExpectError(holdfast.CodeUnknown)
					if retry, _ := last.RetryIn(); last.Attempt != n+1 || retry != systemtest.Delay(5*time.Second, n) {
						t.Errorf("crash %d: %+v", n+1, last)
					}
				}
				l.demandDegraded(target)
				l.fire.extinguish()
				retry, _ := last.RetryIn()
				if e := l.client.Next(holdfast.EventRegistered); !e.Time.Equal(last.Time.Add(retry)) {
					t.Errorf("registered %v after the last crash", e.Time.Sub(last.Time))
				}
				l.client.ExpectClose(nil)
			})
		})
	}
}

// demandDegraded demands that the loop has been reported as such.
func (l *life) demandDegraded(target spot) {
	l.T.Helper()
	for _, e := range l.client.Seen {
		role, _, _ := strings.Cut(target.actor, "/")
		if e.Type == holdfast.EventDegraded && (strings.Contains(e.Actor, role) || role == "registration" && strings.HasPrefix(e.Actor, "owner")) && e.Restarts >= 3 {
			return
		}
	}
	l.T.Errorf("nothing was reported as degraded: %s", l.client.Story())
}

// A shared actor that panics at every message is replaced again and again,
// ever more slowly, and reported; the accounts go on meanwhile.
func TestCrashLoopOfASharedActorIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t, spot{"management", "invoking", "messages.ModelChanged"}, -1)
		defer l.Close()
		l.client = l.Start(l.cfg, lwm2mtest.WithTap(l.fire))
		l.client.Next(holdfast.EventRegistered)
		e := l.client.Next(holdfast.EventDegraded)
		if e.Actor != "management" || e.Restarts < 3 {
			t.Errorf("%+v", e)
		}
		began, before := time.Now(), l.fire.strikes()
		systemtest.Rest(time.Hour)
		if n := l.fire.strikes() - before; n < 10 || n > 100 {
			t.Errorf("%d crashes within %v", n, time.Since(began))
		}
		l.fire.extinguish()
		systemtest.Rest(2 * time.Minute)
		if got, err := l.Server.Read(t.Context(), systemtest.Endpoint, "/3/0/0", messages.FormatTLV); err != nil || got.Code != messages.Content {
			t.Errorf("read: %v, %v", got.Code, err)
		}
		l.client.ExpectClose(nil)
	})
}

// The supervisor itself panics again and again: the guardian restarts it, ever
// more slowly, and when that ends the client registers with what is stored.
func TestCrashLoopOfTheSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLife(t, spot{"supervisor", "invoking", "messages.Registered"}, -1)
		defer l.Close()
		l.client = l.Start(l.cfg, lwm2mtest.WithTap(l.fire))
		systemtest.Rest(time.Hour)
		if n := l.fire.strikes(); n < 10 || n > 150 {
			t.Errorf("%d crashes within an hour", n)
		}
		// The second crash sets aside what was restored after the first; from the
		// third on the loop itself is reported.
		for _, want := range []uint64{2, 3} {
			if e := l.client.Next(holdfast.EventDegraded); e.Actor != "supervisor" || e.Restarts != want {
				t.Errorf("%+v", e)
			}
		}
		l.fire.extinguish()
		l.registeredWithin(2 * time.Minute)
		if n := l.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest); n != 1 {
			t.Errorf("%d bootstraps: the credentials were stored by the first", n)
		}
		l.client.ExpectClose(nil)
	})
}

func (f *fire) strikes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.struck
}
