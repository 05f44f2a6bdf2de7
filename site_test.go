package holdfast_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a world that ends with its test, and so do the clients in it.
type site struct {
	*systemtest.World
	taps []holdfast.Option // of every client
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{})}
	t.Cleanup(s.Close)
	return s
}

// start starts a client; it is closed with the test at the latest.
func (s *site) start(cfg holdfast.Config) *systemtest.Client {
	s.T.Helper()
	client := s.Start(cfg, s.taps...)
	s.T.Cleanup(func() { _ = client.Close(context.Background()) }) // the test may have closed it
	return client
}

// registered starts a client and waits until it is registered.
func (s *site) registered() *systemtest.Client {
	s.T.Helper()
	s.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
	client := s.start(s.NoSec())
	client.WaitFor(holdfast.Registered)
	return client
}

// within is a context that ends with the test, or after d of virtual time.
func (s *site) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(s.T.Context(), d)
	s.T.Cleanup(cancel)
	return ctx
}
