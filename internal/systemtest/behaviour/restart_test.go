package behaviour_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// securities are the worlds in which a restart is shown.
var securities = map[string]func(t *testing.T, w *systemtest.World) holdfast.Config{
	"NoSec": func(_ *testing.T, w *systemtest.World) holdfast.Config {
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		return w.NoSec()
	},
	"PSK": func(_ *testing.T, w *systemtest.World) holdfast.Config {
		w.ServePSK()
		return w.PSK()
	},
	"X.509": func(t *testing.T, w *systemtest.World) holdfast.Config {
		ca := systemtest.Authority(t)
		server := systemtest.IssueServer(t, ca)
		w.Serve(systemtest.DTLSPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		return w.Certified(ca)
	},
}

// onRestart registers a client with each kind of security, kills it, and runs the
// test with the configuration of the next process.
func onRestart(t *testing.T, test func(w *systemtest.World, cfg holdfast.Config)) {
	for name, serve := range securities {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				cfg := serve(t, w)
				cfg.Lifetime = 24 * time.Hour
				c := w.Start(cfg)
				c.WaitFor(holdfast.Registered)
				next := w.Kill(c, cfg)
				test(w, next)
				w.Close()
			})
		})
	}
}

// requests lists what a server was asked after an instant, with its answers.
func requests(w *systemtest.World, from time.Time) string {
	var list []string
	for _, r := range w.Server.History(systemtest.Endpoint) {
		if !r.Time.Before(from) {
			list = append(list, r.Kind.String()+" "+r.Location+" "+r.Answer.String())
		}
	}
	return strings.Join(list, ", ")
}

func expectRequests(w *systemtest.World, from time.Time, want string) {
	w.T.Helper()
	if got := requests(w, from); got != want {
		w.T.Errorf("the server was asked %q, want %q", got, want)
	}
}

// location is where the server has the client.
func location(w *systemtest.World) string {
	r, ok := w.Server.Registration(systemtest.Endpoint)
	if !ok {
		w.T.Fatal("not registered")
	}
	return strings.Join(r.Location, "/")
}

func TestAKilledClientBeginsWithAnUpdate(t *testing.T) {
	onRestart(t, func(w *systemtest.World, cfg holdfast.Config) {
		time.Sleep(time.Hour)
		began, where := time.Now(), location(w)
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		if took := time.Since(began); took != 0 {
			w.T.Errorf("registered after %v", took)
		}
		expectRequests(w, began, "update "+where+" 2.04")
		if e := c.Next(holdfast.EventRegistered); e.Location != "/"+where || e.Attempts != 1 || e.Lifetime != 24*time.Hour {
			w.T.Errorf("%+v", e)
		}
		c.ExpectClose(nil)
	})
}

func TestAServerThatHasForgottenGetsARegisterAtOnce(t *testing.T) {
	onRestart(t, func(w *systemtest.World, cfg holdfast.Config) {
		time.Sleep(time.Hour)
		where := location(w)
		w.Server.Forget()
		began := time.Now()
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		if took := time.Since(began); took != 0 {
			w.T.Errorf("registered after %v", took)
		}
		expectRequests(w, began, "update "+where+" 4.04, register "+location(w)+" 2.01")
		history := w.Server.History(systemtest.Endpoint)
		if n := len(history); history[n-1].Remote != history[n-2].Remote {
			w.T.Error("the Register came on another link")
		}
		c.ExpectClose(nil)
	})
}

func TestARegistrationThatHasRunOutIsMadeAnew(t *testing.T) {
	onRestart(t, func(w *systemtest.World, cfg holdfast.Config) {
		time.Sleep(24 * time.Hour)
		expectARegister(w, cfg)
	})
}

// A second kill, after the start from what was stored.
func TestAClientThatIsKilledAgainAndAgain(t *testing.T) {
	onRestart(t, func(w *systemtest.World, cfg holdfast.Config) {
		where := location(w)
		for range 4 {
			time.Sleep(20 * time.Hour)
			began := time.Now()
			c := w.Start(cfg)
			c.WaitFor(holdfast.Registered)
			expectRequests(w, began, "update "+where+" 2.04")
			cfg = w.Kill(c, cfg)
		}
	})
}

