package hostile_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// noRoom is a server URI that no Register can carry.
var noRoom = "coap://192.0.2.1" + strings.Repeat("/a", 80)

// plant stores a record of one account without security, as a version would
// have that did not look.
func plant(t *testing.T, dir string, record string, address string) {
	t.Helper()
	u, err := uri.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	tree := accounts.ToTree([]messages.Account{{
		Peer: messages.ManagementPeer(1), URI: u, Lifetime: time.Hour, Credentials: messages.Credentials{Mode: messages.SecurityNoSec},
	}})
	_, err = s.Save(record, accounts.Encode(tree))
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

// A provisioned account whose URI no Register can carry is no usable account:
// it is named, no packet leaves, and a person is asked for.
func TestProvisionedURIWithoutRoomIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		cfg := w.NoSec()
		cfg.Server = nil
		plant(t, cfg.StateDir, messages.RecordFactory, noRoom)
		c := w.Start(cfg)
		for range 3 {
			e := c.Next(holdfast.EventError)
			if e.Code != holdfast.CodeInvalidCredentials || e.Action != holdfast.ActionUser ||
				!strings.Contains(e.Detail, "/0/0/0 leaves no room for the request that it has to carry: 80 path segments") {
				t.Errorf("%+v", e)
			}
		}
		if n := len(w.Network.Packets()); n > 0 {
			t.Errorf("%d packets have left", n)
		}
		c.ExpectClose(holdfast.ErrNotRegistered)
	})
}

// A stored account of the kind is reported, and the factory's counts.
func TestStoredURIWithoutRoomFallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		cfg := w.NoSec()
		plant(t, cfg.StateDir, messages.RecordCredentials, noRoom)
		c := w.Start(cfg)
		e := c.Next(holdfast.EventError)
		if e.Code != holdfast.CodeReadCredentials || !strings.Contains(e.Detail, "/0/0/0 leaves no room") {
			t.Errorf("%+v", e)
		}
		if e := c.Next(holdfast.EventRegistered); e.Server != "coap://192.0.2.1" {
			t.Errorf("%+v", e)
		}
		c.ExpectClose(nil)
	})
}

// The longest URI that is accepted can carry everything: Register, Update, and
// what a server's Echo adds.
func TestURIWithJustEnoughRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		challenged := 0
		w.Script(systemtest.CoAPPort, func(m coap.Message) []coap.Message {
			if !m.Has(coap.Echo) {
				challenged++
				challenge := systemtest.Reply(m, messages.Unauthorized)
				challenge.AddOption(coap.Echo, make([]byte, 40))
				return []coap.Message{challenge}
			}
			answer := systemtest.Reply(m, messages.Created)
			answer.AddString(coap.LocationPath, "rd")
			return []coap.Message{answer}
		})
		cfg := w.NoSec()
		cfg.Endpoint = strings.Repeat("e", 64)
		cfg.Server.URI = "coap://192.0.2.1" + strings.Repeat("/a", 55)
		c := w.Start(cfg)
		if e := c.Next(holdfast.EventRegistered); challenged != 1 {
			t.Errorf("%d challenges, %+v", challenged, e)
		}
		_ = c.Close(t.Context())
	})
}

// Row 28: a 2.01 with 70 Location-Path options is no message: each one is
// dropped and reported, once a resend, the attempts end by their budget and come
// by the policy, and a server that comes to its senses is registered with.
func TestHostile28LocationThatIsNoMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		began := time.Now()
		sane := func() bool { return time.Since(began) > 7*time.Minute }
		w.ScriptRaw(w.Listen(systemtest.CoAPPort), func(data []byte) [][]byte {
			m, err := coap.Decode(data)
			if err != nil {
				t.Error(err)
			}
			answer := systemtest.Reply(m, messages.Created)
			if sane() {
				answer.AddString(coap.LocationPath, "rd")
				return [][]byte{systemtest.Encode(t, answer)}
			}
			raw := append(systemtest.Encode(t, answer), 0x81, 'a')
			for range 69 {
				raw = append(raw, 0x01, 'a')
			}
			return [][]byte{raw}
		})
		c := w.Start(w.NoSec())
		var failed []time.Duration
		for len(failed) < 2 {
			switch e := c.Next(holdfast.EventError); e.Code {
			case holdfast.CodeResponseParse:
			case holdfast.CodeTimeout:
				failed = append(failed, e.Time.Sub(began))
			default:
				t.Fatalf("%+v", e)
			}
		}
		if failed[0] != 3*time.Minute || failed[1] != 6*time.Minute+5*time.Second {
			t.Errorf("attempts ended after %v", failed)
		}
		c.Next(holdfast.EventRegistered)
		_ = c.Close(t.Context())
	})
}
