package crash_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// A shared sibling that crashed is replaced: links that exist already find the
// new one.
func TestLinkServesRequestsAfterACrashOfManagement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		tap := systemtest.NewCrashOnce[messages.Inbound]("management")
		c := w.Start(w.NoSec(), lwm2mtest.WithTap(tap))
		c.WaitFor(holdfast.Registered)
		lost, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, _ = w.Server.Read(lost, systemtest.Endpoint, "/3/0/0", messages.FormatTLV) // crashes, and nobody answers
		if !tap.Done.Load() {
			t.Fatal("nothing crashed")
		}
		within, end := context.WithTimeout(context.Background(), 10*time.Second)
		defer end()
		if got, err := w.Server.Read(within, systemtest.Endpoint, "/3/0/0", messages.FormatTLV); err != nil || got.Code != messages.Content {
			t.Errorf("%v, %v", got.Code, err)
		}
		c.ExpectClose(nil)
	})
}

// The store that crashes with the first look at the credentials is asked again.
func TestStoreThatCrashesAtTheStartIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		began := time.Now()
		c := w.Start(w.NoSec(), lwm2mtest.WithTap(systemtest.NewCrashOnce[messages.LoadAccounts]("store")))
		c.WaitFor(holdfast.Registered)
		if took := time.Since(began).Truncate(time.Millisecond); took != 100*time.Millisecond { // the first delay of the decay
			t.Errorf("took %v", took)
		}
		c.ExpectClose(nil)
	})
}
