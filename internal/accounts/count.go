package accounts

import (
	"fmt"
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// DefaultMax is how many management accounts a client has at most unless
// limits.accounts says otherwise. The bootstrap account is not counted: there
// is one at most, and no server writes it.
const DefaultMax = 8

// Managements counts the Security instances that are not a bootstrap server's,
// usable or not: each of them may become a management account.
func Managements(tree *lwm2m.Tree) int {
	n := 0
	for _, inst := range tree.Instances(objects.Security) {
		if v, _ := tree.Value(lwm2m.PathOf(objects.Security, inst, objects.SecurityBootstrapServer)); !v.Bool() {
			n++
		}
	}
	return n
}

// CountError says that there are more management accounts than a client may
// have.
type CountError struct{ Have, Max int }

// Error names the limit.
func (e *CountError) Error() string {
	return fmt.Sprintf("%d management accounts are more than the %d of limits.accounts", e.Have, e.Max)
}

// Within divides accounts as FromTree returns them into those that a limit of
// most management accounts lets through, the bootstrap account and those with
// the lowest short server IDs, and the rest.
func Within(most int, accts []messages.Account) (used, unused []messages.Account) {
	if len(accts) > 0 && accts[0].Peer == messages.BootstrapPeer() {
		most++
	}
	n := min(most, len(accts))
	return slices.Clip(accts[:n]), accts[n:]
}
