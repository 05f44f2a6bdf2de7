package supervisor

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/messages"
)

// unusedError names the accounts that limits.accounts leaves out. They stay
// stored, and are used again when the limit is raised.
type unusedError struct {
	count  accounts.CountError
	unused []messages.Peer
}

// Error implements error.
func (e *unusedError) Error() string {
	var names []string
	for _, id := range e.unused[:min(len(e.unused), namedAccounts)] {
		names = append(names, strconv.Itoa(int(id.ID)))
	}
	text := fmt.Sprintf("%s: those with the short server IDs %s", e.count.Error(), strings.Join(names, ", "))
	if more := len(e.unused) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + " are kept and not used"
}

// namedAccounts is how many accounts an event names.
const namedAccounts = 8

// within returns the accounts that the limit lets through, and reports the
// others when they are not those of the last report.
func (m *Machine) within(all []messages.Account) []messages.Account {
	most := cmp.Or(m.config.MaxAccounts, accounts.DefaultMax)
	used, rest := accounts.Within(most, all)
	var unused []messages.Peer
	for _, a := range rest {
		unused = append(unused, a.Peer)
	}
	if len(unused) > 0 && !slices.Equal(unused, m.unused) {
		cause := &unusedError{accounts.CountError{Have: most + len(unused), Max: most}, unused}
		m.do(Emit{Event: m.troubleEvent(trouble{messages.ClassBudget, cause, messages.ActionUser, false})})
	}
	m.unused = unused
	return used
}
