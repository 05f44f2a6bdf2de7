package hostile_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// Row 18: objects 0 and 21 are closed to management servers for every
// operation, and stand in no list.
func TestHostile18SecurityObjectsAreClosed(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		for _, path := range []string{"/0", "/0/0", "/0/1", "/0/0/0", "/0/0/5", "/0/0/5/0", "/0/9", "/21", "/21/0", "/21/0/2"} {
			for _, method := range []messages.CoAPCode{messages.GET, messages.PUT, messages.POST, messages.DELETE, messages.FETCH, messages.PATCH, messages.IPATCH} {
				w.ExpectAnswer(fmt.Sprint(method, path), w.Request(method, path), messages.Unauthorized)
			}
			for _, accept := range []messages.Format{messages.FormatLinkFormat, messages.FormatTLV, messages.FormatSenMLCBOR, messages.FormatSenMLJSON, messages.FormatText, messages.FormatOpaque} {
				m := w.Request(messages.GET, path)
				m.AddUint(coap.Observe, 0)
				m.AddFormat(coap.Accept, &accept)
				w.ExpectAnswer(fmt.Sprint("observe ", path), m, messages.Unauthorized)
			}
			attributes := w.Request(messages.PUT, path)
			attributes.AddString(coap.URIQuery, "pmin=0")
			w.ExpectAnswer("attributes "+path, attributes, messages.Unauthorized)
		}
		w.ExpectAnswer("read all", w.Request(messages.GET, "/"), messages.BadRequest)
		w.ExpectAnswer("discover all", discover(w, "/"), messages.BadRequest)
		w.ExpectAnswer("gateway prefix", w.Request(messages.GET, "/gw0/0/0/5"), messages.BadRequest, messages.NotFound)
		for _, path := range []string{"/0", "/0/0", "/0/0/5", "/21", "/21/0/2"} {
			m := composite(w, messages.FETCH, `[{"n":"/3/0/0"},{"n":"`+path+`"}]`)
			w.ExpectAnswer("read-composite "+path, m, messages.Unauthorized)
			m.AddUint(coap.Observe, 0)
			w.ExpectAnswer("observe-composite "+path, m, messages.Unauthorized)
		}
		for _, path := range []string{"/0/0/0", "/0/1/0", "/21/0/2"} {
			m := composite(w, messages.IPATCH, `[{"n":"`+path+`","vs":"x"}]`)
			w.ExpectAnswer("write-composite "+path, m, messages.Unauthorized)
		}
		r, _ := w.Server.Registration(systemtest.Endpoint)
		if text := string(r.Objects); strings.Contains(text, "</0") || strings.Contains(text, "</21") {
			t.Errorf("announced %s", text)
		}
		w.Client.ExpectQuiet()
		w.Finish()
	})
}

func composite(w *systemtest.Wire, method messages.CoAPCode, payload string) coap.Message {
	m := w.Request(method, "/")
	m.AddFormat(coap.ContentFormat, new(messages.FormatSenMLJSON))
	m.Payload = []byte(payload)
	return m
}

func discover(w *systemtest.Wire, path string) coap.Message {
	m := w.Request(messages.GET, path)
	m.AddFormat(coap.Accept, new(messages.FormatLinkFormat))
	return m
}