// expectARegister starts a client, demands a Register and nothing else until it is
// registered, and ends it.
func expectARegister(w *systemtest.World, cfg holdfast.Config) {
	w.T.Helper()
	began := time.Now()
	c := w.Start(cfg)
	c.WaitFor(holdfast.Registered)
	expectRequests(w, began, "register "+location(w)+" 2.01")
	c.ExpectClose(nil)
}

// onNoSec is onRestart without security, where a test changes what was stored.
func onNoSec(t *testing.T, test func(w *systemtest.World, cfg holdfast.Config)) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		cfg := securities["NoSec"](t, w)
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		cfg = w.Kill(c, cfg)
		test(w, cfg)
		w.Close()
	})
}

func TestAStateOfAnotherEndpointIsVoid(t *testing.T) {
	onNoSec(t, func(w *systemtest.World, cfg holdfast.Config) {
		cfg.Endpoint = "gw-0002"
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		if w.Server.Registers("gw-0002") != 1 || w.Server.Updates(systemtest.Endpoint) != 0 {
			w.T.Errorf("asked %v", w.Server.History(""))
		}
		c.ExpectClose(nil)
	})
}

// What cannot be read costs a Register; it is said, and kept.
func TestADamagedStateLeadsToARegister(t *testing.T) {
	damages := map[string]func(data []byte) []byte{
		"truncated": func(data []byte) []byte { return data[:len(data)-1] },
		"empty":     func([]byte) []byte { return nil },
		"torn":      func(data []byte) []byte { return append(data[:len(data)/2:len(data)/2], make([]byte, len(data)/2)...) },
		"head":      func(data []byte) []byte { data[3] ^= 1; return data },
		"content":   func(data []byte) []byte { data[len(data)/2] ^= 1; return data },
		"checksum":  func(data []byte) []byte { data[len(data)-1] ^= 0x80; return data },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			onNoSec(t, func(w *systemtest.World, cfg holdfast.Config) {
				file := stateFile(w, cfg)
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				damaged := damage(data)
				if err := os.WriteFile(file, damaged, 0o600); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				c := w.Start(cfg)
				c.WaitFor(holdfast.Registered)
				expectRequests(w, began, "register "+location(w)+" 2.01")
				if e := c.Next(holdfast.EventDegraded); e.Actor != "store" || e.Detail == "" {
					t.Errorf("%+v", e)
				}
				synctest.Wait()
				if !systemtest.Evidence(t, cfg.StateDir, string(damaged)) {
					t.Error("the damaged file is gone")
				}
				c.ExpectClose(nil)
			})
		})
	}
}

func stateFile(w *systemtest.World, cfg holdfast.Config) string {
	w.T.Helper()
	files, err := filepath.Glob(filepath.Join(cfg.StateDir, "state-1.*.rec"))
	if err != nil || len(files) != 1 {
		w.T.Fatalf("%v, %v", files, err)
	}
	return files[0]
}

// A factory reset of a directory that no client uses does, too.
func TestAFactoryResetForgetsRegistrations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		cfg := securities["PSK"](t, w)
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		synctest.Wait()
		cfg = w.Kill(c, cfg)
		if err := holdfast.FactoryReset(t.Context(), cfg.StateDir); err != nil {
			t.Fatal(err)
		}
		if files, err := filepath.Glob(filepath.Join(cfg.StateDir, "state-*")); err != nil || len(files) != 0 {
			t.Errorf("%v, %v", files, err)
		}
		expectARegister(w, cfg)
		w.Close()
	})
}

// A de-registration takes the state along.
func TestAClientThatWasClosedRegisters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		cfg := securities["PSK"](t, w)
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
		expectARegister(w, cfg)
		w.Close()
	})
}

