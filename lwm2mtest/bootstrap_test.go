package lwm2mtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2m/senml"
	"github.com/holdfast-iot/holdfast/lwm2m/tlv"
)

// operation is one bootstrap operation as a client sees it.
type operation struct {
	Method lwm2m.Code
	Path   string
}

// serveBootstrap answers bootstrap operations with success until the server
// falls silent, and returns them with their messages.
func (c *client) serveBootstrap() (ops []operation, requests []coap.Message) {
	for {
		m, err := c.read(10 * time.Minute)
		if err != nil {
			return ops, requests
		}
		ops = append(ops, operation{m.Code, "/" + strings.Join(m.Path(), "/")})
		requests = append(requests, m)
		success := map[lwm2m.Code]lwm2m.Code{
			lwm2m.CodeGET: lwm2m.CodeContent, lwm2m.CodePUT: lwm2m.CodeChanged,
			lwm2m.CodePOST: lwm2m.CodeChanged, lwm2m.CodeDELETE: lwm2m.CodeDeleted,
		}
		c.answerWith(m, success[m.Code], nil)
	}
}

func (c *client) bootstrapRequest(query ...string) coap.Message {
	return c.message(lwm2m.CodePOST, []string{"bs"}, query, "")
}

var account = AccountConfig{URI: "coaps://10.0.0.2:5684", PSKIdentity: "gw", PSKKey: []byte{1, 2, 3, 4}, Lifetime: time.Hour}

func TestBootstrapSequence(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.server.SetBootstrap("gw", BootstrapConfig{Discover: []string{"/"}, Delete: []string{"/0", "/1"}, Writes: account.Writes(), Read: []string{"/1"}})
		c := r.dial(5684)
		assertCode(t, c.ask(c.bootstrapRequest("ep=gw")), lwm2m.CodeChanged)
		ops, requests := c.serveBootstrap()
		want := []operation{
			{lwm2m.CodeGET, "/"}, {lwm2m.CodeDELETE, "/0"}, {lwm2m.CodeDELETE, "/1"},
			{lwm2m.CodePUT, "/0/1"}, {lwm2m.CodePUT, "/1/0"}, {lwm2m.CodeGET, "/1"}, {lwm2m.CodePOST, "/bs"},
		}
		if diff := cmp.Diff(want, ops); diff != "" {
			t.Fatal(diff)
		}
		assertAccount(t, requests[3], requests[4])
		result, err := r.server.WaitBootstraps(t.Context(), "gw", 1)
		if err != nil || result.Err != nil || len(result.Steps) != 7 || result.Steps[6].Response.Code != lwm2m.CodeChanged {
			t.Errorf("result %+v, %v", result, err)
		}
	})
}

// assertAccount decodes the writes of the account.
func assertAccount(t *testing.T, security, server coap.Message) {
	t.Helper()
	decode := tlv.Decode
	if *security.Format(coap.ContentFormat) == lwm2m.FormatSenMLCBOR {
		decode = senml.DecodeCBOR
	}
	registry := objects.Core()
	sec := must(decode(lwm2m.PathOf(0, 1), security.Payload, registry))(t).Tree()
	srv := must(decode(lwm2m.PathOf(1, 0), server.Payload, registry))(t).Tree()
	uri, _ := sec.Resource(lwm2m.PathOf(0, 1, objects.SecurityServerURI))
	key, _ := sec.Resource(lwm2m.PathOf(0, 1, objects.SecuritySecretKey))
	lifetime, _ := srv.Resource(lwm2m.PathOf(1, 0, objects.ServerLifetime))
	if uri.Value.Text() != account.URI || string(key.Value.Bytes()) != string(account.PSKKey) || lifetime.Value.Int() != 3600 {
		t.Errorf("URI %v, key %v, lifetime %v", uri.Value, key.Value, lifetime.Value)
	}
}

// An answer that comes late, or in a message of its own, comes before the first
// operation all the same.
func TestBootstrapFollowsTheAnswer(t *testing.T) {
	for _, f := range []Behaviour{{Delay: time.Second}, {Delay: time.Second, Separate: true}} {
		serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
			r.server.SetBootstrap("gw", BootstrapConfig{})
			r.server.Misbehave("gw", BootstrapRequest, 1, f)
			c := r.dial(5684)
			c.send(c.bootstrapRequest("ep=gw"))
			answer := c.next()
			if answer.IsEmpty() {
				answer = c.next()
				c.send(coap.EmptyACK(answer.MID))
			}
			assertCode(t, answer, lwm2m.CodeChanged)
			if finish := c.next(); finish.Code != lwm2m.CodePOST || time.Since(r.start) != time.Second {
				t.Errorf("%v after %v", finish, time.Since(r.start))
			}
		})
	}
}

func TestBootstrapHonoursPreferredFormat(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.server.SetBootstrap("", BootstrapConfig{Writes: account.Writes()})
		c := r.dial(5684)
		assertCode(t, c.ask(c.bootstrapRequest("ep=gw", "pct=110")), lwm2m.CodeUnsupportedFormat)
		assertCode(t, c.ask(c.bootstrapRequest("ep=gw", "pct=112")), lwm2m.CodeChanged)
		_, requests := c.serveBootstrap()
		if f := requests[0].Format(coap.ContentFormat); f == nil || *f != lwm2m.FormatSenMLCBOR {
			t.Fatalf("format %v", f)
		}
		assertAccount(t, requests[0], requests[1])
	})
}

