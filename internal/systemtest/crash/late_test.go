package crash_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// A panic of an actor that is stopping already changes nothing, and is known: it is
// counted, in the metrics too, and logged.
func TestPanicWhileStoppingIsKnown(t *testing.T) {
	for _, name := range []string{"coapresend/1", "network/1", "registration/1"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
				log := &logged{}
				tap := systemtest.NewCrashOnce[*actor.Stopping](name)
				c := w.Start(w.NoSec(), lwm2mtest.WithTap(tap), holdfast.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
				c.WaitFor(holdfast.Registered)
				if err := c.Pause(context.Background()); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := c.Status().LatePanics; got != 1 || !tap.Done.Load() {
					t.Errorf("%d panics are counted; one was made: %v", got, tap.Done.Load())
				}
				c.ExpectMetrics(`holdfast_late_panics_total{endpoint="gw-0001"} 1`)
				if text := log.text(); !strings.Contains(text, "an actor panicked while it stopped") || !strings.Contains(text, name) {
					t.Errorf("the log says\n%s", text)
				}
				if err := c.Resume(context.Background()); err != nil {
					t.Fatal(err)
				}
				c.WaitFor(holdfast.Registered)
				c.ExpectClose(nil)
			})
		})
	}
}

// logged keeps what is logged.
type logged struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *logged) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}