// Row 23: extreme lifetimes. The largest that fit are accepted, schedule
// without an overflow and are told as they are; a negative one is refused when
// it is written.
func TestHostile23ExtremeLifetimes(t *testing.T) {
	for _, tt := range []struct {
		lifetime string
		want     messages.CoAPCode
		told     string
		requests int // Registers and Updates within the hour that follows
	}{
		{"1", messages.Changed, "lt=1", 3600}, // never sooner than 1 s
		{"2", messages.Changed, "lt=2", 3600},
		{"0", messages.Changed, "lt=0", 0},
		{"4294967295", messages.Changed, "lt=4294967295", 0},
		{"-1", messages.BadRequest, "", 0},
		{"-9223372036854775808", messages.BadRequest, "", 0},
		{"9223372036854775808", messages.BadRequest, "", 0},
		{"1e3", messages.BadRequest, "", 0},
		{"", messages.BadRequest, "", 0},
	} {
		t.Run(tt.lifetime, func(t *testing.T) {
			hostileBootstrap(t, func(t *testing.T, w *systemtest.World, c *systemtest.Client, cfg holdfast.Config) {
				before := w.Durable(cfg)
				text := messages.FormatText
				result := bootstrapAgain(w, lwm2mtest.BootstrapConfig{Writes: []lwm2mtest.BootstrapWrite{
					{Path: "/1/0/1", Format: &text, Payload: []byte(tt.lifetime)},
				}})
				if code := result.Steps[0].Response.Code; code != tt.want {
					t.Fatalf("answered %v, want %v", code, tt.want)
				}
				if tt.want != messages.Changed {
					keepsItsAccount(w, c, cfg, before, holdfast.CodeBootstrapFailed)
					return
				}
				c.Next(holdfast.EventBootstrapped)
				synctest.Wait()
				n := requests(w)
				c.Sleep(time.Hour)
				if got := requests(w) - n; got > tt.requests || got < tt.requests-1 {
					t.Errorf("%d Registers and Updates in an hour, want %d", got, tt.requests)
				}
				if query := lastQuery(w); !strings.Contains(query, tt.told) {
					t.Errorf("told the server %s", query)
				}
				if err := c.Close(t.Context()); err != nil && tt.lifetime != "1" {
					t.Error(err)
				}
			})
		})
	}
}

// requests counts the Registers and Updates until now.
func requests(w *systemtest.World) int {
	return w.Server.Seen(systemtest.Endpoint, lwm2mtest.Register) + w.Server.Seen(systemtest.Endpoint, lwm2mtest.Update)
}

// lastQuery returns the query of the last Register or Update that had one.
func lastQuery(w *systemtest.World) string {
	last := ""
	for _, r := range w.Server.History(systemtest.Endpoint) {
		if (r.Kind == lwm2mtest.Register || r.Kind == lwm2mtest.Update) && len(r.Query) > 0 {
			last = strings.Join(r.Query, "&")
		}
	}
	return last
}

// Row 23: 2^63-1 s is beyond what any clock counts to, and more than servers read:
// 2^32-1 s count, with which the client registers.
func TestHostile23LargestLifetime(t *testing.T) {
	hostileBootstrap(t, func(t *testing.T, w *systemtest.World, c *systemtest.Client, cfg holdfast.Config) {
		text := messages.FormatText
		result := bootstrapAgain(w, lwm2mtest.BootstrapConfig{Writes: []lwm2mtest.BootstrapWrite{
			{Path: "/1/0/1", Format: &text, Payload: fmt.Append(nil, int64(math.MaxInt64))},
		}})
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		c.Next(holdfast.EventBootstrapped)
		n := requests(w)
		c.Next(holdfast.EventRegistered)
		if query := lastQuery(w); !strings.Contains(query, "lt=4294967295") {
			t.Errorf("told the server %s", query)
		}
		time.Sleep(time.Hour)
		if got := requests(w) - n; got > 2 {
			t.Errorf("%d requests in an hour: %s", got, c.Story())
		}
		c.ExpectClose(nil)
	})
}