func TestBootstrapRefusesUnknownEndpoints(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.server.SetBootstrap("other", BootstrapConfig{})
		c := r.dial(5684)
		assertCode(t, c.ask(c.bootstrapRequest("ep=gw")), lwm2m.CodeBadRequest)
		assertCode(t, c.ask(c.bootstrapRequest()), lwm2m.CodeBadRequest)
		assertCode(t, c.ask(c.registerMessage("gw")), lwm2m.CodeNotFound)
		if got := len(r.server.Requests("gw", BootstrapRequest)); got != 1 {
			t.Errorf("%d requests", got)
		}
	})
}

func TestBootstrapStopsAtRefusal(t *testing.T) {
	for _, keepGoing := range []bool{false, true} {
		serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
			r.server.SetBootstrap("gw", BootstrapConfig{Writes: account.Writes(), KeepGoing: keepGoing})
			c := r.dial(5684)
			c.ask(c.bootstrapRequest("ep=gw"))
			c.answerWith(c.next(), lwm2m.CodeBadRequest, nil)
			ops, _ := c.serveBootstrap()
			result, err := r.server.WaitBootstraps(t.Context(), "gw", 1)
			if err != nil {
				t.Fatal(err)
			}
			var failed *BootstrapError
			if keepGoing != (len(ops) == 2 && result.Err == nil) || keepGoing == errors.As(result.Err, &failed) {
				t.Errorf("keep going %v: %v, %v", keepGoing, ops, result.Err)
			}
		})
	}
}

func TestBootstrapTimesOut(t *testing.T) {
	serverBubble(t, ServerOptions{MaxRetransmit: -1}, NoSec(), func(t *testing.T, r *rig) {
		r.server.SetBootstrap("gw", BootstrapConfig{})
		c := r.dial(5684)
		c.ask(c.bootstrapRequest("ep=gw"))
		result, err := r.server.WaitBootstraps(t.Context(), "gw", 1)
		if err != nil || !errors.Is(result.Err, ErrTimeout) || result.Ended.Sub(result.Started) > 3*time.Second {
			t.Errorf("result %+v, %v", result, err)
		}
	})
}

func TestBootstrapHoldsBeforeFinish(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		release := make(chan struct{})
		r.server.SetBootstrap("gw", BootstrapConfig{Writes: account.Writes(), Before: func(ctx context.Context, step BootstrapStep) error {
			if step.Kind != StepFinish {
				return nil
			}
			select {
			case <-release:
			case <-ctx.Done():
			}
			return ctx.Err()
		}})
		time.AfterFunc(time.Minute, func() { close(release) })
		c := r.dial(5684)
		c.ask(c.bootstrapRequest("ep=gw"))
		c.serveBootstrap()
		result, err := r.server.WaitBootstraps(t.Context(), "gw", 1)
		if err != nil || result.Err != nil || result.Ended.Sub(r.start) != time.Minute {
			t.Errorf("result %+v, %v", result, err)
		}
	})
}

var errKilled = errors.New("killed")

func TestBootstrapAbandonedAndNoFinish(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.server.SetBootstrap("gw", BootstrapConfig{Before: func(context.Context, BootstrapStep) error { return errKilled }})
		c := r.dial(5684)
		c.ask(c.bootstrapRequest("ep=gw"))
		c.silence()
		r.server.SetBootstrap("gw", BootstrapConfig{Delete: []string{"/"}, NoFinish: true})
		c.ask(c.bootstrapRequest("ep=gw"))
		ops, _ := c.serveBootstrap()
		if diff := cmp.Diff([]operation{{lwm2m.CodeDELETE, "/"}}, ops); diff != "" {
			t.Error(diff)
		}
		results := r.server.Bootstraps("gw")
		if len(results) != 2 || results[0].Err != errKilled || results[1].Err != nil {
			t.Errorf("results %+v", results)
		}
	})
}

func TestBootstrapTwice(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.server.SetBootstrap("gw", BootstrapConfig{Delete: []string{"/1"}, Twice: true})
		c := r.dial(5684)
		c.ask(c.bootstrapRequest("ep=gw"))
		first, second := c.next(), c.next()
		if diff := cmp.Diff(first, second); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBootstrapEndsWithServer(t *testing.T) {
	serverBubble(t, ServerOptions{}, NoSec(), func(t *testing.T, r *rig) {
		r.server.SetBootstrap("gw", BootstrapConfig{Delete: []string{"/1"}})
		c := r.dial(5684)
		c.ask(c.bootstrapRequest("ep=gw"))
		synctest.Wait()
		if err := r.server.Close(); err != nil {
			t.Error(err)
		}
		if results := r.server.Bootstraps("gw"); len(results) != 1 || !errors.Is(results[0].Err, ErrClosed) {
			t.Errorf("results %+v", results)
		}
	})
}

func TestAccountModes(t *testing.T) {
	usage := uint8(2)
	for want, a := range map[int64]AccountConfig{
		0: {PSKKey: []byte{1}},
		2: {Certificate: []byte{1}, PrivateKey: []byte{2}, ServerCertificate: []byte{3}, CertificateUsage: &usage},
		3: {},
	} {
		tree := lwm2m.Payload{Nodes: a.Writes()[0].Nodes}.Tree()
		mode, _ := tree.Resource(lwm2m.PathOf(0, 1, objects.SecurityMode))
		got, has := tree.Resource(lwm2m.PathOf(0, 1, objects.SecurityCertificateUsage))
		if mode.Value.Int() != want || has != (want == 2) || (has && got.Value.Uint() != 2) {
			t.Errorf("mode %v, usage %v", mode.Value, got.Value)
		}
	}
}
