//go:build unix

package behaviour

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/control"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const fewFiles = "(limits of this process, RLIMIT_NOFILE: soft 64, hard 64)"

// Where no descriptor is left the client starts all the same, says which limit it is
// and how it is raised, whatever it could not open, and registers when there is room.
func TestDescriptorsRunOut(t *testing.T) {
	if !systemtest.Alone(t) {
		return
	}
	live := systemtest.NewLive(t)
	service := live.Serve(lwm2mtest.NoSec())
	literal := systemtest.LiveConfig(t, systemtest.LiveNoSec(service.Addr().String()))
	named := systemtest.LiveConfig(t, systemtest.LiveNoSec("lwm2m.test"))
	release := systemtest.Exhaust(t)
	c := live.Start(literal)
	wants(t, c.Next(holdfast.EventError), holdfast.CodeReadCredentials)
	wants(t, c.Next(holdfast.EventError), holdfast.CodeNetwork)
	other := live.Start(named)
	wants(t, other.Next(holdfast.EventError), holdfast.CodeReadCredentials)
	wants(t, other.Next(holdfast.EventError), holdfast.CodeNetwork) // not that of a name that cannot be resolved
	release()
	c.WaitFor(holdfast.Registered)
	c.ExpectClose(nil)
	other.ExpectClose(holdfast.ErrNotRegistered)
}

func wants(t *testing.T, e holdfast.Event, code holdfast.ErrorCode) {
	t.Helper()
	if e.Code != code || !errors.Is(e.Err(), syscall.EMFILE) {
		t.Errorf("code %v: %+v", code, e)
	}
	if !strings.Contains(e.Detail, fewFiles) || !strings.Contains(e.Remedy, "LimitNOFILE") {
		t.Errorf("the limit is not named: %s. %s", e.Detail, e.Remedy)
	}
}

// A control API that cannot listen is the error of Start, which names the limit.
func TestControlWithoutDescriptors(t *testing.T) {
	if !systemtest.Alone(t) {
		return
	}
	client, err := holdfast.New(systemtest.LiveConfig(t, systemtest.LiveNoSec("127.0.0.1:9")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := control.Attach(client, control.Config{Listen: "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	defer systemtest.Exhaust(t)()
	err = client.Start(t.Context())
	if !errors.Is(err, control.ErrListen) || !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), fewFiles) {
		t.Errorf("Start: %v", err)
	}
	if err := client.Close(t.Context()); !errors.Is(err, holdfast.ErrNotRegistered) {
		t.Errorf("Close: %v", err)
	}
}

// Start takes what the hard limit allows.
func TestStartRaisesTheLimit(t *testing.T) {
	if !systemtest.Alone(t) {
		return
	}
	live := systemtest.NewLive(t)
	service := live.Serve(lwm2mtest.NoSec())
	c := live.Start(systemtest.LiveConfig(t, systemtest.LiveNoSec(service.Addr().String())))
	if l := systemtest.Limit(t); l.Cur != l.Max || l.Cur <= systemtest.FewFiles {
		t.Errorf("limits %+v", l)
	}
	c.WaitFor(holdfast.Registered)
	c.ExpectClose(nil)
}
