package behaviour_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// serverCID is how long the Connection IDs of the test server are, in bytes.
const serverCID = 8

// traffic is what a client has sent after an instant: how many ClientHellos, and the
// sequence numbers of protected records, each under the Connection ID of its session.
type traffic struct {
	hellos, fragments int
	numbers           map[string][]uint64
}

func trafficAfter(w *systemtest.World, from time.Time) traffic {
	seen := traffic{numbers: map[string][]uint64{}}
	for _, p := range w.Network.Packets() {
		if p.From.Addr() == systemtest.GatewayAddr && !p.Time.Before(from) {
			seen.add(p.Data)
		}
	}
	return seen
}

func (c *traffic) add(datagram []byte) {
	for rest := datagram; len(rest) > 0; {
		r, tail, ok := record.Next(rest, serverCID)
		if !ok {
			return
		}
		rest = tail
		switch {
		case r.Epoch == 0 && r.Content == record.Handshake:
			c.fragments++
			if r.Body[0] == 1 {
				c.hellos++
			}
		case r.Epoch > 0:
			c.numbers[string(r.CID)] = append(c.numbers[string(r.CID)], r.Sequence)
		}
	}
}

// unique demands that no sequence number is used twice under one Connection ID.
func (c *traffic) unique(t *testing.T) (records int) {
	t.Helper()
	for cid, numbers := range c.numbers {
		if cid == "" {
			continue // sessions that cannot be told apart
		}
		used := map[uint64]bool{}
		for _, n := range numbers {
			if used[n] {
				t.Fatalf("session %x: the sequence number %d is used twice", cid, n)
			}
			used[n] = true
			records++
		}
	}
	return records
}

// movable is a server that gives its clients Connection IDs.
func movable() lwm2mtest.Security {
	s := lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key)
	s.ConnectionID = true
	return s
}

// resumable is one that does not, and resumes sessions.
func resumable() lwm2mtest.Security {
	s := lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key)
	s.Resumption = true
	return s
}

// onSession runs a test with a client that is registered over DTLS.
func onSession(t *testing.T, security lwm2mtest.Security, test func(w *systemtest.World, s *lwm2mtest.Service, c *systemtest.Client, cfg holdfast.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{Roaming: true})
		defer w.Close()
		service := w.Serve(systemtest.DTLSPort, security)
		cfg := w.PSK()
		cfg.Lifetime = 24 * time.Hour
		c := w.Start(cfg)
		if e := c.Next(holdfast.EventRegistered); e.Session != "new" {
			t.Errorf("the first registration has cost %q", e.Session)
		}
		test(w, service, c, cfg)
	})
}

// expectCost takes the next registration, and demands what it has cost, in how long.
func expectCost(t *testing.T, c *systemtest.Client, from time.Time, want string, after time.Duration) {
	t.Helper()
	e := c.Next(holdfast.EventRegistered)
	if took := e.Time.Sub(from); e.Session != want || took != after || e.Attempts != 1 {
		t.Errorf("registered after %v, at the cost of %q, in %d attempts; want %v, %q, 1; events: %s", took, e.Session, e.Attempts, after, want, c.Story())
	}
}

// An Update on a link that works costs nothing, and the status says what there is.
func TestSessionIsExplained(t *testing.T) {
	onSession(t, movable(), func(w *systemtest.World, _ *lwm2mtest.Service, c *systemtest.Client, _ holdfast.Config) {
		began := time.Now()
		time.Sleep(time.Hour)
		if err := c.RegisterUpdate(context.Background()); err != nil {
			w.T.Fatal(err)
		}
		if e := c.Next(holdfast.EventRegistrationUpdated); e.Session != "kept" {
			w.T.Errorf("an Update has cost %q", e.Session)
		}
		s := c.Explain().Connections[0].Session
		if s == nil || !s.ConnectionID || s.Suite != "TLS_PSK_WITH_AES_128_CCM_8" || !s.Since.Equal(began) || s.Nonces != 3 {
			w.T.Fatalf("%+v", s) // Finished, Register, Update
		}
		want := "TLS_PSK_WITH_AES_128_CCM_8, with Connection ID, since " + began.Format(time.DateTime) + " (for 1 h), 3 nonces used"
		if text := c.Explain().String(); !strings.Contains(text, want) {
			w.T.Errorf("%s\nlacks %q", text, want)
		}
		c.ExpectClose(nil)
	})
}

