package bootstrap

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

func x509Tree(t testing.TB) *lwm2m.Tree {
	set := testpki.Must(t, endpoint)
	key, err := set.Client.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	return accounts.ToTree([]messages.Account{bootstrapAccount(), {
		Peer: messages.ManagementPeer(1), URI: mustURI("coaps://old.example"), Lifetime: 60e9,
		Credentials: messages.Credentials{
			Mode: messages.SecurityX509, Certificate: [][]byte{set.Client.Cert.Raw}, PrivateKey: key,
			Usage: messages.UsageTrustAnchor, ServerCertificates: [][]byte{set.CA.Cert.Raw},
		},
	}})
}

// Whatever a server does, in whatever order: a session that completes leaves a
// configuration that can be used, with the bootstrap account that it began
// with; and the tree that it began with is never changed.
func TestAnyOperations(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tree := rapid.SampledFrom([]func() *lwm2m.Tree{factoryTree, bareTree}).Draw(rt, "tree")()
		before := tree.Clone()
		m := opened(t, rapid.SampledFrom([]string{"1.0", "1.1"}).Draw(rt, "version"), tree)
		for i := range rapid.IntRange(1, 30).Draw(rt, "operations") {
			in := anyOperation(rt)
			in.Epoch, in.ID = epoch, uint64(i)
			checkEffects(rt, m, m.Step(start, in), in.ID, tree)
		}
		if !tree.Equal(before) {
			rt.Fatal("the session changed the tree that it was given")
		}
	})
}

// checkEffects wants one answer, at once or after the store.
func checkEffects(t *rapid.T, m *Machine, effects []core.Effect, id uint64, base *lwm2m.Tree) {
	answers := 0
	for _, e := range effects {
		switch e := e.(type) {
		case core.Persist:
			answers++
			checkResult(t, e.Data, base)
		case core.Tell:
			if r, ok := e.Message.(messages.Reply); ok && r.ID == id {
				answers++
			}
		}
	}
	if answers != 1 {
		t.Fatalf("%d answers in state %v", answers, m.State())
	}
}

func checkResult(t *rapid.T, record []byte, base *lwm2m.Tree) {
	tree, err := accounts.Decode(record)
	if err != nil {
		t.Fatal(err)
	}
	if err := accounts.Check(tree); err != nil {
		t.Fatal(err)
	}
	checkBootstrapAccount(t, base, tree)
}

// checkBootstrapAccount demands that two trees have the same bootstrap account.
func checkBootstrapAccount(t rapid.TB, before, after *lwm2m.Tree) {
	was, _ := accounts.FromTree(before)
	is, _ := accounts.FromTree(after)
	if len(is) == 0 {
		t.Fatal("the bootstrap account is gone")
	}
	was[0].HoldOff, is[0].HoldOff = 0, 0 // a server may change that
	was[0].SecurityInstance, is[0].SecurityInstance = 0, 0
	if !reflect.DeepEqual(was[0], is[0]) {
		t.Fatalf("the bootstrap account was %v and is %v", was[0].URI, is[0].URI)
	}
}

func anyOperation(t *rapid.T) messages.Inbound {
	instance := fmt.Sprintf("/%d/%d", rapid.IntRange(0, 1).Draw(t, "object"), rapid.IntRange(0, 2).Draw(t, "instance"))
	switch rapid.IntRange(0, 5).Draw(t, "operation") {
	case 0:
		return inbound(messages.DELETE, rapid.SampledFrom([]string{"/", "/0", "/1", instance}).Draw(t, "target"))
	case 1:
		return inbound(messages.POST, "/bs")
	case 2:
		return accepting(rapid.SampledFrom([]string{"/", "/0", "/1", instance}).Draw(t, "target"),
			rapid.SampledFrom([]messages.Format{tlvF, cborF, jsonF, links}).Draw(t, "accept"))
	case 3:
		return anyResource(t, instance)
	case 4:
		return anyInstance(t, "/0/", "psk-123", "psk-1", "nosec-123", "nosec-1", "bootstrap-same", "bootstrap-other")
	default:
		return anyInstance(t, "/1/", "server-123", "server-1", "server-broken")
	}
}

func anyInstance(t *rapid.T, object string, names ...string) messages.Inbound {
	target := mustPath(object + fmt.Sprint(rapid.IntRange(0, 2).Draw(t, "written")))
	format := rapid.SampledFrom([]messages.Format{tlvF, cborF, jsonF}).Draw(t, "format")
	body := nodes(target, bodies[rapid.SampledFrom(names).Draw(t, "body")])
	wrapped := target
	if rapid.Bool().Draw(t, "object level") {
		wrapped = target.Prefix(1)
	}
	return writing(wrapped.String(), format, encodeBody(format, wrapped, body))
}

func anyResource(t *rapid.T, instance string) messages.Inbound {
	resource := rapid.IntRange(0, 16).Draw(t, "resource")
	values := []string{"", "0", "1", "2", "3", "123", "U", "coap://h", "coaps://bs.example:5784/x?aid=abc", "YnM=", "-1"}
	return writing(fmt.Sprintf("%s/%d", instance, resource), text, []byte(rapid.SampledFrom(values).Draw(t, "value")))
}

// Nothing that a peer sends in a request can stop the machine, keep it from
// answering once, or reach the tree to roll back to.
func FuzzInbound(f *testing.F) {
	body := encodeBody(tlvF, mustPath("/0/1"), nodes(mustPath("/0/1"), bodies["psk-123"]))
	f.Add(uint8(messages.PUT), "0/1", uint16(tlvF), uint16(0), body)
	f.Add(uint8(messages.PUT), "1", uint16(cborF), uint16(0), []byte{0x80})
	f.Add(uint8(messages.PUT), "1", uint16(jsonF), uint16(0), []byte(`[{"bn":"/1/0/","n":"1","v":60}]`))
	f.Add(uint8(messages.PUT), "0/0/1", uint16(text), uint16(0), []byte("0"))
	f.Add(uint8(messages.GET), "", uint16(0), uint16(links), []byte(nil))
	f.Add(uint8(messages.DELETE), "0", uint16(0), uint16(0), []byte(nil))
	f.Add(uint8(messages.POST), "bs", uint16(0), uint16(0), []byte(nil))
	f.Fuzz(func(t *testing.T, code uint8, path string, format, accept uint16, payload []byte) {
		tree := factoryTree()
		m := opened(t, "1.1", tree)
		in := messages.Inbound{Epoch: epoch, ID: 1, Code: messages.CoAPCode(code), Path: strings.Split(path, "/"), Payload: payload}
		in.ContentFormat = new(messages.Format(format))
		if accept != 0 {
			in.Accept = new(messages.Format(accept))
		}
		m.Step(start, in)
		if !tree.Equal(factoryTree()) {
			t.Fatal("the tree to roll back to has changed")
		}
		if m.session != nil {
			checkBootstrapAccount(t, tree, m.session.Tree())
		}
		m.Step(start, messages.Inbound{Epoch: epoch, ID: 2, Code: messages.POST, Path: []string{bs}})
	})
}
