package supervisor

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/messages"
)

// A roster has what a map of the accounts would have, in order, and who goes through one
// sees no account come or go.
func TestRoster(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		peers := rapid.SampledFrom([]messages.Peer{messages.BootstrapPeer(), server(1), server(2), server(3), server(4)})
		var all roster
		want := map[messages.Peer]*account{}
		for range rapid.IntRange(1, 30).Draw(r, "changes") {
			peer, before, seen := peers.Draw(r, "peer"), all, slices.Clone(all)
			if rapid.Bool().Draw(r, "comes") {
				want[peer] = &account{Account: &messages.Account{Peer: peer}}
				all = all.with(want[peer])
			} else {
				delete(want, peer)
				all = all.without(peer)
			}
			if !slices.Equal(before, seen) {
				r.Fatal("changed under who goes through it")
			}
			if len(all) != len(want) || !slices.IsSortedFunc(all, func(a, b *account) int { return a.Peer.Compare(b.Peer) }) {
				r.Fatalf("%d accounts of %d, or out of order", len(all), len(want))
			}
			for peer, a := range want {
				if all.of(peer) != a {
					r.Fatalf("%s is not found", peer)
				}
			}
			if all.of(server(9)) != nil {
				r.Fatal("found who is not there")
			}
			management := all.those((*account).management)
			if !slices.Equal(management, []*account(all.servers())) {
				r.Fatalf("%d management accounts, %d servers", len(management), len(all.servers()))
			}
		}
	})
}
