package accounts

import (
	"slices"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

func TestManagementsCountsAllButTheBootstrapAccount(t *testing.T) {
	all := []messages.Account{bootstrapAccount(t)}
	for id := range uint16(5) {
		all = append(all, messages.Account{Peer: messages.ManagementPeer(id + 1), URI: mustURI(t, "coaps://h"), Credentials: pskCredentials()})
	}
	tree := ToTree(all)
	if n := Managements(tree); n != 5 {
		t.Errorf("%d", n)
	}
	// An instance that is not usable yet may become so.
	tree.PutInstance(0, lwm2m.Instance{ID: 77})
	if n := Managements(tree); n != 6 {
		t.Errorf("%d with an empty instance", n)
	}
	if n := Managements(lwm2m.NewTree()); n != 0 {
		t.Errorf("%d in nothing", n)
	}
}

// peer returns the management server with a short server ID; 0 is the bootstrap
// server.
func peer(id uint16) messages.Peer {
	if id == 0 {
		return messages.BootstrapPeer()
	}
	return messages.ManagementPeer(id)
}

func TestWithinTakesTheLowestShortServerIDs(t *testing.T) {
	ids := func(accts []messages.Account) (n []uint16) {
		for _, a := range accts {
			n = append(n, a.Peer.ID)
		}
		return n
	}
	for _, tt := range []struct{ all, used, unused []uint16 }{
		{nil, nil, nil},
		{[]uint16{0}, []uint16{0}, nil},
		{[]uint16{0, 3, 5}, []uint16{0, 3, 5}, nil},
		{[]uint16{0, 3, 5, 9}, []uint16{0, 3, 5}, []uint16{9}},
		{[]uint16{3, 5, 9, 11}, []uint16{3, 5}, []uint16{9, 11}},
	} {
		var all []messages.Account
		for _, id := range tt.all {
			all = append(all, messages.Account{Peer: peer(id)})
		}
		used, unused := Within(2, all)
		if !slices.Equal(ids(used), tt.used) || !slices.Equal(ids(unused), tt.unused) {
			t.Errorf("%v: %v and %v", tt.all, ids(used), ids(unused))
		}
	}
}