// Without DTLS there is no session.
func TestPlainLinkHasNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		c := w.Start(w.NoSec())
		if e := c.Next(holdfast.EventRegistered); e.Session != "none" {
			t.Errorf("%q", e.Session)
		}
		if s := c.Explain().Connections[0].Session; s != nil {
			t.Errorf("%+v", s)
		}
		c.ExpectClose(nil)
	})
}

// A NAT that forgets the mapping costs nothing where there is a Connection ID: the next
// Update is answered as if nothing had happened.
func TestReboundSessionGoesOn(t *testing.T) {
	onSession(t, movable(), func(w *systemtest.World, _ *lwm2mtest.Service, c *systemtest.Client, _ holdfast.Config) {
		for range 3 {
			time.Sleep(time.Hour)
			w.Gateway.Rebind()
			began := time.Now()
			if err := c.RegisterUpdate(context.Background()); err != nil {
				w.T.Fatal(err)
			}
			if e := c.Next(holdfast.EventRegistrationUpdated); e.Session != "kept" || e.Time != began {
				w.T.Errorf("after %v, at the cost of %q", e.Time.Sub(began), e.Session)
			}
			if seen := trafficAfter(w, began); seen.fragments > 0 {
				w.T.Errorf("%d messages of a handshake", seen.fragments)
			}
		}
		seen := trafficAfter(w, time.Time{})
		seen.unique(w.T)
		c.ExpectClose(nil)
	})
}

// A link that is given up and made anew goes on with the session.
func TestPausedSessionGoesOn(t *testing.T) {
	for security, want := range map[string]string{"Connection ID": "kept", "resumption": "resumed", "neither": "new"} {
		t.Run(security, func(t *testing.T) {
			server := map[string]lwm2mtest.Security{
				"Connection ID": movable(), "resumption": resumable(), "neither": lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key),
			}[security]
			onSession(t, server, func(w *systemtest.World, _ *lwm2mtest.Service, c *systemtest.Client, _ holdfast.Config) {
				for range 3 {
					if err := c.Pause(context.Background()); err != nil {
						w.T.Fatal(err)
					}
					time.Sleep(time.Hour)
					began := time.Now()
					if err := c.Resume(context.Background()); err != nil {
						w.T.Fatal(err)
					}
					expectCost(w.T, c, began, want, 0)
					if seen := trafficAfter(w, began); (seen.hellos > 0) != (want != "kept") {
						w.T.Errorf("%d ClientHellos", seen.hellos)
					}
				}
				seen := trafficAfter(w, time.Time{})
				seen.unique(w.T)
				c.ExpectClose(nil)
			})
		})
	}
}

// After kill -9, with a live registration: one Update on the session of before, one round
// trip. Without a Connection ID it is an abbreviated handshake.
func TestSessionSurvivesARestart(t *testing.T) {
	for want, server := range map[string]lwm2mtest.Security{"kept": movable(), "resumed": resumable()} {
		t.Run(want, func(t *testing.T) {
			onSession(t, server, func(w *systemtest.World, _ *lwm2mtest.Service, c *systemtest.Client, cfg holdfast.Config) {
				since := c.Explain().Connections[0].Session.Since
				for range 3 {
					cfg = w.Kill(c, cfg)
					time.Sleep(time.Hour)
					began, where := time.Now(), location(w)
					c = w.Start(cfg)
					expectCost(w.T, c, began, want, 0)
					expectRequests(w, began, "update "+where+" 2.04")
					if seen := trafficAfter(w, began); want == "kept" && seen.fragments > 0 {
						w.T.Errorf("%d messages of a handshake", seen.fragments)
					}
					if s := c.Explain().Connections[0].Session; s.Since.Unix() != since.Unix() {
						w.T.Errorf("the session is of %v, and began at %v", s.Since, since)
					}
				}
				seen := trafficAfter(w, time.Time{})
				seen.unique(w.T)
				c.ExpectClose(nil)
			})
		})
	}
}

