package bootstrap

import (
	"bytes"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/access"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// sensorRights is /2/0: server 1 owns /3303/0, server 2 may read it.
func sensorRights() []lwm2m.Resource {
	return []lwm2m.Resource{
		{ID: 0, Value: lwm2m.Integer(3303)},
		{ID: 1, Value: lwm2m.Integer(0)},
		{ID: 2, Multiple: true, Instances: []lwm2m.ResourceInstance{{ID: 2, Value: lwm2m.Integer(1)}}},
		{ID: 3, Value: lwm2m.Integer(1)},
	}
}

// Object 2 is written, read, discovered and deleted like object 1, and is stored
// with it.
func TestAccessControl(t *testing.T) {
	m := opened(t, "1.1", factoryTree())
	object, instance := mustPath("/2"), mustPath("/2/0")
	body := encodeBody(tlvF, instance, nodes(instance, sensorRights()))
	for _, c := range []struct {
		name string
		in   messages.Inbound
		want messages.CoAPCode
	}{
		{"not there yet", inbound(messages.GET, "/2"), messages.NotFound},
		{"nor to be discovered", accepting("/2", links), messages.NotFound},
		{"an instance", writing("/2/0", tlvF, body), messages.Changed},
		{"the object", writing("/2", cborF, encodeBody(cborF, object, nodes(instance, sensorRights()))), messages.Changed},
		{"one resource", writing("/2/0/3", text, []byte("1")), messages.Changed},
		{"the right to create", writing("/2/1/1", text, []byte("65535")), messages.Changed},
		{"a delete of that", inbound(messages.DELETE, "/2/1"), messages.Deleted},
		{"not an object ID", writing("/2/0/0", text, []byte("0")), messages.BadRequest},
		{"no such resource", writing("/2/0/4", text, []byte("0")), messages.NotFound},
		{"not a right", writing("/2/0/2", tlvF, []byte{0x83, 2, 0x41, 2, 0xff}), messages.BadRequest},
		{"a resource is not read", inbound(messages.GET, "/2/0/3"), messages.MethodNotAllowed},
		{"what is not there", inbound(messages.GET, "/2/9"), messages.NotFound},
	} {
		if code := answered(operate(m, start, c.in)); code != c.want {
			t.Errorf("%s: %v", c.name, code)
		}
	}
	read := m.session.serve(accepting("/2/0", tlvF))
	if read.Code != messages.Content || !bytes.Equal(read.Payload, body) {
		t.Errorf("read %v %x, want %x", read.Code, read.Payload, body)
	}
	if got := m.session.serve(accepting("/", links)); !strings.Contains(string(got.Payload), ",</2/0>,") {
		t.Errorf("discovered %s", got.Payload)
	}
	var stored *lwm2m.Tree
	for _, e := range operate(m, start, inbound(messages.POST, "/bs")) {
		if p, ok := e.(core.Persist); ok {
			stored, _ = accounts.Decode(p.Data)
		}
	}
	if stored == nil || access.Of(stored, 2, 2, 3303, 0) != access.Read {
		t.Error("it is not stored with the accounts")
	}
}

// In version 1.0 no object can be read.
func TestAccessControlIsNotReadIn10(t *testing.T) {
	m := opened(t, "1.0", factoryTree())
	instance := mustPath("/2/0")
	operate(m, start, writing("/2/0", tlvF, encodeBody(tlvF, instance, nodes(instance, sensorRights()))))
	if code := answered(operate(m, start, inbound(messages.GET, "/2/0"))); code != messages.MethodNotAllowed {
		t.Errorf("answered %v", code)
	}
}

// A server that leaves object 2 incomplete is told what is missing.
func TestIncompleteAccessControlIsRefused(t *testing.T) {
	m := opened(t, "1.1", factoryTree())
	operate(m, start, writing("/2/0/0", text, []byte("3303")))
	for _, e := range operate(m, start, inbound(messages.POST, "/bs")) {
		tell, _ := e.(core.Tell)
		if reply, ok := tell.Message.(messages.Reply); ok {
			if reply.Code != messages.NotAcceptable || !strings.Contains(string(reply.Payload), "/2/0/1 is missing") {
				t.Errorf("answered %v %s", reply.Code, reply.Payload)
			}
			return
		}
	}
	t.Error("no answer")
}
