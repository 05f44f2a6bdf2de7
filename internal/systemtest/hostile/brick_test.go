package hostile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// emptyServers are writes of n empty instances of the Server object, from
// number 1 on, at most 1,000 in each.
func emptyServers(n int) []lwm2mtest.BootstrapWrite {
	var writes []lwm2mtest.BootstrapWrite
	format := messages.FormatTLV
	for next := 1; next <= n; {
		var payload []byte
		for range min(n-next+1, 1000) {
			payload = append(payload, 0x20, byte(next>>8), byte(next)) // an Object Instance entry of length 0
			next++
		}
		writes = append(writes, lwm2mtest.BootstrapWrite{Path: "/1", Format: &format, Payload: payload})
	}
	return writes
}

// deliverServers is deliver with n empty instances of the Server object.
func deliverServers(w *systemtest.World, n int) {
	account := lwm2mtest.AccountConfig{URI: "coaps://192.0.2.1", PSKIdentity: systemtest.Endpoint, PSKKey: systemtest.Key, Lifetime: time.Hour}
	w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{
		Delete: []string{"/0", "/1"}, Writes: append(account.Writes(), emptyServers(n)...),
	})
}

// Row 20: a good account and empty instances by the thousand are answered 4.13,
// whatever the limit of bytes; nothing of them is stored, and after a restart
// the client has what it had, or takes what is delivered next.
func TestHostile20InstancesWithoutEndAreNotStored(t *testing.T) {
	for _, limit := range []int{0, 1 << 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				w.ServeBoth()
				deliverServers(w, 5000)
				cfg := w.Factory()
				cfg.Limits.BootstrapBytes = limit
				for range 2 { // the second life finds nothing of the first
					c := w.Start(cfg)
					if e := c.Next(holdfast.EventError); e.Code != holdfast.CodeMemory || e.Phase != "bootstrap" {
						t.Errorf("%+v", e)
					}
					w.ExpectTooLarge()
					if records := w.Durable(cfg).Records; len(records) != 0 {
						t.Errorf("%d records", len(records))
					}
					c.ExpectClose(holdfast.ErrNotRegistered)
				}
				w.Deliver(systemtest.Key)
				c := w.Start(cfg)
				w.ExpectHealthy(c)
				before := w.Durable(cfg).Records
				deliverServers(w, 5000)
				bootstrapRefused(w, c)
				if after := w.Durable(cfg).Records; len(after) != len(before) {
					t.Errorf("the store had %d files and has %d", len(before), len(after))
				}
				c.ExpectClose(nil)
				c = w.Start(cfg)
				w.ExpectHealthy(c)
				c.ExpectClose(nil)
			})
		})
	}
}

// bootstrapRefused asks for a bootstrap that exceeds a limit; the account that
// worked stays in force.
func bootstrapRefused(w *systemtest.World, c *systemtest.Client) {
	w.T.Helper()
	c.Next(holdfast.EventRegistered)
	if err := c.Bootstrap(context.Background()); err != nil {
		w.T.Fatal(err)
	}
	if e := c.Next(holdfast.EventError); e.Code != holdfast.CodeMemory {
		w.T.Errorf("%+v", e)
	}
	w.ExpectHealthy(c)
}

// Row 20: as much as the limits allow, or nearly, is stored, and read again by the next
// life of the client, which registers without another bootstrap; also when the
// limit has been lowered in between.
func TestHostile20AsMuchAsTheLimitIsReadAgain(t *testing.T) {
	for name, c := range map[string]struct{ limit, servers int }{
		"64 KiB": {0, 2_100}, "1 MiB": {1 << 20, 4_000},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				w.ServeBoth()
				deliverServers(w, c.servers)
				cfg := w.Factory()
				cfg.Limits.BootstrapBytes = c.limit
				client := w.Start(cfg)
				w.ExpectHealthy(client)
				client.ExpectClose(nil)
				cfg.Limits.BootstrapBytes = 256
				client = w.Start(cfg)
				w.ExpectHealthy(client)
				if n := w.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest); n != 1 {
					t.Errorf("%d bootstraps; events: %s", n, client.Story())
				}
				client.ExpectClose(nil)
			})
		})
	}
}