// A server that has forgotten the session drops what comes in it: after 15 s a handshake
// follows, in the same attempt, and nothing is reported.
func TestForgottenSessionAfterARestart(t *testing.T) {
	onSession(t, movable(), func(w *systemtest.World, s *lwm2mtest.Service, c *systemtest.Client, cfg holdfast.Config) {
		cfg = w.Kill(c, cfg)
		s.ForgetSessions()
		began := time.Now()
		c = w.Start(cfg)
		expectCost(w.T, c, began, "new", 15*time.Second)
		for _, e := range c.Seen {
			if e.Type == holdfast.EventError {
				w.T.Errorf("%+v", e)
			}
		}
		cfg = w.Kill(c, cfg)
		began = time.Now()
		c = w.Start(cfg)
		expectCost(w.T, c, began, "kept", 0) // the new one
		c.ExpectClose(nil)
	})
}

// A session that cannot be resumed any more costs a full handshake, and nothing else.
func TestForgottenResumption(t *testing.T) {
	onSession(t, resumable(), func(w *systemtest.World, s *lwm2mtest.Service, c *systemtest.Client, cfg holdfast.Config) {
		cfg = w.Kill(c, cfg)
		s.ForgetSessions()
		began := time.Now()
		c = w.Start(cfg)
		expectCost(w.T, c, began, "new", 0)
		c.ExpectClose(nil)
	})
}

// While a network is away the session is kept: once it is back, the next attempt goes on
// with it, however many handshakes were in vain.
func TestSessionSurvivesAnOutage(t *testing.T) {
	onSession(t, movable(), func(w *systemtest.World, _ *lwm2mtest.Service, c *systemtest.Client, _ holdfast.Config) {
		outage := w.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{BlackHole: true})
		if err := c.RegisterUpdate(context.Background()); err != nil {
			w.T.Fatal(err)
		}
		for range 3 {
			c.Next(holdfast.EventError)
		}
		outage.Lift()
		e := c.Next(holdfast.EventRegistered)
		if e.Session != "kept" {
			w.T.Errorf("the cost was %q", e.Session)
		}
		seen := trafficAfter(w, time.Time{})
		seen.unique(w.T)
		if w.Server.Registers(systemtest.Endpoint) != 1 {
			w.T.Error("the registration was known: an Update is enough")
		}
		c.ExpectClose(nil)
	})
}

// What a configuration, a store and a key change makes doubtful is not gone on with.
func TestDoubtfulSessionsAreLeft(t *testing.T) {
	for name, doubt := range map[string]func(w *systemtest.World, s *lwm2mtest.Service, cfg *holdfast.Config){
		"another endpoint": func(_ *systemtest.World, _ *lwm2mtest.Service, cfg *holdfast.Config) { cfg.Endpoint = "gw-0002" },
		"another key": func(_ *systemtest.World, s *lwm2mtest.Service, cfg *holdfast.Config) {
			key := []byte("fedcba9876543210")
			s.SetPSK(systemtest.Endpoint, key)
			cfg.Server.PSKKey = key
		},
		"not wanted": func(_ *systemtest.World, _ *lwm2mtest.Service, cfg *holdfast.Config) { cfg.DTLS.ForgetSessions = true },
		"a copy": func(w *systemtest.World, _ *lwm2mtest.Service, cfg *holdfast.Config) {
			copied := systemtest.StateDir(w.T)
			if err := os.CopyFS(copied, os.DirFS(cfg.StateDir)); err != nil {
				w.T.Fatal(err)
			}
			cfg.StateDir = copied
		},
		"damaged": func(w *systemtest.World, _ *lwm2mtest.Service, cfg *holdfast.Config) {
			spoil(w.T, cfg.StateDir)
		},
		"the registration has run out": func(*systemtest.World, *lwm2mtest.Service, *holdfast.Config) { time.Sleep(25 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			onSession(t, movable(), func(w *systemtest.World, s *lwm2mtest.Service, c *systemtest.Client, cfg holdfast.Config) {
				next := w.Kill(c, cfg)
				server := *cfg.Server
				next.Server = &server
				doubt(w, s, &next)
				began := time.Now()
				c = w.Start(next)
				expectCost(w.T, c, began, "new", 0)
				c.ExpectClose(nil)
			})
		})
	}
}

