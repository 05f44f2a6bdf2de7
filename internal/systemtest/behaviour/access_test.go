package behaviour_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// control is a Bootstrap-Write of an instance of object 2; rights are those of everyone
// and of the servers 1 and 2, none below zero.
func control(path string, about, instance, owner int64, rights ...int64) lwm2mtest.BootstrapWrite {
	at, err := lwm2m.ParsePath(path)
	if err != nil {
		panic(err)
	}
	nodes := []lwm2m.Node{
		{Path: at.Child(0), Value: lwm2m.Integer(about)}, {Path: at.Child(1), Value: lwm2m.Integer(instance)},
		{Path: at.Child(3), Value: lwm2m.Integer(owner)},
	}
	for ssid, r := range rights {
		if r >= 0 {
			nodes = append(nodes, lwm2m.Node{Path: at.Child(2).Child(uint16(ssid)), Value: lwm2m.Integer(r)})
		}
	}
	return lwm2mtest.BootstrapWrite{Path: path, Nodes: nodes}
}

// sharing runs script with a client whose rack is divided between two servers: both may
// create, the first owns the instances 0 and 1, and the other may read 0.
func sharing(t *testing.T, script func(w *systemtest.World, other *lwm2mtest.Server, cfg holdfast.Config, cli *systemtest.Client)) {
	synctest.Test(t, func(t *testing.T) {
		w := systemtest.NewWorld(t, lwm2mtest.ServerOptions{})
		defer w.Close()
		other := otherServer(w)
		defer other.Close()
		first := lwm2mtest.AccountConfig{URI: "coaps://192.0.2.1", PSKIdentity: systemtest.Endpoint, PSKKey: systemtest.Key}
		second := lwm2mtest.AccountConfig{SecurityInstance: 2, ServerInstance: 1, ShortServerID: 2, URI: "coap://192.0.2.3"}
		writes := append(first.Writes(), second.Writes()...)
		writes = append(writes, control("/2/0", rackID, 65535, 65535, -1, 16, 16), control("/2/1", rackID, 0, 1, -1, -1, 1),
			control("/2/2", 3, 0, 65535, 1), control("/2/3", rackID, 1, 1))
		w.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Writes: writes})
		w.ServeBoth()
		cfg := w.Factory()
		cfg.Objects = []object.Object{newRack(0, 1)}
		script(w, other, cfg, registeredTwice(w, other, cfg))
	})
}

func registeredTwice(w *systemtest.World, other *lwm2mtest.Server, cfg holdfast.Config) *systemtest.Client {
	w.T.Helper()
	cli := w.Start(cfg)
	for range 2 {
		cli.Next(holdfast.EventRegistered)
	}
	if err := other.WaitRegistered(context.Background(), systemtest.Endpoint); err != nil {
		w.T.Fatal(err)
	}
	return cli
}

// asks has a server ask for something, and wants the code of the answer.
func asks(t *testing.T, server *lwm2mtest.Server, method messages.CoAPCode, path, body string, want messages.CoAPCode) lwm2mtest.Response {
	t.Helper()
	r := lwm2mtest.Request{Method: method, Path: path}
	if body != "" {
		r.Format, r.Payload = new(messages.FormatText), []byte(body)
		if strings.Count(path, "/") < 3 {
			r.Format = new(messages.FormatTLV)
		}
	}
	got, err := server.Do(context.Background(), systemtest.Endpoint, r)
	if err != nil || got.Code != want {
		t.Fatalf("%v %s: answered %v %q, %v; want %v", method, path, got.Code, got.Payload, err, want)
	}
	return got
}

