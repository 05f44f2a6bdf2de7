package behaviour_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// Code 6: nothing comes back. One error at exactly three minutes, then r0.
func TestBlackHoleIsATimeOutAfterThreeMinutes(t *testing.T) {
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprintf("secured=%v", secured), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				cfg, port, security := w.NoSec(), uint16(systemtest.CoAPPort), lwm2mtest.NoSec()
				if secured {
					cfg, port, security = w.PSK(), systemtest.DTLSPort, lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key)
				}
				w.Serve(port, security)
				hole := w.Network.Impair(lwm2mtest.ToHost(w.Host), lwm2mtest.Conditions{BlackHole: true})
				began := time.Now()
				c := w.Start(cfg)
				at := 180 * time.Second
				for attempt := uint64(1); attempt <= 4; attempt++ {
					e := c.Next(holdfast.EventError)
					if e.Code != holdfast.CodeTimeout || e.Attempt != attempt || e.Time.Sub(began) != at {
						t.Fatalf("after %v, want %v: %+v", e.Time.Sub(began), at, e)
					}
					at += systemtest.Delay(5*time.Second, attempt-1) + 180*time.Second
				}
				hole.Lift()
				if e := c.Next(holdfast.EventRegistered); e.Time.Sub(began) != at-180*time.Second {
					t.Errorf("registered after %v", e.Time.Sub(began))
				}
				c.ExpectClose(nil)
			})
		})
	}
}

// RFC 7252 section 4.2: with the least draw, resends at 2, 6, 14 and 30 s; a
// new exchange at 62 s and at 124 s, while budget is left.
func TestRegisterIsResentAtTheInstantsOfTheStandard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		hole := w.Network.Impair(lwm2mtest.ToHost(w.Host), lwm2mtest.Conditions{BlackHole: true})
		began := time.Now()
		c := w.Start(w.NoSec())
		c.Next(holdfast.EventError)
		hole.Lift()
		var at []int
		var first [][]byte
		for _, p := range w.Network.Packets() {
			at = append(at, int(p.Time.Sub(began)/time.Second))
			first = append(first, p.Data)
		}
		want := []int{0, 2, 6, 14, 30, 62, 64, 68, 76, 92, 124, 126, 130, 138, 154}
		if !slices.Equal(at, want) {
			t.Errorf("sent at %v, want %v", at, want)
		}
		for i := 1; i < 5; i++ {
			if string(first[i]) != string(first[0]) {
				t.Errorf("resend %d differs from the first transmission", i)
			}
		}
		if string(first[5]) == string(first[0]) {
			t.Error("a new exchange needs a new message ID and token")
		}
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
	})
}

// Code 13: resolve again by the policy until it resolves.
func TestNameIsResolvedAgainOnEveryAttempt(t *testing.T) {
	tests := []struct {
		name    string
		failure lwm2mtest.DNSFailure
		takes   time.Duration
	}{
		{"NXDOMAIN", lwm2mtest.NameNotFound, 0},
		{"SERVFAIL", lwm2mtest.ServerFailure, 0},
		{"silence", lwm2mtest.NoAnswerFromDNS, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
				w.Network.FailDNS("server.test", tt.failure)
				cfg := w.NoSec()
				cfg.Server.URI = "coap://server.test"
				began := time.Now()
				c := w.Start(cfg)
				at := tt.takes
				for attempt := uint64(1); attempt <= 3; attempt++ {
					e := c.Next(holdfast.EventError)
					if e.Code != holdfast.CodeDNS || e.Attempt != attempt || e.Time.Sub(began) != at {
						t.Fatalf("after %v, want %v: %+v", e.Time.Sub(began), at, e)
					}
					at += systemtest.Delay(5*time.Second, attempt-1) + tt.takes
				}
				w.Network.SetDNS("server.test", systemtest.ServerAddr)
				if e := c.Next(holdfast.EventRegistered); e.Time.Sub(began) != at-tt.takes {
					t.Errorf("registered after %v", e.Time.Sub(began))
				}
				c.ExpectClose(nil)
			})
		})
	}
}

// docs/design.md, Silence: after the server lost its DTLS state, the resends of
// an Update are exhausted 62 s (least draw) after the first one; then a new
// session is up at once and the Update is accepted.
func TestForgottenSessionIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		service := w.ServePSK()
		c := w.Start(w.PSK())
		c.WaitFor(holdfast.Registered)
		c.Next(holdfast.EventRegistered)
		service.ForgetSessions()
		began := time.Now()
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		e := c.Next(holdfast.EventError)
		if e.Code != holdfast.CodeNetwork || e.Phase != "update" || systemtest.Retry(e) != 0 || e.Time.Sub(began) != 62*time.Second {
			t.Errorf("after %v: %+v", e.Time.Sub(began), e)
		}
		c.Next(holdfast.EventRegistrationUpdated)
		if e := c.Next(holdfast.EventRegistered); e.Time.Sub(began) != 62*time.Second || e.Location != "/rd/1" {
			t.Errorf("after %v: %+v", e.Time.Sub(began), e)
		}
		if w.Server.Registers(systemtest.Endpoint) != 1 {
			t.Error("the registration was known: an Update is enough")
		}
		c.ExpectClose(nil)
	})
}

// A NAT that forgets the mapping looks the same, and a server that has also
// forgotten the registration answers the Update 4.04: Register at once.
func TestRebindingAndForgottenRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServePSK()
		c := w.Start(w.PSK())
		c.WaitFor(holdfast.Registered)
		c.Next(holdfast.EventRegistered)
		w.Gateway.Rebind()
		w.Server.Forget()
		began := time.Now()
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		if e := c.Next(holdfast.EventRegistered); e.Time.Sub(began) != 62*time.Second || e.Location != "/rd/2" {
			t.Errorf("after %v: %+v", e.Time.Sub(began), e)
		}
		c.ExpectClose(nil)
	})
}