// unusable are contents of a credentials record, each with a checksum that is
// right, that no client can live with.
func unusable(t *testing.T, good []byte) map[string][]byte {
	tree, err := accounts.Decode(good)
	if err != nil {
		t.Fatal(err)
	}
	altered := func(change func(*lwm2m.Tree)) []byte {
		other := tree.Clone()
		change(other)
		return accounts.Encode(other)
	}
	return map[string][]byte{
		"nothing":       {},
		"garbage":       []byte("\xff\x00 garbage"),
		"later version": append([]byte{0x82, 2}, good[2:]...),
		"above a limit": altered(func(tree *lwm2m.Tree) {
			for i := range accounts.MaxElements + 1 {
				tree.PutInstance(objects.Server, lwm2m.Instance{ID: uint16(100 + i)})
			}
		}),
		"an account without its server": altered(func(tree *lwm2m.Tree) { tree.DeleteObject(objects.Server) }),
		"an account without a key":      altered(func(tree *lwm2m.Tree) { tree.DeleteResource(lwm2m.PathOf(0, 1, 5)) }),
		"no account":                    altered(func(tree *lwm2m.Tree) { tree.DeleteObject(objects.Security) }),
		"no management account":         altered(func(tree *lwm2m.Tree) { tree.DeleteInstance(objects.Security, 1) }),
	}
}

// spoilers make the newest generation of the credentials unusable, for any
// reason that there is, and leave the one before it alone.
func spoilers(t *testing.T, good []byte) map[string]func(dir string) error {
	all := map[string]func(dir string) error{
		"checksum":       func(dir string) error { return alter(dir, func(b []byte) []byte { b[len(b)-40] ^= 1; return b }) },
		"format version": func(dir string) error { return alter(dir, func(b []byte) []byte { b[9] = 9; return b }) },
		"cut short":      func(dir string) error { return alter(dir, func(b []byte) []byte { return b[:len(b)/2] }) },
	}
	for name, content := range unusable(t, good) {
		all[name] = func(dir string) error {
			return withRecords(dir, func(s *store.Store) error {
				_, err := s.Save(messages.RecordCredentials, content)
				return err
			})
		}
	}
	return all
}

// withRecords opens the state directory of a client that does not run, as a
// program that checks nothing.
func withRecords(dir string, do func(*store.Store) error) error {
	s, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

// alter saves the newest content once more and changes the new file.
func alter(dir string, change func([]byte) []byte) error {
	err := withRecords(dir, func(s *store.Store) error {
		record, err := s.Load(messages.RecordCredentials)
		if err != nil {
			return err
		}
		_, err = s.Save(messages.RecordCredentials, record.Data)
		return err
	})
	files, _ := filepath.Glob(filepath.Join(dir, "credentials.*.rec"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, os.ErrNotExist)
	}
	newest := files[len(files)-1]
	raw, err := os.ReadFile(newest)
	if err != nil {
		return err
	}
	return os.WriteFile(newest, change(raw), 0o600)
}

// wayBack is one step of the way back from credentials that cannot be used.
type wayBack struct {
	name       string
	before     bool // the generation before is there
	server     bool // the factory has a management account
	action     holdfast.Action
	used       string
	bootstraps int
}

var waysBack = []wayBack{
	{"the generation before", true, true, holdfast.ActionNone, "the generation before is used", 0},
	{"the factory", false, true, holdfast.ActionRegister, "the factory's account is used", 0},
	{"the bootstrap account", false, false, holdfast.ActionBootstrap, "the factory's bootstrap account is used", 1},
}

// Row 40: whatever makes the newest record unusable, the client is back with
// the generation before, else the factory, else a bootstrap, in this order; it
// says so, and what could not be used is kept.
func TestHostile40TheWayBack(t *testing.T) {
	state := managementAccount(t)
	var good []byte
	if err := withRecords(copyState(t, state), func(s *store.Store) error {
		record, err := s.Load(messages.RecordCredentials)
		good = record.Data
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for reason, spoil := range spoilers(t, good) {
		for _, way := range waysBack {
			t.Run(reason+"/"+way.name, func(t *testing.T) {
				dir := copyState(t, state)
				if err := spoil(dir); err != nil {
					t.Fatal(err)
				}
				way.take(t, dir)
			})
		}
	}
}

// take starts a client on the spoilt directory.
func (way wayBack) take(t *testing.T, dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "credentials.*.rec"))
	if len(files) != 2 {
		t.Fatalf("%v", files)
	}
	if !way.before {
		if err := os.Remove(files[0]); err != nil {
			t.Fatal(err)
		}
	}
	spoilt, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeAndDeliver()
		cfg := w.Factory()
		cfg.StateDir = dir
		if way.server {
			cfg.Server = &holdfast.Account{
				URI: "coaps://192.0.2.1", Security: holdfast.SecurityPSK, PSKIdentity: systemtest.Endpoint, PSKKey: systemtest.Key,
			}
		}
		c := w.Start(cfg)
		e := c.Next(holdfast.EventError)
		if e.Code != holdfast.CodeReadCredentials || e.Phase != "store" || e.Action != way.action ||
			!strings.Contains(e.Detail, way.used) || e.Remedy == "" {
			t.Errorf("%+v", e)
		}
		systemtest.CheckSecrets(t, e.Detail)
		w.ExpectHealthy(c)
		if n := w.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest); n != way.bootstraps {
			t.Errorf("%d bootstraps; events: %s", n, c.Story())
		}
		if !systemtest.Evidence(t, dir, string(spoilt)) {
			t.Error("what could not be used is gone")
		}
		c.ExpectClose(nil)
	})
}