// Row 24: retry resources of 0 and of 2^32-1 make neither a busy loop nor a
// client that gives up.
func TestHostile24ExtremeRetryResources(t *testing.T) {
	for _, value := range []string{"0", "1", "4294967295", "18446744073709551615"} {
		t.Run(value, func(t *testing.T) {
			hostileBootstrap(t, func(t *testing.T, w *systemtest.World, c *systemtest.Client, cfg holdfast.Config) {
				text := messages.FormatText
				var config lwm2mtest.BootstrapConfig
				for id := objects.ServerCommunicationRetryCount; id <= objects.ServerCommunicationSequenceRetryCount; id++ {
					config.Writes = append(config.Writes, lwm2mtest.BootstrapWrite{
						Path: fmt.Sprintf("/1/0/%d", id), Format: &text, Payload: []byte(value),
					})
				}
				if result := bootstrapAgain(w, config); result.Err != nil {
					t.Fatal(result.Err)
				}
				c.Next(holdfast.EventBootstrapped)
				c.Next(holdfast.EventRegistered)
				synctest.Wait()
				attempts := refuseServer(w)
				if err := c.RegisterUpdate(context.Background()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if n := attempts.Load(); n > 60 {
					t.Fatalf("%d attempts in a minute", n)
				}
				attemptsGoOn(w, c)
				c.ExpectClose(holdfast.ErrNotRegistered)
			})
		})
	}
}

// refuseServer refuses whatever is sent to the management server from now on,
// and counts it. Of a busy loop, in which no time would pass, it makes silence.
func refuseServer(w *systemtest.World) *atomic.Int64 {
	const busy = 200
	n := new(atomic.Int64)
	w.Network.OnPacket(func(p lwm2mtest.Packet) lwm2mtest.Verdict {
		if p.To.Addr() != systemtest.ServerAddr {
			return lwm2mtest.Verdict{Drop: n.Load() > busy}
		}
		return lwm2mtest.Verdict{Refuse: true, Drop: n.Add(1) > busy}
	})
	return n
}

// attemptsGoOn demands that a client that cannot reach its server announces
// every next attempt, at most a week ahead.
func attemptsGoOn(w *systemtest.World, c *systemtest.Client) {
	w.T.Helper()
	for range 30 {
		e := c.Next(holdfast.EventError)
		if retry, ok := e.RetryIn(); !ok || retry > systemtest.Week {
			w.T.Fatalf("%+v", e)
		}
	}
}

// Row 25: of a flood of Observe requests limits.observations begin an observation. The
// others are plain Reads, and cost nothing but their answers.
func TestHostile25ObserveFloodIsBounded(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		observed, content, busy := 0, 0, 0
		for i := range 3000 {
			m := w.Request(messages.GET, "/3/0/13")
			m.AddUint(coap.Observe, 0)
			got := w.Ask(m)
			switch {
			case got.Code == messages.Content && got.Has(coap.Observe):
				observed++
			case got.Code == messages.Content:
				content++
			case got.Code == messages.ServiceUnavailable:
				busy++
			default:
				t.Fatalf("observation %d: %v", i, got)
			}
		}
		t.Logf("%d observed, %d read, %d answered 5.03", observed, content, busy)
		if observed != holdfast.DefaultObservations {
			t.Errorf("%d observations", observed)
		}
		before := w.LastPacket()
		time.Sleep(2 * time.Minute)
		if got := w.SentAfter(before); len(got) > 0 {
			t.Errorf("notifications: %v", got)
		}
		time.Sleep(silence) // what was remembered of the messages is forgotten
		w.Client.ExpectQuiet()
		w.Finish()
	})
}

// Row 27: a server may put a client off for a week at most.
func TestHostile27PutOffForAWeekAtMost(t *testing.T) {
	for _, code := range []messages.CoAPCode{messages.ServiceUnavailable, messages.TooManyRequests} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
				w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: code, MaxAge: new(uint32(math.MaxUint32))})
				began := time.Now()
				c := w.Start(w.NoSec())
				if e := c.Next(holdfast.EventError); systemtest.Retry(e) != systemtest.Week {
					t.Errorf("%+v", e)
				}
				if e := c.Next(holdfast.EventRegistered); e.Time.Sub(began) != systemtest.Week {
					t.Errorf("registered after %v", e.Time.Sub(began))
				}
				c.ExpectClose(nil)
			})
		})
	}
}

