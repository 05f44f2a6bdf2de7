package peer

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTranscriptWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		go func() {
			for _, piece := range []string{"starting\nli", "sten", "ing\n"} {
				time.Sleep(time.Second)
				_, _ = tr.Write([]byte(piece))
			}
		}()
		began := time.Now()
		if err := tr.wait(t.Context(), "listening", nil); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("waited %v, want until the third piece at 3s", waited)
		}
	})
}

func TestTranscriptWaitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := newTranscript()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := tr.wait(ctx, "listening", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("silent process: %v, want a passed deadline", err)
		}
		exited := make(chan struct{})
		close(exited)
		if err := tr.wait(t.Context(), "listening", exited); !errors.Is(err, errExited) {
			t.Errorf("ended process: %v, want %v", err, errExited)
		}
	})
}

func TestTranscriptKeepsBothEnds(t *testing.T) {
	t.Parallel()
	tr := newTranscript()
	_, _ = tr.Write([]byte("beginning"))
	for range 10 {
		_, _ = tr.Write([]byte(strings.Repeat("x", transcriptPart)))
	}
	_, _ = tr.Write([]byte("end"))
	got := tr.String()
	if !strings.HasPrefix(got, "beginning") || !strings.HasSuffix(got, "end") {
		t.Errorf("kept %.20q ... %q, want both ends", got, got[len(got)-20:])
	}
	if limit := 3*transcriptPart + 100; len(got) > limit {
		t.Errorf("kept %d bytes, want at most %d", len(got), limit)
	}
}