// provisioned makes a state directory whose factory accounts are those of cfg,
// provisioned twice, and spoils records in it.
func provisioned(t *testing.T, cfg holdfast.Config, spoil func(*store.Store) error) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cfg.StateDir = dir
	for range 2 {
		if err := holdfast.Provision(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	if err := withRecords(dir, spoil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Row 40: the provisioned record has generations too, and the bootstrap account
// in it is of use where its other one is not.
func TestHostile40TheProvisionedFactory(t *testing.T) {
	void := func(s *store.Store) ([]byte, error) {
		record, err := s.Load(messages.RecordFactory)
		if err != nil {
			return nil, err
		}
		tree, err := accounts.Decode(record.Data)
		if err != nil {
			return nil, err
		}
		tree.DeleteObject(objects.Server)
		return accounts.Encode(tree), nil
	}
	for name, c := range map[string]struct {
		spoil      func(*store.Store) error
		action     holdfast.Action
		bootstraps int
	}{
		"the generation before": {func(s *store.Store) error {
			_, err := s.Save(messages.RecordFactory, []byte("garbage"))
			return err
		}, holdfast.ActionNone, 0},
		"its bootstrap account": {func(s *store.Store) error {
			content, err := void(s)
			_, one := s.Save(messages.RecordFactory, content)
			_, two := s.Save(messages.RecordFactory, content)
			_, credentials := s.Save(messages.RecordCredentials, []byte("garbage"))
			return errors.Join(err, one, two, credentials)
		}, holdfast.ActionBootstrap, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				w.ServeAndDeliver()
				cfg := w.Factory()
				cfg.Server = &holdfast.Account{
					URI: "coaps://192.0.2.1", Security: holdfast.SecurityPSK, PSKIdentity: systemtest.Endpoint, PSKKey: systemtest.Key,
				}
				cfg.StateDir = provisioned(t, cfg, c.spoil)
				cfg.Server, cfg.Bootstrap = nil, nil
				client := w.Start(cfg)
				if e := client.Next(holdfast.EventError); e.Code != holdfast.CodeReadCredentials || e.Action != c.action {
					t.Errorf("%+v", e)
				}
				w.ExpectHealthy(client)
				if n := w.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest); n != c.bootstraps {
					t.Errorf("%d bootstraps; events: %s", n, client.Story())
				}
				client.ExpectClose(nil)
			})
		})
	}
}

// Row 40: the last resort. Neither the record nor the provisioned factory can
// be used, and the configuration has no account: the record's own bootstrap
// account brings new ones.
func TestHostile40TheBootstrapAccountIsTheLastResort(t *testing.T) {
	dir := copyState(t, managementAccount(t))
	if err := withRecords(dir, func(s *store.Store) error {
		record, err := s.Load(messages.RecordCredentials)
		if err != nil {
			return err
		}
		tree, err := accounts.Decode(record.Data)
		if err != nil {
			return err
		}
		tree.DeleteObject(objects.Server) // the management account is void
		_, one := s.Save(messages.RecordCredentials, accounts.Encode(tree))
		_, two := s.Save(messages.RecordCredentials, accounts.Encode(tree))
		_, factory := s.Save(messages.RecordFactory, []byte("garbage"))
		return errors.Join(one, two, factory)
	}); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServeAndDeliver()
		cfg := w.Factory()
		cfg.StateDir, cfg.Bootstrap = dir, nil
		c := w.Start(cfg)
		if e := c.Next(holdfast.EventError); e.Code != holdfast.CodeReadCredentials || e.Action != holdfast.ActionBootstrap {
			t.Errorf("%+v", e)
		}
		c.Next(holdfast.EventBootstrapped)
		w.ExpectHealthy(c)
		c.ExpectClose(nil)
	})
}