// An attempt that is too short for the patience with a kept session has half of its time
// for it: a server that was restarted is reached all the same.
func TestForgottenSessionInAShortAttempt(t *testing.T) {
	onSession(t, movable(), func(w *systemtest.World, s *lwm2mtest.Service, c *systemtest.Client, cfg holdfast.Config) {
		next := w.Kill(c, cfg)
		next.RegistrationTimeout = 10 * time.Second
		s.ForgetSessions()
		began := time.Now()
		c = w.Start(next)
		expectCost(w.T, c, began, "new", 5*time.Second)
		for _, e := range c.Seen {
			if e.Type == holdfast.EventError {
				w.T.Errorf("%+v", e)
			}
		}
		c.ExpectClose(nil)
	})
}

// spoil damages the newest record of the session.
func spoil(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "session-1.*.rec"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	path := files[len(files)-1]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1]++
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A client that has left has no session any more, and no record of one.
func TestClosedClientLeavesNoSession(t *testing.T) {
	onSession(t, movable(), func(w *systemtest.World, _ *lwm2mtest.Service, c *systemtest.Client, cfg holdfast.Config) {
		synctest.Wait()
		pattern := filepath.Join(cfg.StateDir, "session-*")
		if files, _ := filepath.Glob(pattern); len(files) == 0 {
			w.T.Fatal("no record of the session")
		}
		for _, file := range records(w.T, pattern) {
			if file.Mode().Perm() != 0o600 {
				w.T.Errorf("%s has mode %v", file.Name(), file.Mode())
			}
		}
		c.ExpectClose(nil)
		if files := records(w.T, pattern); len(files) > 0 {
			w.T.Errorf("%v is left", files[0].Name())
		}
	})
}

func records(t *testing.T, pattern string) (files []os.FileInfo) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, fi)
	}
	return files
}

// Killed a hundred times, at any moment of a life with many records, a client never uses a
// sequence number twice, and is registered again at once each time.
func TestNoNonceTwiceInAHundredRestarts(t *testing.T) {
	onSession(t, movable(), func(w *systemtest.World, _ *lwm2mtest.Service, c *systemtest.Client, cfg holdfast.Config) {
		for i := range 100 {
			for range i % 7 {
				if err := c.RegisterUpdate(context.Background()); err != nil {
					w.T.Fatal(err)
				}
				c.Next(holdfast.EventRegistrationUpdated)
			}
			cfg = w.Kill(c, cfg)
			time.Sleep(time.Minute) // message IDs are skipped, too, and not to be repeated within 247 s
			began := time.Now()
			c = w.Start(cfg)
			expectCost(w.T, c, began, "kept", 0)
		}
		seen := trafficAfter(w, time.Time{})
		if n := seen.unique(w.T); n < 400 || len(seen.numbers) != 1 || seen.hellos != 2 {
			w.T.Errorf("%d records in %d sessions, %d ClientHellos", n, len(seen.numbers), seen.hellos)
		}
		c.ExpectClose(nil)
	})
}