// Row 28: a Location is kept and used as it is, segment by segment, up to 16 of
// them and 1 KiB; more is no usable answer.
func TestHostile28LocationsAreOpaque(t *testing.T) {
	long := strings.Repeat("x", 255)
	for name, tt := range map[string]struct {
		location []string
		usable   bool
	}{
		"dots":             {[]string{"..", "..", "0"}, true},
		"empty segments":   {[]string{"", "", "a"}, true},
		"slashes":          {[]string{"a/b", "%2f"}, true},
		"the update's own": {[]string{"rd"}, true},
		"control and ANSI": {[]string{"\x00\x1b[2J", "\r\n"}, true},
		"four of 255":      {[]string{long, long, long, long}, true},
		"five of 255":      {[]string{long, long, long, long, long}, false},
		"17 segments":      {strings.Split("0123456789abcdefg", ""), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				location := tt.location
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{Location: func(_ string, n int) []string {
					if n == 1 {
						return location
					}
					return []string{"rd", "good"}
				}})
				defer w.Close()
				w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
				c := w.Start(w.NoSec())
				if !tt.usable {
					if e := c.Next(holdfast.EventError); e.Code != holdfast.CodeResponseParse {
						t.Errorf("%+v", e)
					}
				}
				e := c.Next(holdfast.EventRegistered)
				if strings.ContainsAny(e.Location, "\x00\x1b\r\n") {
					t.Errorf("the event shows %q", e.Location)
				}
				if err := c.RegisterUpdate(context.Background()); err != nil {
					t.Fatal(err)
				}
				c.Next(holdfast.EventRegistrationUpdated)
				c.ExpectClose(nil)
				if w.Server.Deregisters(systemtest.Endpoint) != 1 {
					t.Error("not de-registered")
				}
			})
		})
	}
}

// Row 29: what a server says in its diagnostic payload comes into events and
// logs as printable text of at most 64 bytes.
func TestHostile29DiagnosticsAreSanitised(t *testing.T) {
	for _, payload := range []string{
		"\x1b[2J\x1b]0;owned\x07", "%s%n%d%!v(PANIC=", "a\r\nERROR forged line", "\x00\x01\x7f\u0085\u202e", "\xff\xfe\xc0\x80",
		strings.Repeat("A", 1000), strings.Repeat("é", 200), "{\"forged\":\"json\"}",
	} {
		synctest.Test(t, func(t *testing.T) {
			w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
			defer w.Close()
			w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
			w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: messages.Forbidden, Payload: payload})
			var log bytes.Buffer
			c := w.Start(w.NoSec(), holdfast.WithLogger(slog.New(zerolog.NewSlogHandler(zerolog.New(zerolog.SyncWriter(&log))))))
			e := c.Next(holdfast.EventError)
			if bytes.ContainsFunc([]byte(e.Detail), func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 || r == 0x202e || r == 0xfffd }) || len(e.Detail) > 64+100 {
				t.Errorf("%q shows as %q", payload, e.Detail)
			}
			c.Next(holdfast.EventRegistered)
			c.ExpectClose(nil)
			if bytes.ContainsAny(log.Bytes(), "\x1b\x00\r") {
				t.Errorf("%q stands in the log: %q", payload, log.String())
			}
		})
	}
}

// Row 37: Executes in a loop. Reboot and factory reset do not exist in this
// build; the triggers that do exist act at most once for each answer, and never
// more than one Update or bootstrap is under way.
func TestHostile37ExecuteLoops(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		for _, path := range []string{"/3/0/4", "/3/0/5", "/3/0/12", "/1/0/9"} {
			for range 20 {
				w.ExpectAnswer(path, w.Request(messages.POST, path), messages.MethodNotAllowed, messages.NotFound)
			}
		}
		const loops = 60
		before := w.LastPacket()
		for range loops {
			w.ExpectAnswer("update trigger", w.Request(messages.POST, "/1/0/8"), messages.Changed)
		}
		time.Sleep(time.Minute)
		updates := 0
		for _, m := range w.SentAfter(before) {
			if m.IsRequest() {
				updates++
			}
		}
		if updates > loops || updates == 0 {
			t.Errorf("%d Updates for %d triggers", updates, loops)
		}
		w.Finish()
	})
}