// Silence within the ladder is code 6, with the next attempt count.
func TestSilenceWithinTheLadder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		c := w.Start(w.NoSec())
		c.WaitFor(holdfast.Registered)
		hole := w.Network.Impair(lwm2mtest.ToHost(w.Host), lwm2mtest.Conditions{BlackHole: true})
		began := time.Now()
		if err := c.RegisterUpdate(context.Background()); err != nil {
			t.Fatal(err)
		}
		want := []struct {
			code  holdfast.ErrorCode
			at    time.Duration
			retry time.Duration
		}{
			{holdfast.CodeNetwork, 62 * time.Second, 0},
			{holdfast.CodeTimeout, 124 * time.Second, 10 * time.Second},
			{holdfast.CodeTimeout, 196 * time.Second, 20 * time.Second},
		}
		for i, tt := range want {
			e := c.Next(holdfast.EventError)
			retry, _ := e.RetryIn()
			if e.Code != tt.code || e.Attempt != uint64(i+1) || e.Time.Sub(began) != tt.at || retry != tt.retry {
				t.Fatalf("after %v: %+v", e.Time.Sub(began), e)
			}
		}
		hole.Lift()
		if e := c.Next(holdfast.EventRegistered); e.Time.Sub(began) != 216*time.Second || systemtest.Offline(e) != 154*time.Second {
			t.Errorf("after %v: %+v", e.Time.Sub(began), e)
		}
		if w.Server.Registers(systemtest.Endpoint) != 1 {
			t.Error("silence must not cost the registration")
		}
		c.ExpectClose(nil)
	})
}

// 4.29 and 5.03: no request of that kind leaves before Max-Age has passed.
func TestOverloadedServerIsLeftAlone(t *testing.T) {
	for _, code := range []messages.CoAPCode{messages.TooManyRequests, messages.ServiceUnavailable} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
				defer w.Close()
				w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
				w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: code, MaxAge: new(uint32(300))})
				w.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Update, 1, lwm2mtest.Behaviour{Answer: code})
				began := time.Now()
				c := w.Start(w.NoSec())
				c.Next(holdfast.EventError)
				time.Sleep(time.Second)
				c.NetworkUp() // never shortens what a server asked for
				if e := c.Next(holdfast.EventRegistered); e.Time.Sub(began) != 300*time.Second {
					t.Errorf("registered after %v", e.Time.Sub(began))
				}
				if err := c.RegisterUpdate(context.Background()); err != nil {
					t.Fatal(err)
				}
				if e := c.Next(holdfast.EventError); systemtest.Retry(e) != 60*time.Second {
					t.Errorf("%+v", e)
				}
				if err := c.RegisterUpdate(context.Background()); !systemtest.IsError(err, holdfast.ErrNotAllowed) {
					t.Errorf("an update during a floor: %v", err)
				}
				if e := c.Next(holdfast.EventRegistrationUpdated); e.Time.Sub(began) != 360*time.Second {
					t.Errorf("updated after %v", e.Time.Sub(began))
				}
				c.ExpectClose(nil)
			})
		})
	}
}

// Code 8: a malformed message is dropped, a CON answered RST, one event a
// second made; the next valid message is answered.
func TestMalformedMessagesChangeNothing(t *testing.T) {
	garbage := [][]byte{
		{}, {0xff}, {0x40, 0x01}, {0x80, 0x01, 0, 1}, {0x49, 0x01, 0, 1}, {0x40, 0x01, 0, 1, 0xff},
		{0x40, 0x01, 0, 1, 0xf0}, {0x40, 0x00, 0, 1, 2, 3}, {0x44, 0x01, 0, 1, 1}, {0x40, 0x20, 0, 1},
	}
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		c := w.Start(w.NoSec())
		c.WaitFor(holdfast.Registered)
		for _, data := range garbage {
			if err := w.Server.SendRaw(systemtest.Endpoint, data); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if e := c.Next(holdfast.EventError); e.Code != holdfast.CodeResponseParse || e.Action != holdfast.ActionIgnore {
			t.Errorf("%+v", e)
		}
		got, err := w.Server.Read(context.Background(), systemtest.Endpoint, "/3/0/0", messages.FormatTLV)
		if err != nil || got.Code != messages.Content {
			t.Errorf("read after garbage: %v, %v", got.Code, err)
		}
		if n := len(c.Feed); n != 0 {
			t.Errorf("%d more events: %s", n, c.Story())
		}
		c.ExpectClose(nil)
	})
}

// One black-holed address among two: registered within the first attempt, or
// the second.
func TestBlackHoledAddressCannotHideAGoodOne(t *testing.T) {
	hole := netip.MustParseAddr("192.0.2.99")
	orders := [][]netip.Addr{{hole, systemtest.ServerAddr}, {systemtest.ServerAddr, hole}}
	for i, order := range orders {
		for _, secured := range []bool{false, true} {
			t.Run(fmt.Sprintf("order %d secured=%v", i, secured), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
					defer w.Close()
					w.Network.SetDNS("server.test", order...)
					cfg := w.NoSec()
					cfg.Server.URI = "coap://server.test"
					w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
					if secured {
						cfg = w.PSK()
						cfg.Server.URI = "coaps://server.test"
						w.ServePSK()
					}
					began := time.Now()
					c := w.Start(cfg)
					e := c.Next(holdfast.EventRegistered)
					if e.Attempts != 1 || e.Time.Sub(began) > 91*time.Second {
						t.Errorf("registered after %v in %d attempts", e.Time.Sub(began), e.Attempts)
					}
					c.ExpectClose(nil)
				})
			})
		}
	}
}
