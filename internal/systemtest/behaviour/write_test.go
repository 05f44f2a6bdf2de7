package behaviour_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// do sends a request to the client and demands the answer.
func do(w *systemtest.World, r lwm2mtest.Request, want messages.CoAPCode) lwm2mtest.Response {
	w.T.Helper()
	got, err := w.Server.Do(context.Background(), systemtest.Endpoint, r)
	if err != nil || got.Code != want {
		w.T.Fatalf("%v %s: answered %v %q, %v", r.Method, r.Path, got.Code, got.Payload, err)
	}
	return got
}

func writeLifetime(w *systemtest.World, seconds string) {
	w.T.Helper()
	do(w, lwm2mtest.Request{
		Method: messages.PUT, Path: "/1/0/1", Format: new(messages.FormatText), Payload: []byte(seconds),
	}, messages.Changed)
}

// A server writes its whole instance, or a part of it, in every format that the
// client announces, and reads back what it has written.
func TestServerWritesItsInstance(t *testing.T) {
	for name, c := range map[string]struct {
		format        messages.Format
		part, whole   string
		merged, after string // /1/0 as TLV, after each of the two
	}{
		"TLV": {messages.FormatTLV, "\xc1\x02\x05", "\xc1\x00\x01\xc1\x01\x3c\xc1\x06\x00\xc1\x07U",
			"\xc1\x00\x01\xc4\x01\x00\x01\x51\x80\xc1\x02\x05\xc1\x06\x01\xc1\x07U", "\xc1\x00\x01\xc1\x01\x3c\xc1\x06\x00\xc1\x07U"},
		"SenML JSON": {messages.FormatSenMLJSON, `[{"n":"/1/0/2","v":5}]`,
			`[{"bn":"/1/0/","n":"1","v":60},{"n":"6","vb":false},{"n":"7","vs":"U"}]`,
			"\xc1\x00\x01\xc4\x01\x00\x01\x51\x80\xc1\x02\x05\xc1\x06\x01\xc1\x07U", "\xc1\x00\x01\xc1\x01\x3c\xc1\x06\x00\xc1\x07U"},
		"SenML CBOR": {messages.FormatSenMLCBOR, "\x81\xa2\x00f/1/0/2\x02\x05",
			"\x83\xa2\x00f/1/0/1\x02\x18\x3c\xa2\x00f/1/0/6\x04\xf4\xa2\x00f/1/0/7\x03aU",
			"\xc1\x00\x01\xc4\x01\x00\x01\x51\x80\xc1\x02\x05\xc1\x06\x01\xc1\x07U", "\xc1\x00\x01\xc1\x01\x3c\xc1\x06\x00\xc1\x07U"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				w.ServePSK()
				cli := w.Start(w.PSK())
				cli.Next(holdfast.EventRegistered)
				for _, step := range []struct {
					method         messages.CoAPCode
					payload, after string
				}{{messages.POST, c.part, c.merged}, {messages.PUT, c.whole, c.after}} {
					do(w, lwm2mtest.Request{Method: step.method, Path: "/1/0", Format: &c.format, Payload: []byte(step.payload)}, messages.Changed)
					got := do(w, lwm2mtest.Request{Method: messages.GET, Path: "/1/0", Accept: new(messages.FormatTLV)}, messages.Content)
					if string(got.Payload) != step.after {
						t.Errorf("after %v it reads %q", step.method, got.Payload)
					}
				}
				cli.Next(holdfast.EventRegistrationUpdated)
				if r, _ := w.Server.Registration(systemtest.Endpoint); r.Lifetime != time.Minute {
					t.Errorf("the server knows the lifetime %v", r.Lifetime)
				}
				cli.ExpectClose(nil)
			})
		})
	}
}

// The lifetime that a server has written paces the Updates from then on: half of
// it, from the Update that told it.
func TestWrittenLifetimePacesTheUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		c := w.Start(w.NoSec())
		c.Next(holdfast.EventRegistered)
		time.Sleep(time.Minute)
		began := time.Now()
		writeLifetime(w, "100")
		for n := range 4 {
			if e := c.Next(holdfast.EventRegistrationUpdated); e.Time.Sub(began) != time.Duration(n)*50*time.Second {
				t.Errorf("Update %d after %v", n, e.Time.Sub(began))
			}
		}
		if got := c.Status().Connections[0].Lifetime; got != 100*time.Second {
			t.Errorf("Status shows %v", got)
		}
		c.ExpectClose(nil)
	})
}

// Retry resources that a server has written are the policy from then on, also after
// a restart: three attempts 10 s and 20 s apart, then a pause of 5 minutes.
func TestWrittenRetryResourcesAreThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		service := w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		cfg := w.NoSec()
		c := w.Start(cfg)
		c.Next(holdfast.EventRegistered)
		do(w, lwm2mtest.Request{
			Method: messages.POST, Path: "/1/0", Format: new(messages.FormatSenMLJSON),
			Payload: []byte(`[{"bn":"/1/0/","n":"17","v":3},{"n":"18","v":10},{"n":"19","v":300},{"n":"20","v":2}]`),
		}, messages.Changed)
		next := w.Kill(c, cfg)
		service.Close()
		c = w.Start(next)
		for i, want := range []time.Duration{10 * time.Second, 20 * time.Second, 5 * time.Minute, 10 * time.Second} {
			e := c.Next(holdfast.EventError)
			if got := systemtest.Retry(e); got != want {
				t.Errorf("after failure %d it waits %v, want %v", i+1, got, want)
			}
		}
		c.ExpectClose(holdfast.ErrNotRegistered)
	})
}

// Two servers write at the same instant, each its own instance: both are answered,
// and both are told.
func TestTwoServersWriteAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		other := otherServer(w)
		defer other.Close()
		c, _ := withTwoServers(w, other)
		answers := make(chan messages.CoAPCode, 2)
		servers := map[string]*lwm2mtest.Server{"/1/0/1": w.Server, "/1/1/1": other}
		for path, server := range servers {
			go func() {
				got, _ := server.Do(context.Background(), systemtest.Endpoint, lwm2mtest.Request{
					Method: messages.PUT, Path: path, Format: new(messages.FormatText), Payload: []byte("7200"),
				})
				answers <- got.Code
			}()
		}
		if a, b := <-answers, <-answers; a != messages.Changed || b != messages.Changed {
			t.Fatalf("answered %v and %v", a, b)
		}
		for range servers {
			c.Next(holdfast.EventRegistrationUpdated)
		}
		for path, server := range servers {
			if r, _ := server.Registration(systemtest.Endpoint); r.Lifetime != 2*time.Hour {
				t.Errorf("the server of %s knows the lifetime %v", path, r.Lifetime)
			}
		}
		c.ExpectClose(nil)
	})
}
