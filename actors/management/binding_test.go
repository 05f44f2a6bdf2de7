package management

import (
	"bytes"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// That the client can be in queue mode is part of /3/0/16 for a server of LwM2M 1.0, and not for
// another, whoever has the Device object.
func TestSupportedBindingByVersion(t *testing.T) {
	type device struct {
		Errors  []int64 `lwm2m:"11,R"`
		Binding string  `lwm2m:"16,R"`
		Reboot  func()  `lwm2m:"4,E"`
	}
	of := func(binding string) object.Object {
		typed, err := object.Of[device](objects.DeviceDef())
		if err == nil {
			_, err = typed.Add(0, device{Errors: []int64{0}, Binding: binding, Reboot: func() {}})
		}
		if err != nil {
			t.Fatal(err)
		}
		return typed
	}
	for _, c := range []struct {
		name     string
		m        *Machine
		old, now string
	}{
		{"the client's own", withObjects(), "UQ", "U"},
		{"the application's", withObjects(of("U")), "UQ", "U"},
		{"the application's with SMS", withObjects(of("UQS")), "UQS", "UQS"},
	} {
		for _, version := range []string{"1.1", "1.0", "1.1"} {
			want := map[string]string{"1.0": c.old, "1.1": c.now}[version]
			c.m.Step(now, messages.SessionUp{Peer: messages.ManagementPeer(1), Epoch: 4, Version: version})
			if reply, _ := answerTo(t, c.m, accepting("/3/0/16", text)); string(reply.Payload) != want {
				t.Errorf("%s in %s: %q, want %q", c.name, version, reply.Payload, want)
			}
			entry := append([]byte{0xc0 | byte(len(want)), objects.DeviceSupportedBindingAndModes}, want...)
			if reply, _ := answerTo(t, c.m, accepting("/3", tlvF)); !bytes.Contains(reply.Payload, entry) {
				t.Errorf("%s in %s: %q has no %q", c.name, version, reply.Payload, entry)
			}
		}
	}
}
