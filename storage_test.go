package holdfast_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// Code 16: the disk fails while Finish is served. Finish is answered 5.00, the
// bootstrap is rolled back, and a later good disk recovers without a restart.
func TestCredentialsThatCannotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		w.serve(dtlsPort, lwm2mtest.PSK(endpoint, testKey))
		w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
		account := lwm2mtest.AccountConfig{URI: "coaps://192.0.2.1", PSKIdentity: endpoint, PSKKey: testKey}
		cfg := w.factory()
		gone := cfg.StateDir + ".gone"
		broken := false
		w.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{
			Writes: account.Writes(),
			Before: func(_ context.Context, step lwm2mtest.BootstrapStep) error {
				if step.Kind == lwm2mtest.StepFinish && !broken {
					broken = true
					return errors.Join(os.Rename(cfg.StateDir, gone), os.WriteFile(cfg.StateDir, nil, 0o600))
				}
				return nil
			},
		})
		c := w.start(cfg)
		e := c.next(holdfast.EventError)
		if e.Code != messages.ConnectorFailedToStoreCredentials || e.Action != messages.ActionRetry {
			t.Fatalf("%+v", e)
		}
		result, err := w.server.WaitBootstraps(context.Background(), endpoint, 1)
		if err != nil {
			t.Fatal(err)
		}
		if last := result.Steps[len(result.Steps)-1]; last.Response.Code != messages.InternalServerError {
			t.Errorf("Finish was answered %s", last.Response.Code)
		}
		if err := errors.Join(os.Remove(cfg.StateDir), os.Rename(gone, cfg.StateDir)); err != nil {
			t.Fatal(err)
		}
		c.next(holdfast.EventBootstrapped)
		c.next(holdfast.EventRegistered)
		c.close(nil)
	})
}

// Code 17: the newest generation is damaged. It is reported, what is damaged
// stays where it is, and the client registers all the same.
func TestDamagedCredentialsAreReportedAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lwm2mtest.ServerOptions{})
		defer w.close()
		w.serve(dtlsPort, lwm2mtest.PSK(endpoint, testKey))
		w.serveBootstrap(lwm2mtest.PSK("bs-"+endpoint, bootstrapKey))
		w.deliver(testKey)
		cfg := w.factory()
		c := w.start(cfg)
		c.await(holdfast.Registered)
		c.close(nil)

		damaged := flipByte(t, cfg.StateDir)
		c = w.start(cfg)
		e := c.next(holdfast.EventError)
		if e.Code != messages.ConnectorFailedToReadCredentials || e.Phase != "store" {
			t.Errorf("%+v", e)
		}
		c.next(holdfast.EventBootstrapped) // the only generation was bad: new credentials
		c.next(holdfast.EventRegistered)
		c.close(nil)
		if !evidence(t, cfg.StateDir, damaged) {
			t.Error("the damaged record is gone")
		}
	})
}

// flipByte damages the one credentials record and returns its content.
func flipByte(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "credentials.*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func evidence(t *testing.T, dir, content string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && string(data) == content {
			return true
		}
	}
	return false
}

func TestLockedStateDirectoryNamesItsHolder(t *testing.T) {
	dir := t.TempDir()
	cfg := holdfast.Config{
		Endpoint: endpoint, StateDir: dir,
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
