package bootstrap

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/senml"
	"github.com/holdfast-iot/holdfast/lwm2m/tlv"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

const (
	epoch    = messages.Epoch(7)
	endpoint = "gw-0001"
	budget   = 3 * time.Minute
)

// start is the instant at which every test begins.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func mustURI(s string) uri.URI {
	u, err := uri.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

func mustPath(s string) lwm2m.Path {
	p, err := lwm2m.ParsePath(s)
	if err != nil {
		panic(err)
	}
	return p
}

func psk(identity, key string) messages.Credentials {
	return messages.Credentials{Mode: messages.SecurityPSK, Identity: identity, Key: messages.Secret(key)}
}

func bootstrapAccount() messages.Account {
	return messages.Account{Peer: messages.BootstrapPeer(), URI: mustURI("coaps://bs.example:5784/x?aid=abc"), Credentials: psk("bs", "bootstrapkey")}
}

// factoryTree is a client that knows a secured server 1 at /0/1 and /1/0
// beside its bootstrap server at /0/0.
func factoryTree() *lwm2m.Tree {
	return accounts.ToTree([]messages.Account{bootstrapAccount(), {
		Peer: messages.ManagementPeer(1), URI: mustURI("coaps://old.example"), Credentials: psk("old", "oldkey"), Lifetime: time.Hour,
	}})
}

func bareTree() *lwm2m.Tree { return accounts.ToTree([]messages.Account{bootstrapAccount()}) }

func begin(version string, tree *lwm2m.Tree) messages.BeginBootstrap {
	return messages.BeginBootstrap{
		Account:  bootstrapAccount(),
		Epoch:    epoch,
		Endpoint: endpoint,
		Deadline: start.Add(budget),
		Version:  version,
		Tree:     tree,
	}
}

// opened returns a machine in state Open at start.
func opened(t testing.TB, version string, tree *lwm2m.Tree) *Machine {
	t.Helper()
	return openedWith(t, Config{}, version, tree)
}

func openedWith(t testing.TB, c Config, version string, tree *lwm2m.Tree) *Machine {
	t.Helper()
	m := New(c)
	m.Step(start, begin(version, tree))
	m.Step(start, messages.LinkUp{Epoch: epoch})
	m.Step(start, messages.Response{Epoch: epoch, ID: m.request, Code: messages.Changed})
	if m.State() != Open {
		t.Fatalf("state %v", m.State())
	}
	return m
}

// security is a Security instance as Leshan's bootstrap server writes it:
// resources 0 to 12, those that do not apply without content.
func security(address string, bootstrap bool, mode int64, identity, key string, ssid int64) []lwm2m.Resource {
	return []lwm2m.Resource{
		{ID: 0, Value: lwm2m.String(address)},
		{ID: 1, Value: lwm2m.Boolean(bootstrap)},
		{ID: 2, Value: lwm2m.Integer(mode)},
		{ID: 3, Value: lwm2m.Opaque([]byte(identity))},
		{ID: 4, Value: lwm2m.Opaque(nil)},
		{ID: 5, Value: lwm2m.Opaque([]byte(key))},
		{ID: 6, Value: lwm2m.Integer(3)},
		{ID: 7, Value: lwm2m.Opaque(nil)},
		{ID: 8, Value: lwm2m.Opaque(nil)},
		{ID: 9, Value: lwm2m.String("")},
		{ID: 10, Value: lwm2m.Integer(ssid)},
		{ID: 11, Value: lwm2m.Integer(1)},
		{ID: 12, Value: lwm2m.Integer(0)},
	}
}

func server(ssid, lifetime int64) []lwm2m.Resource {
	return []lwm2m.Resource{
		{ID: 0, Value: lwm2m.Integer(ssid)},
		{ID: 1, Value: lwm2m.Integer(lifetime)},
		{ID: 2, Value: lwm2m.Integer(1)},
		{ID: 6, Value: lwm2m.Boolean(true)},
		{ID: 7, Value: lwm2m.String("U")},
	}
}

// bodies are the instances that scenarios write by name.
var bodies = map[string][]lwm2m.Resource{
	"psk-123":         security("coaps://127.0.0.1:5684", false, 0, "gw-0001", "newkey", 123),
	"psk-1":           security("coaps://127.0.0.1:5684", false, 0, "gw-0001", "newkey", 1),
	"nosec-123":       security("coap://127.0.0.1:5683", false, 3, "", "", 123),
	"nosec-1":         security("coap://127.0.0.1:5683", false, 3, "", "", 1),
	"bootstrap-same":  security("coaps://bs.example:5784/x?aid=abc", true, 0, "bs", "bootstrapkey", 9),
	"bootstrap-other": security("coaps://evil.example", true, 0, "bs", "bootstrapkey", 9),
	"server-123":      server(123, 300),
	"server-1":        server(1, 300),
	"server-broken":   server(123, 300)[:4], // without a binding
}

// nodes flattens an instance.
func nodes(instance lwm2m.Path, resources []lwm2m.Resource) lwm2m.Payload {
	tree := lwm2m.NewTree()
	tree.PutInstance(instance.Object(), lwm2m.Instance{ID: instance.Instance(), Resources: resources})
	p, _ := tree.Payload(instance)
	return p
}

func encodeBody(format messages.Format, target lwm2m.Path, p lwm2m.Payload) []byte {
	var data []byte
	var err error
	switch format {
	case messages.FormatTLV:
		data, err = tlv.Encode(target, p)
	case messages.FormatSenMLCBOR:
		data, err = senml.EncodeCBOR(target, p)
	case messages.FormatSenMLJSON:
		data, err = senml.EncodeJSON(target, p)
	}
	if err != nil {
		panic(err)
	}
	return data
}
