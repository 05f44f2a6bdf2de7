package accounts

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// factoryTree has a bootstrap account, in /0/0, and one of a server.
func factoryTree(t *testing.T) *lwm2m.Tree {
	t.Helper()
	return ToTree([]messages.Account{bootstrapAccount(t), pskAccount(t, messages.ManagementPeer(1))})
}

// securityOf is a payload for a Security instance as it is, but for some resources.
func securityOf(t *testing.T, tree *lwm2m.Tree, path string, changes map[uint16]lwm2m.Value) lwm2m.Payload {
	t.Helper()
	changed := tree.Clone()
	for id, v := range changes {
		changed.PutResource(objects.Security, mustPath(path).Instance(), lwm2m.Resource{ID: id, Value: v})
	}
	p, found := changed.Payload(mustPath(path))
	if !found {
		t.Fatalf("no %s", path)
	}
	return p
}

// What means nothing for an account is not checked, in whatever instance; what does
// is. And an account with it can be used, and stored.
func TestWhatDoesNotApplyIsNotChecked(t *testing.T) {
	odd := lwm2m.Opaque([]byte{1, 2, 3})
	for name, c := range map[string]struct {
		path    string
		changes map[uint16]lwm2m.Value
		refused bool
	}{
		"short ID 0 of the bootstrap account":     {"/0/0", map[uint16]lwm2m.Value{10: lwm2m.Integer(0)}, false},
		"short ID 65535 of the bootstrap account": {"/0/0", map[uint16]lwm2m.Value{10: lwm2m.Integer(65535)}, false},
		"short ID 0 of a server":                  {"/0/1", map[uint16]lwm2m.Value{10: lwm2m.Integer(0)}, true},
		"SMS keys of odd length":                  {"/0/1", map[uint16]lwm2m.Value{7: odd, 8: odd}, false},
		"SMS keys of the bootstrap account":       {"/0/0", map[uint16]lwm2m.Value{7: odd, 8: odd, 6: lwm2m.Integer(-1)}, false},
		"hold-off of a server":                    {"/0/1", map[uint16]lwm2m.Value{11: lwm2m.Integer(-1), 12: lwm2m.Integer(-1)}, false},
		"hold-off of the bootstrap account":       {"/0/0", map[uint16]lwm2m.Value{11: lwm2m.Integer(-1)}, true},
		"certificate usage without certificates":  {"/0/1", map[uint16]lwm2m.Value{13: lwm2m.Unsigned(9), 15: lwm2m.Unsigned(255)}, false},
		"RDS, MQTT, COSE":                         {"/0/1", map[uint16]lwm2m.Value{28: lwm2m.Integer(99), 29: lwm2m.Integer(-5)}, false},
		"an unknown security mode":                {"/0/1", map[uint16]lwm2m.Value{2: lwm2m.Integer(9)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			tree := factoryTree(t)
			tx := Begin(tree, terms())
			err := tx.Put(mustPath(c.path), securityOf(t, tree, c.path, c.changes))
			if c.refused {
				var out *lwm2m.RangeError
				if !errors.As(err, &out) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			result, record, err := tx.Finish(validity.Clock{Now: time.Unix(1_700_000_000, 0)})
			if err != nil {
				t.Fatal(err)
			}
			again, err := Decode(record)
			if err != nil || !again.Equal(result) {
				t.Errorf("stored: %v", err)
			}
			if usable, faults := FromTree(again); len(usable) != 2 {
				t.Errorf("%d accounts, %v", len(usable), faults)
			}
		})
	}
}

// A server that spells the bootstrap account otherwise writes the same account.
func TestTheBootstrapAccountInAnotherSpelling(t *testing.T) {
	for spelling, same := range map[string]bool{
		"coaps://127.0.0.1:5784?aid=abc":      true,
		"COAPS://127.0.0.1:5784?aid=abc":      true,
		"coaps://127.0.0.1:05784?aid=abc":     true,
		"coaps://127.0.0.1:5784/?aid=abc":     true,
		"coaps://127.0.0.1:5784/?%61id=ab%63": true,
		"coaps://127.0.0.1:5784?aid=ABC":      false,
		"coaps://127.0.0.1:5785?aid=abc":      false,
		"coaps://127.0.0.2:5784?aid=abc":      false,
		"coaps://127.0.0.1:5784":              false,
		"not a URI":                           false,
	} {
		tree := factoryTree(t)
		changes := map[uint16]lwm2m.Value{
			objects.SecurityServerURI: lwm2m.String(spelling), objects.SecurityServerPublicKey: lwm2m.Opaque(nil),
		}
		tx := Begin(tree, terms())
		err := tx.Put(mustPath("/0/0"), securityOf(t, tree, "/0/0", changes))
		var refused *RefusedError
		if same != (err == nil) || !same && (!errors.As(err, &refused) || refused.Reason != RefusedBootstrap) {
			t.Errorf("%s: %v", spelling, err)
		}
	}
}

func TestNormalURI(t *testing.T) {
	for text, want := range map[string]string{
		"coap://H:5683/":               "coap://h",
		"coaps://h:5684":               "coaps://h",
		"coap://h/iot/":                "coap://h/iot",
		"coap://h/%69ot":               "coap://h/iot",
		"coap://[2001:DB8:0::1]/a%2fb": "coap://[2001:db8::1]/a%2Fb",
		"http://h/":                    "http://h/",
	} {
		if got := normalURI(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
