package accounts

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestToTreeAndBack(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	infinite := nosecAccount(t, messages.ManagementPeer(9))
	infinite.Lifetime = 0
	for name, accts := range map[string][]messages.Account{
		"none":                     nil,
		"bootstrap only":           {bootstrapAccount(t)},
		"management only":          {pskAccount(t, messages.ManagementPeer(1))},
		"both":                     {bootstrapAccount(t), x509Account(t, messages.ManagementPeer(1), set)},
		"several":                  {bootstrapAccount(t), nosecAccount(t, messages.ManagementPeer(2)), pskAccount(t, messages.ManagementPeer(65534))},
		"infinite lifetime":        {infinite},
		"X.509 chain and anchors":  {x509Account(t, messages.ManagementPeer(1), set)},
		"bootstrap server by name": {x509Account(t, messages.BootstrapPeer(), set)},
	} {
		t.Run(name, func(t *testing.T) {
			want := renumber(accts)
			for i := range want {
				want[i].Server = want[i].URI.String()
				if want[i].Peer == messages.BootstrapPeer() {
					want[i].Lifetime = 0
				}
			}
			got, errs := FromTree(ToTree(accts))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			if !reflect.DeepEqual(got, want) && len(want) > 0 {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// The layout is that of docs/design.md, Credentials, wherever the bootstrap
// account stands in the list.
func TestToTreeLayout(t *testing.T) {
	both := ToTree([]messages.Account{nosecAccount(t, messages.ManagementPeer(1)), bootstrapAccount(t)})
	if got := both.Instances(0); !slices.Equal(got, []uint16{0, 1}) {
		t.Errorf("security instances %v", got)
	}
	if v, _ := both.Value(mustPath("/0/0/1")); v != lwm2m.Boolean(true) {
		t.Error("/0/0 is not the bootstrap account")
	}
	if got := both.Instances(1); !slices.Equal(got, []uint16{0}) {
		t.Errorf("server instances %v", got)
	}
	alone := ToTree([]messages.Account{nosecAccount(t, messages.ManagementPeer(1))})
	if v, _ := alone.Value(mustPath("/0/0/10")); v != lwm2m.Integer(1) {
		t.Error("/0/0 is not the management account")
	}
}

func TestFromTreeKeepsTheUsable(t *testing.T) {
	tree := ToTree([]messages.Account{bootstrapAccount(t), nosecAccount(t, messages.ManagementPeer(1)), nosecAccount(t, messages.ManagementPeer(2))})
	drop(tree, "/0/1/0")
	got, errs := FromTree(tree)
	if len(got) != 2 || got[0].Peer != messages.BootstrapPeer() || got[1].Peer != messages.ManagementPeer(2) || len(errs) != 1 {
		t.Errorf("accounts %v, errors %v", got, errs)
	}
}

func TestDurationsAreClamped(t *testing.T) {
	tree := ToTree([]messages.Account{bootstrapAccount(t), nosecAccount(t, messages.ManagementPeer(1))})
	put(tree, "/0/0/11", lwm2m.Integer(1<<62))
	put(tree, "/1/0/1", lwm2m.Integer(1<<62))
	got, errs := FromTree(tree)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if got[0].HoldOff != 7*24*time.Hour {
		t.Errorf("hold-off %v", got[0].HoldOff)
	}
	if l := got[1].Lifetime; l != (1<<32-1)*time.Second {
		t.Errorf("lifetime %v", l)
	}
}

// Servers send all of resources 0 to 12 of a Security instance, those that do
// not apply without content.
func TestEmptyResourcesMeanNothing(t *testing.T) {
	tree := ToTree([]messages.Account{pskAccount(t, messages.ManagementPeer(1))})
	for _, path := range []string{"/0/0/4", "/0/0/7", "/0/0/8"} {
		put(tree, path, lwm2m.Opaque(nil))
	}
	put(tree, "/0/0/9", lwm2m.String(""))
	put(tree, "/0/0/6", lwm2m.Integer(0))
	put(tree, "/0/0/11", lwm2m.Integer(0))
	put(tree, "/0/0/12", lwm2m.Integer(0))
	if err := Check(tree); err != nil {
		t.Error(err)
	}
}
