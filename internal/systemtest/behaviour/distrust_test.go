package behaviour_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const stranger = 12345

// planted makes a state directory in which another user has left a provisioned
// account, and returns it with what it holds.
func planted(t *testing.T) (dir string, held map[string]string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir = filepath.Join(t.TempDir(), "state")
	cfg := holdfast.Config{
		Endpoint: systemtest.Endpoint, StateDir: dir,
		Server: &holdfast.Account{URI: "coap://192.0.2.1", Security: holdfast.SecurityNoSec},
	}
	if err := holdfast.Provision(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	return dir, contents(t, dir)
}

// contents returns what a directory holds, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]string{}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		held[entry.Name()] = string(data)
	}
	return held
}

// A state directory of another user: the client starts from its configuration
// and reports code 17 with owner, mode and what to do. What is in there is not
// used and not touched.
func TestStateDirectoryOfAnotherUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, held := planted(t)
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		cfg := w.NoSec()
		cfg.StateDir = dir
		c := w.Start(cfg)
		namesOwner(t, c.Next(holdfast.EventError), dir)
		c.Next(holdfast.EventRegistered)
		c.ExpectClose(nil)
		sameContents(t, dir, held)
	})
}

// Without a configured account nothing is left to start from: it is looked at
// again by the policy, and once the directory is good its account serves.
func TestStateDirectoryOfAnotherUserIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, held := planted(t)
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		cfg := w.NoSec()
		cfg.StateDir, cfg.Server = dir, nil
		c := w.Start(cfg)
		e := c.Next(holdfast.EventError)
		namesOwner(t, e, dir)
		if e.NextAttempt.IsZero() || c.State() == holdfast.Connecting {
			t.Errorf("%+v, %s", e, c.State())
		}
		sameContents(t, dir, held)
		if err := os.Chown(dir, 0, 0); err != nil {
			t.Fatal(err)
		}
		c.Next(holdfast.EventRegistered)
		c.ExpectClose(nil)
	})
}

// A bootstrap server's accounts are not stored there either: code 16, until the
// directory is good.
func TestBootstrapIntoAStateDirectoryOfAnotherUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, held := planted(t)
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeAndDeliver()
		cfg := w.Factory()
		cfg.StateDir = dir
		c := w.Start(cfg)
		namesOwner(t, c.Next(holdfast.EventError), dir)
		e := c.Next(holdfast.EventError)
		if e.Code != holdfast.CodeStoreCredentials || !strings.Contains(e.Detail, dir+" has owner 12345") {
			t.Errorf("%+v", e)
		}
		sameContents(t, dir, held)
		if err := os.Chown(dir, 0, 0); err != nil {
			t.Fatal(err)
		}
		c.Next(holdfast.EventBootstrapped)
		c.Next(holdfast.EventRegistered)
		c.ExpectClose(nil)
	})
}

func namesOwner(t *testing.T, e holdfast.Event, dir string) {
	t.Helper()
	if e.Code != holdfast.CodeReadCredentials || e.Phase != "store" ||
		!strings.Contains(e.Detail, dir+" has owner 12345 and mode 0700") || !strings.Contains(e.Detail, "chown 0 "+dir) {
		t.Errorf("%+v", e)
	}
}

func sameContents(t *testing.T, dir string, held map[string]string) {
	t.Helper()
	if !maps.Equal(contents(t, dir), held) {
		t.Errorf("%s has changed", dir)
	}
}

// Provision, FactoryReset and the check of a configuration refuse such a
// directory, and name it.
func TestCallsRefuseAStateDirectoryOfAnotherUser(t *testing.T) {
	dir, held := planted(t)
	cfg := holdfast.Config{
		Endpoint: systemtest.Endpoint, StateDir: dir,
		Server: &holdfast.Account{URI: "coap://192.0.2.1", Security: holdfast.SecurityNoSec},
	}
	for name, err := range map[string]error{
		"Provision":    holdfast.Provision(context.Background(), cfg),
		"FactoryReset": holdfast.FactoryReset(context.Background(), dir),
	} {
		if !errors.Is(err, holdfast.ErrStore) || errors.Is(err, holdfast.ErrStoreInUse) || !strings.Contains(err.Error(), dir+" has owner 12345 and mode 0700") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var list *holdfast.CredentialsError
	err := cfg.CheckFiles()
	if !errors.Is(err, holdfast.ErrReadCredentials) || !errors.As(err, &list) || len(list.Faults) != 1 || list.Faults[0].Key != "state_dir" {
		t.Errorf("CheckFiles: %v", err)
	}
	sameContents(t, dir, held)
}
