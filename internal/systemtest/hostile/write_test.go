package hostile_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// writeText is a Write of text to the client.
func writeText(w *systemtest.World, path, text string) messages.CoAPCode {
	w.T.Helper()
	got, err := w.Server.Do(context.Background(), systemtest.Endpoint, lwm2mtest.Request{
		Method: messages.PUT, Path: path, Format: new(messages.FormatText), Payload: []byte(text),
	})
	if err != nil {
		w.T.Fatalf("%s to %s: %v", text, path, err)
	}
	return got.Code
}

// Row 23: extreme lifetimes that a management server writes: the least makes an
// Update a second and no more, the largest no overflow, and what is none is
// refused.
func TestHostile23ExtremeLifetimesWritten(t *testing.T) {
	for _, tt := range []struct {
		lifetime string
		want     messages.CoAPCode
		requests int // Registers and Updates within the hour that follows
	}{
		{"1", messages.Changed, 3600},
		{"2", messages.Changed, 3600},
		{"0", messages.Changed, 1},
		{"4294967295", messages.Changed, 1},
		{"-1", messages.BadRequest, 0},
		{"9223372036854775808", messages.BadRequest, 0},
		{"1e3", messages.BadRequest, 0},
		{"", messages.BadRequest, 0},
	} {
		t.Run(tt.lifetime, func(t *testing.T) {
			systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
				if code := writeText(w.World, "/1/0/1", tt.lifetime); code != tt.want {
					t.Fatalf("answered %v", code)
				}
				n := requests(w.World)
				w.Client.Sleep(time.Hour)
				if got := requests(w.World) - n; got > tt.requests+1 || got < tt.requests-1 {
					t.Errorf("%d Registers and Updates in an hour, want %d", got, tt.requests)
				}
				if tt.want == messages.Changed {
					if query := lastQuery(w.World); !strings.Contains(query, "lt="+tt.lifetime) {
						t.Errorf("told the server %s", query)
					}
				}
				_ = w.Client.Close(t.Context())
			})
		})
	}
}

// Row 37: a server that writes in a loop, each time something else, changes no more than 60
// values at a stretch and one every 10 s, and gets an Update a second at most.
func TestHostile37WriteLoop(t *testing.T) {
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		before, began, changed := requests(w.World), time.Now(), 0
		for i := range 600 {
			time.Sleep(50 * time.Millisecond)
			switch code := writeText(w.World, "/1/0/1", strconv.Itoa(3600+i)); code {
			case messages.Changed:
				changed++
			case messages.ServiceUnavailable:
			default:
				t.Fatalf("answered %v", code)
			}
		}
		took := int(time.Since(began) / time.Second)
		if most := 60 + took/10 + 1; changed < 60 || changed > most {
			t.Errorf("%d changes within %d s", changed, took)
		}
		if got := requests(w.World) - before; got > took+1 || got == 0 {
			t.Errorf("%d Updates within %d s", got, took)
		}
		w.Finish()
	})
}

// Row 24: retry resources that a management server writes arm nobody.
func TestHostile24ExtremeRetryResourcesWritten(t *testing.T) {
	for _, value := range []string{"0", "1", "4294967295", "18446744073709551615"} {
		t.Run(value, func(t *testing.T) {
			systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
				for id := objects.ServerCommunicationRetryCount; id <= objects.ServerCommunicationSequenceRetryCount; id++ {
					if code := writeText(w.World, fmt.Sprintf("/1/0/%d", id), value); code != messages.Changed {
						t.Fatalf("resource %d: %v", id, code)
					}
				}
				attempts := refuseServer(w.World)
				if err := w.Client.RegisterUpdate(context.Background()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if n := attempts.Load(); n > 60 {
					t.Fatalf("%d attempts in a minute", n)
				}
				attemptsGoOn(w.World, w.Client)
				w.Client.ExpectClose(holdfast.ErrNotRegistered)
			})
		})
	}
}

// Row 19: a management server writes nothing but its own Server instance, whatever it tries.
func TestHostile19WritesElsewhere(t *testing.T) {
	var cfg holdfast.Config
	systemtest.OnWire(t, func(t *testing.T, w *systemtest.Wire) {
		before := w.Durable(cfg)
		for path, want := range map[string]messages.CoAPCode{
			"/": messages.MethodNotAllowed, "/0": messages.Unauthorized, "/0/0": messages.Unauthorized, "/0/0/0": messages.Unauthorized,
			"/1": messages.MethodNotAllowed, "/1/1": messages.NotFound, "/1/65534/1": messages.NotFound, "/1/0/0": messages.MethodNotAllowed,
			"/1/0/8": messages.MethodNotAllowed, "/1/0/9": messages.MethodNotAllowed, "/1/0/1/0": messages.NotFound,
			"/2/0": messages.NotFound, "/3/0/13": messages.MethodNotAllowed, "/3/0": messages.MethodNotAllowed, "/21/0": messages.Unauthorized,
			"/bs": messages.MethodNotAllowed,
		} {
			m := w.Request(messages.PUT, path)
			m.AddFormat(coap.ContentFormat, new(messages.FormatTLV))
			m.Payload = []byte("\xc1\x01\x3c")
			w.ExpectAnswer(path, m, want)
		}
		for payload, want := range map[string]messages.CoAPCode{
			"\x08\x01\x03\xc1\x01\x3c": messages.BadRequest,
			"\xc1\x00\x02":             messages.MethodNotAllowed, "\xc1\x01\x3c\xc1\x00\x02": messages.MethodNotAllowed,
		} {
			m := w.Request(messages.POST, "/1/0")
			m.AddFormat(coap.ContentFormat, new(messages.FormatTLV))
			m.Payload = []byte(payload)
			w.ExpectAnswer(fmt.Sprintf("%x", payload), m, want)
		}
		synctest.Wait()
		w.ExpectUnchanged(cfg, before)
		w.Client.ExpectQuiet()
		w.Finish()
	}, func(c *holdfast.Config) { cfg = *c })
}
