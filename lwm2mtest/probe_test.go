package lwm2mtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type (
	started struct{ n int }
	stopped struct{}
)

func TestExpectConsumesInOrder(t *testing.T) {
	p := NewProbe(nil)
	p.Message("a", StageInvoked, started{1})
	p.Message("a", StagePosted, started{2}) // not watched
	p.Message("b", StageInvoked, stopped{})
	p.Message("b", StageInvoked, started{3})
	got, err := Expect(t.Context(), p, func(s started) bool { return s.n > 1 })
	if err != nil || got.n != 3 {
		t.Errorf("got %v, %v", got, err)
	}
	if len(p.Pending()) != 0 {
		t.Errorf("pending %v", p.Pending())
	}
}

func TestExpectWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, start := NewProbe(nil), time.Now()
		time.AfterFunc(time.Hour, func() { p.Message("a", StageInvoked, stopped{}) })
		if _, err := Expect[stopped](t.Context(), p, nil); err != nil || time.Since(start) != time.Hour {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestExpectFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewProbe(func(actor string, _ Stage) bool { return actor == "a" })
		p.Message("a", StageDropped, started{1})
		p.Message("b", StageDropped, stopped{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := Expect[stopped](ctx, p, nil)
		var probeErr *ProbeError
		if !errors.As(err, &probeErr) || probeErr.Seen != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if pending := p.Pending(); len(pending) != 1 || pending[0].Actor != "a" || pending[0].Stage != StageDropped {
			t.Errorf("pending %v", pending)
		}
		p.Discard()
		if len(p.Pending()) != 0 {
			t.Error("discarded nothing")
		}
	})
}

func TestProbeIsBounded(t *testing.T) {
	p := NewProbe(nil)
	for i := range probeLimit + 1 {
		p.Message("a", StageInvoked, started{i})
	}
	if got := len(p.Pending()); got != probeLimit/2+1 {
		t.Errorf("%d pending", got)
	}
	if got, err := Expect[started](t.Context(), p, nil); err != nil || got.n != probeLimit/2 {
		t.Errorf("got %v, %v", got, err)
	}
}
