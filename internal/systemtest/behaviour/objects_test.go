package behaviour_test

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// serving runs script with a client that serves objects and is registered.
func serving(t *testing.T, objects []object.Object, script func(*systemtest.World, *systemtest.Client)) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServePSK()
		cfg := w.PSK()
		cfg.Objects = objects
		cli := w.Start(cfg)
		cli.Next(holdfast.EventRegistered)
		script(w, cli)
		cli.ExpectClose(nil)
	})
}

// expectAnnounced demands what the server knows of the rack.
func expectAnnounced(w *systemtest.World, want ...string) {
	w.T.Helper()
	r, _ := w.Server.Registration(systemtest.Endpoint)
	if got := announced(r.Objects); !slices.Equal(got, want) {
		w.T.Fatalf("announced: %v, want %v", got, want)
	}
}

// A server creates, reads, writes, executes and deletes; each change of the instances is
// told by an Update, not more often than once a second.
func TestServerManagesAnObject(t *testing.T) {
	r := newRack(0)
	serving(t, []object.Object{r}, func(w *systemtest.World, cli *systemtest.Client) {
		expectAnnounced(w, "</26241/0>", "</26241>;ver=2.1")
		time.Sleep(time.Minute)
		begun := time.Now()
		for range 3 {
			do(w, lwm2mtest.Request{Method: messages.POST, Path: "/26241", Format: new(messages.FormatTLV), Payload: []byte("\xc1\x00x")}, messages.Created)
		}
		do(w, lwm2mtest.Request{Method: messages.DELETE, Path: "/26241/0"}, messages.Deleted)
		do(w, lwm2mtest.Request{Method: messages.POST, Path: "/26241/2/2", Format: new(messages.FormatText), Payload: []byte("0='1'")}, messages.Changed)
		do(w, lwm2mtest.Request{Method: messages.PUT, Path: "/26241/1/0", Format: new(messages.FormatOpaque), Payload: []byte("y")}, messages.Changed)
		got := do(w, lwm2mtest.Request{Method: messages.GET, Path: "/26241/1/0", Accept: new(messages.FormatOpaque)}, messages.Content)
		if string(got.Payload) != "y" {
			t.Errorf("it reads %q", got.Payload)
		}
		time.Sleep(2 * time.Second)
		expectAnnounced(w, "</26241/1>", "</26241/2>", "</26241/3>", "</26241>;ver=2.1")
		if took := time.Since(begun); w.Server.Updates(systemtest.Endpoint) > 1+int(took/time.Second) {
			t.Errorf("%d Updates in %v", w.Server.Updates(systemtest.Endpoint), took)
		}
	})
}

// Instances that the application adds are announced at once, and those that follow
// together a second later.
func TestInstancesOfTheApplicationAreAnnounced(t *testing.T) {
	r := newRack()
	serving(t, []object.Object{r}, func(w *systemtest.World, cli *systemtest.Client) {
		expectAnnounced(w, "</26241>;ver=2.1")
		time.Sleep(time.Minute)
		begun := time.Now()
		r.plug(4)
		cli.Next(holdfast.EventRegistrationUpdated)
		r.plug(5)
		r.plug(6, 7)
		if e := cli.Next(holdfast.EventRegistrationUpdated); e.Time.Sub(begun) < time.Second {
			t.Errorf("the second Update comes after %v", e.Time.Sub(begun))
		}
		time.Sleep(time.Minute)
		expectAnnounced(w, "</26241/4>", "</26241/5>", "</26241/6>", "</26241/7>", "</26241>;ver=2.1")
		if n := w.Server.Updates(systemtest.Endpoint); n != 2 {
			t.Errorf("%d Updates", n)
		}
	})
}

// What has come while the client was away is told when it is back.
func TestInstancesThatComeWhilePaused(t *testing.T) {
	r := newRack(0)
	serving(t, []object.Object{r}, func(w *systemtest.World, cli *systemtest.Client) {
		if err := cli.Pause(context.Background()); err != nil {
			t.Fatal(err)
		}
		r.plug(1)
		time.Sleep(time.Hour)
		if err := cli.Resume(context.Background()); err != nil {
			t.Fatal(err)
		}
		cli.WaitFor(holdfast.Registered)
		time.Sleep(10 * time.Second)
		expectAnnounced(w, "</26241/0>", "</26241/1>", "</26241>;ver=2.1")
	})
}

