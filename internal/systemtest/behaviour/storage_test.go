package behaviour_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// Code 16: the disk fails while Finish is served. Finish is answered 5.00, the
// bootstrap is rolled back, and a later good disk recovers without a restart.
func TestCredentialsThatCannotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeBoth()
		account := lwm2mtest.AccountConfig{URI: "coaps://192.0.2.1", PSKIdentity: systemtest.Endpoint, PSKKey: systemtest.Key}
		cfg := w.Factory()
		gone := cfg.StateDir + ".gone"
		broken := false
		w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{
			Writes: account.Writes(),
			Before: func(_ context.Context, step lwm2mtest.BootstrapStep) error {
				if step.Kind == lwm2mtest.StepFinish && !broken {
					broken = true
					return errors.Join(os.Rename(cfg.StateDir, gone), os.WriteFile(cfg.StateDir, nil, 0o600))
				}
				return nil
			},
		})
		c := w.Start(cfg)
		e := c.Next(holdfast.EventError)
		if e.Code != holdfast.CodeStoreCredentials || e.Action != holdfast.ActionRetry {
			t.Fatalf("%+v", e)
		}
		result, err := w.Server.WaitBootstraps(context.Background(), systemtest.Endpoint, 1)
		if err != nil {
			t.Fatal(err)
		}
		if last := result.Steps[len(result.Steps)-1]; last.Response.Code != messages.InternalServerError {
			t.Errorf("Finish was answered %s", last.Response.Code)
		}
		if err := errors.Join(os.Remove(cfg.StateDir), os.Rename(gone, cfg.StateDir)); err != nil {
			t.Fatal(err)
		}
		c.Next(holdfast.EventBootstrapped)
		c.Next(holdfast.EventRegistered)
		c.ExpectClose(nil)
	})
}

// Code 17: the newest generation is damaged. It is reported, what is damaged
// stays where it is, and the client registers all the same.
func TestDamagedCredentialsAreReportedAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeAndDeliver()
		cfg := w.Factory()
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)

		damaged := systemtest.FlipByte(t, cfg.StateDir)
		c = w.Start(cfg)
		e := c.Next(holdfast.EventError)
		if e.Code != holdfast.CodeReadCredentials || e.Phase != "store" {
			t.Errorf("%+v", e)
		}
		c.Next(holdfast.EventBootstrapped) // the only generation was bad: new credentials
		c.Next(holdfast.EventRegistered)
		c.ExpectClose(nil)
		if !systemtest.Evidence(t, cfg.StateDir, damaged) {
			t.Error("the damaged record is gone")
		}
	})
}

func TestLockedStateDirectoryNamesItsHolder(t *testing.T) {
	dir := t.TempDir()
	cfg := holdfast.Config{
		Endpoint: systemtest.Endpoint, StateDir: dir,
		Server: &holdfast.Account{URI: "coap://127.0.0.1:9", Security: holdfast.SecurityNoSec},
	}
	first, err := holdfast.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close(context.Background()) }()
	second, err := holdfast.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // do not wait for the lock
	if err := second.Start(ctx); !errors.Is(err, holdfast.ErrStore) {
		t.Fatalf("Start: %v", err)
	}
	if err := second.Close(context.Background()); !errors.Is(err, holdfast.ErrNotRegistered) {
		t.Errorf("Close: %v", err)
	}
}
