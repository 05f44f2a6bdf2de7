package control_test

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// attempts are situations in which a client waits for a server for minutes, and what
// it says of that after ten seconds.
var attempts = map[string]struct {
	begin              func(w *systemtest.World) *systemtest.Client
	sent, heard        string
	resent             int
	address, says, may string
}{
	"a wrong key": {
		func(w *systemtest.World) *systemtest.Client {
			w.ServePSK().SetPSK(systemtest.Endpoint, []byte("another key 1234"))
			return w.Start(w.PSK())
		},
		"ClientKeyExchange and Finished", "whole flight", 10, "192.0.2.1:5684", // this server sends its own flight each second
		"handshake with 192.0.2.1:5684: ClientKeyExchange and Finished sent 10 s ago, resent 10 times, last 0 ms ago; the server's flight came before, no answer since",
		"the server may not know the key",
	},
	"plain CoAP where DTLS is expected": {
		func(w *systemtest.World) *systemtest.Client {
			w.Serve(systemtest.DTLSPort, lwm2mtest.NoSec())
			return w.Start(w.PSK())
		},
		"ClientHello", "nothing", 3, "192.0.2.1:5684", "handshake with 192.0.2.1:5684: ClientHello sent 10 s ago", "plain CoAP",
	},
	"DTLS where plain CoAP is expected": {
		func(w *systemtest.World) *systemtest.Client {
			w.Serve(systemtest.CoAPPort, lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key))
			return w.Start(w.NoSec())
		},
		"Register", "nothing", 2, "192.0.2.1:5683", "request to 192.0.2.1:5683: Register sent 10 s ago, resent 2 times, last 4 s ago", "expect DTLS",
	},
	"a port that swallows": {
		func(w *systemtest.World) *systemtest.Client {
			w.Listen(systemtest.DTLSPort)
			return w.Start(w.PSK())
		},
		"ClientHello", "nothing", 3, "192.0.2.1:5684", "ClientHello sent 10 s ago, resent 3 times, last 3 s ago; nothing has come back", "a firewall may drop UDP",
	},
	"a silent bootstrap server": {
		bootstrappingSilently,
		"Bootstrap-Request", "nothing", 2, "192.0.2.2:5684", "Bootstrap-Request sent 10 s ago", "the session stands",
	},
	"a silent server behind DTLS": {
		func(w *systemtest.World) *systemtest.Client {
			w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, -1, lwm2mtest.Behaviour{AckOnly: true})
			w.ServePSK()
			return w.Start(w.PSK())
		},
		"Register", "acknowledgement", 0, "192.0.2.1:5684", "Register sent 10 s ago; acknowledged, no answer since", "takes its time",
	},
}

// Ten seconds after the first packet, explain shows what the attempt waits for,
// since when, and what has been heard.
func TestExplainShowsTheStepOfTheAttempt(t *testing.T) {
	for name, test := range attempts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				began := time.Now()
				c := test.begin(w)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				var a *holdfast.Attempt
				for _, connection := range c.Explain().Connections {
					if connection.Attempt != nil {
						a = connection.Attempt
					}
				}
				if a == nil || a.Sent != test.sent || a.Heard != test.heard || a.Resent != test.resent || a.Address != test.address {
					t.Fatalf("%+v", a)
				}
				if !a.Began.Equal(began) || !a.SentAt.Equal(began) || !a.Deadline.Equal(began.Add(3*time.Minute)) {
					t.Errorf("%+v, want what began at %v", a, began)
				}
				text := c.Ask(http.MethodGet, "/v1/explain?format=text").Body.String()
				if !strings.Contains(text, test.says) || !strings.Contains(text, test.may) {
					t.Errorf("no %q or no %q in\n%s", test.says, test.may, text)
				}
				_ = c.Close(context.Background())
			})
		})
	}
}

// The name that is being resolved is shown, too.
func TestExplainShowsWhatIsResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Network.FailDNS("dm.example", lwm2mtest.NoAnswerFromDNS)
		cfg := w.NoSec()
		cfg.Server.URI = "coap://dm.example"
		c := w.Start(cfg)
		time.Sleep(5 * time.Second)
		a := c.Explain().Connections[0].Attempt
		if a == nil || a.Host != "dm.example" || a.Sent != "DNS query" || a.Text != `resolving "dm.example" for 5 s: no name server has answered yet` || a.Hint == "" {
			t.Errorf("%+v", a)
		}
		_ = c.Close(context.Background())
	})
}

// A registered client whose Update is not answered says so; when it is, there is
// nothing to say. What a stalled actor does is of no concern to who asks.
func TestExplainShowsAnUpdateThatIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeredOverNoSec(w)
		attempt := func() *holdfast.Attempt { return c.Explain().Connections[0].Attempt }
		if a := attempt(); a != nil {
			t.Errorf("registered: %+v", a)
		}
		w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Update, 1, lwm2mtest.Behaviour{Delay: 4 * time.Second, Separate: true})
		if err := c.RegisterUpdate(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if a := attempt(); a == nil || a.Sent != "Update" || a.Heard != "acknowledgement" || !a.Began.IsZero() {
			t.Errorf("%+v", a)
		}
		got := systemtest.Object(t, c.Ask(http.MethodGet, "/v1/explain"))
		connection, _ := got["connections"].([]any)[0].(map[string]any)
		if form, _ := connection["attempt"].(map[string]any); form["sent"] != "Update" || form["text"] == nil || form["began"] != nil {
			t.Errorf("%v", connection["attempt"])
		}
		time.Sleep(3 * time.Second)
		if a := attempt(); a != nil {
			t.Errorf("answered: %+v", a)
		}
		c.ExpectClose(nil)
	})
}

// The JSON form brings everything back.
func TestAttemptAsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		c := registeringAtASilentServer(w)
		before := c.Explain().Connections[0]
		data, err := before.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var after holdfast.Connection
		if err := after.UnmarshalJSON(data); err != nil || after.Attempt == nil || after.Attempt.Text != before.Attempt.Text || !reflect.DeepEqual(after.Attempt.Resent, before.Attempt.Resent) {
			t.Errorf("%v: %+v, want %+v", err, after.Attempt, before.Attempt)
		}
		_ = c.Close(context.Background())
	})
}