// A client that crashes every few seconds goes on with its session each time: what it asks has
// no message ID that the server knows from one of the processes before, for which it would
// take it for a copy (RFC 7252 section 4.5).
func TestCrashLoopKeepsItsSession(t *testing.T) {
	onSession(t, movable(), func(w *systemtest.World, _ *lwm2mtest.Service, c *systemtest.Client, cfg holdfast.Config) {
		for range 120 {
			cfg = w.Kill(c, cfg)
			time.Sleep(2 * time.Second)
			began := time.Now()
			c = w.Start(cfg)
			expectCost(w.T, c, began, "kept", 0)
		}
		c.ExpectClose(nil)
	})
}

// So does one that is killed so early that no record of its state is written: the claim on the
// session is enough to tell its message IDs from those of the next.
func TestEarlyDeathKeepsTheSession(t *testing.T) {
	onSession(t, movable(), func(w *systemtest.World, _ *lwm2mtest.Service, c *systemtest.Client, cfg holdfast.Config) {
		cfg.Lifetime = 48 * time.Hour // which the record has to say
		slow := lwm2mtest.WithStoreFaults(func(operation lwm2mtest.DiskOperation, path string) error {
			if operation == lwm2mtest.DiskCreate && strings.Contains(path, "state-1.") {
				return syscall.EIO
			}
			return nil
		})
		for range 120 {
			cfg = w.Kill(c, cfg)
			time.Sleep(2 * time.Second)
			began := time.Now()
			c = w.Start(cfg, slow)
			expectCost(w.T, c, began, "kept", 0)
		}
		c.ExpectClose(nil)
	})
}

// What somebody has recorded before a restart and sends again after it is not carried out,
// neither before the server has answered nor afterwards.
func TestReplayAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{Roaming: true})
		defer w.Close()
		server := w.Listen(systemtest.DTLSPort)
		w.Server.ServeManagement(server, movable())
		cfg := w.PSK()
		c := w.Start(cfg)
		c.Next(holdfast.EventRegistered)
		record := func(act func() error) (sent [][]byte) {
			last := w.LastPacket()
			if err := act(); err != nil {
				t.Fatal(err)
			}
			c.Next(holdfast.EventRegistrationUpdated)
			for _, p := range w.Network.Packets() {
				if p.Seq > last && p.To.Addr() == systemtest.GatewayAddr {
					sent = append(sent, p.Data)
				}
			}
			return sent
		}
		lifetime := func(seconds string) func() error {
			return func() error {
				content := lwm2mtest.Content{Format: lwm2m.FormatText, Payload: []byte(seconds)}
				_, err := w.Server.Write(context.Background(), systemtest.Endpoint, "/1/0/1", lwm2mtest.Replace, content)
				return err
			}
		}
		written := record(lifetime("3600"))
		record(lifetime("7200"))
		triggered := record(func() error {
			_, err := w.Server.Execute(context.Background(), systemtest.Endpoint, "/1/0/8", "")
			return err
		})
		replay := func(recorded [][]byte) {
			for _, data := range recorded {
				w.Inject(server, data)
			}
		}
		cfg = w.Kill(c, cfg)
		slow := w.Network.Impair(lwm2mtest.Everywhere(), lwm2mtest.Conditions{Latency: time.Second / 4})
		began, where := time.Now(), location(w)
		c = w.Start(cfg)
		synctest.Wait()
		replay(written)
		expectCost(t, c, began, "kept", time.Second/2)
		replay(triggered)
		time.Sleep(time.Minute)
		expectRequests(w, began, "update "+where+" 2.04")
		slow.Lift()
		if _, err := w.Server.Execute(context.Background(), systemtest.Endpoint, "/1/0/8", ""); err != nil {
			t.Fatal(err) // what is new still counts
		}
		c.Next(holdfast.EventRegistrationUpdated)
		c.ExpectClose(nil)
	})
}