// Nothing waits for the removal of the state to be durable, so that a power loss may
// undo it: that costs one round trip, and no message ID comes again.
func TestAStateThatComesBackCostsARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		cfg := securities["NoSec"](t, w)
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		synctest.Wait()
		where, file := location(w), stateFile(w, cfg)
		state, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c.ExpectClose(nil)
		if files, err := filepath.Glob(filepath.Join(cfg.StateDir, "state-*")); err != nil || len(files) != 0 {
			t.Errorf("%v, %v", files, err)
		}
		if err := os.WriteFile(file, state, 0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		c = w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		if took := time.Since(began); took != 0 {
			t.Errorf("registered after %v", took)
		}
		expectRequests(w, began, "update "+where+" 4.04, register "+location(w)+" 2.01")
		c.ExpectClose(nil)
		expectFreshMessageIDs(w, 5)
		w.Close()
	})
}

// expectFreshMessageIDs demands that no message ID has come twice, of at least so
// many.
func expectFreshMessageIDs(w *systemtest.World, atLeast int) {
	w.T.Helper()
	seen := map[uint16]bool{}
	for _, m := range w.SentAfter(0) {
		if m.Type != coap.CON {
			continue
		}
		if seen[m.MID] {
			w.T.Errorf("message ID %d came twice", m.MID)
		}
		seen[m.MID] = true
	}
	if len(seen) < atLeast {
		w.T.Errorf("%d message IDs", len(seen))
	}
}

// No message ID comes twice within EXCHANGE_LIFETIME, whatever the port, also when
// the client is killed in between.
func TestMessageIDsAreNotUsedAgainAfterAKill(t *testing.T) {
	onNoSec(t, func(w *systemtest.World, cfg holdfast.Config) {
		for range 5 {
			time.Sleep(time.Second)
			c := w.Start(cfg)
			c.WaitFor(holdfast.Registered)
			if err := c.RegisterUpdate(context.Background()); err != nil {
				w.T.Error(err)
			}
			cfg = w.Kill(c, cfg)
		}
		expectFreshMessageIDs(w, 11)
	})
}

// The disk is no part of the way of a datagram.
func TestAReadIsAnsweredWhileTheDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		w.ServeAndDeliver()
		disk := systemtest.NewHangingDisk(20*time.Second, "state-")
		c := w.Start(w.Factory(), systemtest.WithStoreFS(disk))
		c.WaitFor(holdfast.Registered)
		began := time.Now()
		for range 3 {
			got, err := w.Server.Read(context.Background(), systemtest.Endpoint, "/3/0/0", messages.FormatTLV)
			if err != nil || got.Code != messages.Content {
				t.Errorf("%v, %v", got.Code, err)
			}
		}
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Error(err)
		}
		if err := w.Server.WaitUpdates(context.Background(), systemtest.Endpoint, 1); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the server waited %v for a disk", took)
		}
		c.ExpectClose(nil)
		w.Close()
	})
}

// Nor does a server wait for what is written for another account: here what a
// bootstrap has delivered, whose Finish is answered when it is on the disk.
func TestAReadIsAnsweredWhileTheDiskHangsForAnotherAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hangs = 20 * time.Second
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		w.ServeAndDeliver()
		cfg := w.Factory()
		cfg.Server = w.PSK().Server
		c := w.Start(cfg, systemtest.WithStoreFS(systemtest.NewHangingDisk(hangs, "credentials")))
		c.WaitFor(holdfast.Registered)
		began := time.Now()
		if err := c.Bootstrap(context.Background()); err != nil {
			t.Fatal(err)
		}
		for time.Since(began) < hangs-time.Second {
			asked := time.Now()
			got, err := w.Server.Read(context.Background(), systemtest.Endpoint, "/3/0/0", messages.FormatTLV)
			if took := time.Since(asked); err != nil || got.Code != messages.Content || took != 0 {
				t.Errorf("after %v: %v, %v in %v", asked.Sub(began), got.Code, err, took)
			}
			time.Sleep(time.Second)
		}
		if e := c.Next(holdfast.EventBootstrapped); e.Time.Sub(began) < hangs {
			t.Errorf("the bootstrap was complete after %v: the disk did not hang", e.Time.Sub(began))
		}
		c.Next(holdfast.EventRegistered) // not the registration of before
		c.ExpectClose(nil)
		w.Close()
	})
}