// What is too large for a datagram goes in blocks, both ways.
func TestLargeValues(t *testing.T) {
	r := newRack(0)
	image := bytes.Repeat([]byte("0123456789"), 5000)
	serving(t, []object.Object{r}, func(w *systemtest.World, _ *systemtest.Client) {
		do(w, lwm2mtest.Request{Method: messages.PUT, Path: "/26241/0/0", Format: new(messages.FormatOpaque), Payload: image}, messages.Changed)
		got := do(w, lwm2mtest.Request{Method: messages.GET, Path: "/26241/0/0", Accept: new(messages.FormatOpaque)}, messages.Content)
		if !bytes.Equal(got.Payload, image) {
			t.Errorf("%d bytes come back of %d", len(got.Payload), len(image))
		}
	})
}

// A handler that hangs delays no request, no timer and no link, and ends with 5.00 at
// its deadline.
func TestSlowHandlerHoldsNothingUp(t *testing.T) {
	r := newRack(0)
	r.delay = time.Hour
	serving(t, []object.Object{r}, func(w *systemtest.World, cli *systemtest.Client) {
		begun := time.Now()
		answered := make(chan lwm2mtest.Response)
		go func() {
			defer close(answered)
			got, err := w.Server.Do(context.Background(), systemtest.Endpoint, lwm2mtest.Request{Method: messages.POST, Path: "/26241/0/2"})
			if err != nil || got.Code != messages.InternalServerError {
				t.Errorf("answered %v %q, %v", got.Code, got.Payload, err)
			}
		}()
		synctest.Wait()
		do(w, lwm2mtest.Request{Method: messages.GET, Path: "/3/0/0", Accept: new(messages.FormatText)}, messages.Content)
		if err := cli.RegisterUpdate(context.Background()); err != nil {
			t.Error(err)
		}
		cli.Next(holdfast.EventRegistrationUpdated)
		if took := time.Since(begun); took > time.Second {
			t.Errorf("a Read and an Update take %v", took)
		}
		<-answered
		if took := time.Since(begun); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("it is answered after %v", took)
		}
		time.Sleep(2 * time.Hour) // until the handler is gone
	})
}

// A process that is started again with other instances than the server knows tells them
// by an Update, not by a Register.
func TestInstancesThatComeWhileTheProcessIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServePSK()
		cfg := w.PSK()
		cfg.Objects = []object.Object{newRack(0)}
		cli := w.Start(cfg)
		cli.WaitFor(holdfast.Registered)
		time.Sleep(time.Minute)
		cfg = w.Kill(cli, cfg)
		cfg.Objects = []object.Object{newRack(0, 8)}
		cli = w.Start(cfg)
		cli.WaitFor(holdfast.Registered)
		time.Sleep(time.Minute)
		expectAnnounced(w, "</26241/0>", "</26241/8>", "</26241>;ver=2.1")
		if n := w.Server.Registers(systemtest.Endpoint); n != 1 {
			t.Errorf("%d Registers", n)
		}
		cli.ExpectClose(nil)
	})
}

// A management actor that is started anew serves and watches the objects as before, and
// tells of the instances that have come meanwhile.
func TestObjectsAfterACrashOfManagement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		w.ServePSK()
		r := newRack(0)
		cfg := w.PSK()
		cfg.Objects = []object.Object{r}
		cli := w.Start(cfg, lwm2mtest.WithTap(systemtest.NewCrashOnce[messages.Inbound]("management")))
		cli.Next(holdfast.EventRegistered)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, _ = w.Server.Do(ctx, systemtest.Endpoint, lwm2mtest.Request{Method: messages.GET, Path: "/26241/0/0"}) // it crashes
		time.Sleep(time.Minute)
		r.plug(1)
		cli.Next(holdfast.EventRegistrationUpdated)
		expectAnnounced(w, "</26241/0>", "</26241/1>", "</26241>;ver=2.1")
		do(w, lwm2mtest.Request{Method: messages.GET, Path: "/26241/0/0", Accept: new(messages.FormatOpaque)}, messages.Content)
		cli.ExpectClose(nil)
	})
}
