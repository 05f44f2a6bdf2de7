package holdfast

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/localaddr"
)

// ControlConfig says where the control API listens.
type ControlConfig struct {
	// Listen is unix:/path, a socket that only this user can connect to, or a
	// loopback host:port, which every user of this machine can reach; port 0
	// lets the system choose. Empty: off.
	Listen string
}

// LimitsConfig holds the declared budgets. Exceeding one ends the step that
// did, with ConnectMemoryConnectFail; the client goes on and tries again by the
// policy.
type LimitsConfig struct {
	// BootstrapBytes bounds one message of a bootstrap server, and everything
	// that a bootstrap leaves in the store, in bytes as stored, the bootstrap
	// account included: 256 to 1 MiB. What was stored under a larger limit
	// stays in use. Default DefaultBootstrapBytes.
	BootstrapBytes int
	// QueuedMessages is how many requests of the client may wait for one
	// server: 1 to 65536. Default DefaultQueuedMessages.
	QueuedMessages int
	// Accounts is how many management accounts the client has at most, the
	// bootstrap account not counted: 1 to 1000. A bootstrap that would leave
	// more is refused; of more that are stored already, those with the lowest
	// short server IDs are used. Default DefaultAccounts.
	Accounts int
}

// The defaults of [LimitsConfig].
const (
	DefaultBootstrapBytes = 64 << 10
	DefaultQueuedMessages = 64
	DefaultAccounts       = accounts.DefaultMax
)

// Bounds of the limits.
const (
	configMinBootstrap = 256
	configMaxBootstrap = accounts.MaxRecord
	configMaxQueued    = 1 << 16
	configMaxAccounts  = 1000
)

func (l LimitsConfig) withDefaults() LimitsConfig {
	l.BootstrapBytes = cmp.Or(l.BootstrapBytes, DefaultBootstrapBytes)
	l.QueuedMessages = cmp.Or(l.QueuedMessages, DefaultQueuedMessages)
	l.Accounts = cmp.Or(l.Accounts, DefaultAccounts)
	return l
}

// setSize reads a number of bytes: 65536, 64KiB, 1MiB. What is written as zero
// must not become the default.
func setSize(field *int, text string) string {
	const problem = "is not a size such as 65536, 64KiB or 1MiB"
	unit := strings.TrimLeftFunc(text, unicode.IsDigit)
	factor, known := map[string]uint64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit]
	n, err := strconv.ParseUint(strings.TrimSuffix(text, unit), 10, 31)
	if err != nil || !known {
		return problem
	}
	*field = outOfRangeIfZero(int(min(n*factor, math.MaxInt32)))
	return ""
}

func setCount(field *int, text string) string {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return "is not a whole number"
	}
	*field = outOfRangeIfZero(int(n))
	return ""
}

// outOfRangeIfZero keeps a written zero from being taken for a field that is
// not set.
func outOfRangeIfZero(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// control checks the address of the control API.
func (f *configFaults) control(c ControlConfig) {
	if c.Listen == "" {
		return
	}
	if problem := localaddr.Problem(c.Listen); problem != "" {
		f.add("control.listen", problem)
	}
}

func (f *configFaults) limits(l LimitsConfig) {
	f.require(l.BootstrapBytes >= configMinBootstrap && l.BootstrapBytes <= configMaxBootstrap,
		"limits.bootstrap_bytes", "must be from 256B to 1MiB")
	f.require(l.QueuedMessages >= 1 && l.QueuedMessages <= configMaxQueued,
		"limits.queued_messages", "must be a whole number from 1 to 65536")
	f.require(l.Accounts >= 1 && l.Accounts <= configMaxAccounts,
		"limits.accounts", "must be a whole number from 1 to 1000")
}