// Two servers with different rights share a device, as a bootstrap server and the owners
// say.
func TestTwoServersShareADevice(t *testing.T) {
	const get, put, post, del = messages.GET, messages.PUT, messages.POST, messages.DELETE
	const content, changed, denied = messages.Content, messages.Changed, messages.Unauthorized
	sharing(t, func(w *systemtest.World, other *lwm2mtest.Server, _ holdfast.Config, cli *systemtest.Client) {
		first := w.Server
		asks(t, first, get, "/26241/0", "", content)
		asks(t, other, get, "/26241/0", "", content)
		asks(t, other, put, "/26241/0/0", "eA==", denied)
		asks(t, other, post, "/26241/0/2", "", denied)
		asks(t, other, get, "/26241/1", "", denied)
		asks(t, other, del, "/26241/1", "", denied)
		asks(t, other, get, "/3/0", "", content)
		asks(t, other, get, "/1/0", "", denied)
		asks(t, other, put, "/2/3/2/2", "31", denied)
		if got := asks(t, other, get, "/26241", "", content); strings.Contains(string(got.Payload), "26241/1/") {
			t.Errorf("the other server reads %s", got.Payload)
		}

		asks(t, first, put, "/2/3/2/2", "3", changed) // Read and Write
		asks(t, other, get, "/26241/1", "", content)
		asks(t, other, put, "/26241/1/0", "eA==", changed)
		asks(t, other, del, "/26241/1", "", denied)
		asks(t, first, put, "/2/1/3", "65535", messages.BadRequest)

		asks(t, other, post, "/26241", "\xc8\x00\x01x", messages.Created)
		asks(t, other, get, "/26241/2/0", "", content)
		asks(t, first, get, "/26241/2", "", denied)
		asks(t, first, del, "/26241/2", "", denied)
		asks(t, other, del, "/26241/2", "", messages.Deleted)
		asks(t, first, post, "/26241", "\xc8\x00\x01y", messages.Created)
		asks(t, first, get, "/26241/2/0", "", content)
		asks(t, other, get, "/26241/2/0", "", denied)
		time.Sleep(5 * time.Second)
		for _, server := range []*lwm2mtest.Server{first, other} {
			r, _ := server.Registration(systemtest.Endpoint)
			if objects := string(r.Objects); !strings.Contains(objects, "</2/0>,</2/1>,</2/2>,</2/3>,</2/4>") || !strings.Contains(objects, "</26241/2>") {
				t.Errorf("announced %s", objects)
			}
		}
		cli.ExpectClose(nil)
	})
}

// What has been answered outlives the process.
func TestRightsOutliveTheProcess(t *testing.T) {
	sharing(t, func(w *systemtest.World, other *lwm2mtest.Server, cfg holdfast.Config, cli *systemtest.Client) {
		asks(t, w.Server, messages.PUT, "/2/3/2/2", "1", messages.Changed)
		asks(t, other, messages.POST, "/26241", "\xc8\x00\x01x", messages.Created)
		cfg = w.Kill(cli, cfg)
		next := w.Start(cfg)
		next.WaitFor(holdfast.Registered)
		time.Sleep(10 * time.Second)
		asks(t, other, messages.GET, "/26241/1", "", messages.Content)
		asks(t, other, messages.GET, "/26241/2", "", messages.Content)
		asks(t, w.Server, messages.GET, "/26241/2", "", messages.Unauthorized)
		next.ExpectClose(nil)
	})
}

// A factory reset takes the division back, and the bootstrap that follows makes it anew.
func TestFactoryResetTakesRights(t *testing.T) {
	sharing(t, func(w *systemtest.World, other *lwm2mtest.Server, _ holdfast.Config, cli *systemtest.Client) {
		asks(t, w.Server, messages.PUT, "/2/3/2/2", "1", messages.Changed)
		if err := cli.FactoryReset(context.Background()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			cli.Next(holdfast.EventRegistered)
		}
		time.Sleep(5 * time.Second)
		asks(t, other, messages.GET, "/26241/1", "", messages.Unauthorized)
		asks(t, other, messages.GET, "/26241/0", "", messages.Content)
		cli.ExpectClose(nil)
	})
}
