package logqueue

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stuck is a handler that waits while it is held, as on a pipe that nobody reads.
type stuck struct {
	slog.Handler
	hold <-chan struct{}
}

func (s stuck) WithAttrs(attrs []slog.Attr) slog.Handler {
	return stuck{s.Handler.WithAttrs(attrs), s.hold}
}

func (s stuck) Handle(ctx context.Context, r slog.Record) error {
	<-s.hold
	if strings.HasPrefix(r.Message, "panic") {
		panic(r.Message)
	}
	return s.Handler.Handle(ctx, r)
}

func TestNobodyWaitsForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		hold := make(chan struct{})
		logger := slog.New(New(stuck{slog.NewTextHandler(&out, nil), hold})).With("endpoint", "g")
		began := time.Now()
		for n := range 3 {
			logger.Info(fmt.Sprint("record ", n))
		}
		logger.Debug("not at this level")
		if took := time.Since(began); took != 0 {
			t.Errorf("logging took %v", took)
		}
		Flush(logger)
		if took := time.Since(began); took != flushBound || out.Len() > 0 {
			t.Errorf("Flush took %v: %s", took, &out)
		}
		logger.Info("panic")
		logger.Info("after")
		close(hold)
		Flush(logger)
		text := out.String()
		for _, want := range []string{"record 0", "record 2", "after", "endpoint=g"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %s in %s", want, text)
			}
		}
		if strings.Count(text, "\n") != 4 || strings.Index(text, "record 0") > strings.Index(text, "record 1") {
			t.Errorf("%s", text)
		}
		Flush(logger)                        // there is nothing to wait for
		Flush(slog.New(slog.DiscardHandler)) // nor here
		if time.Since(began) != flushBound {
			t.Error("Flush waited for nothing")
		}
	})
}

// What has no room is counted.
func TestRecordsAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		hold := make(chan struct{})
		logger := slog.New(New(stuck{slog.NewTextHandler(&out, nil), hold}))
		logger.Info("first")
		synctest.Wait() // it is under way, and occupies no room
		for range room + 7 {
			logger.Info("next")
		}
		close(hold)
		Flush(logger)
		if text := out.String(); strings.Count(text, "msg=next") != room || !strings.Contains(text, "lost=7") {
			t.Errorf("%d records, %s", strings.Count(text, "msg=next"), text[max(0, len(text)-200):])
		}
	})
}
