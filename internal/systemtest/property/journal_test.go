package property_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// entryKind is what an entry of a journal is about.
type entryKind uint8

const (
	entryStart entryKind = iota
	entryLookup
	entryDial
	entryRequest
	entryHint
	entryUpdate // RegisterUpdate was called
	entryClose
	entryEvent
	entryBootstrap // Bootstrap was called
	entryLoaded    // the store was read
	entrySaved     // a bootstrap was stored
	entryRefused   // the store could not keep it
	entryPause     // Pause was called, and was allowed
	entryResume    // the same of Resume
	entryWoke      // the client was told that the machine had slept
	entryKept      // the state of a registration was stored
	entryLost      // the store could not keep that
	entryAsked     // the store was told to read
	entryBegin     // an attempt begins
	entryNext      // it goes on with another address
	entryNotify    // a notification was handed to the message layer
	entryKill      // the process was killed
)

func (k entryKind) String() string {
	return [...]string{"start", "lookup", "dial", "request", "NetworkUp", "RegisterUpdate", "close", "event", "Bootstrap", "loaded", "saved", "not saved", "Pause", "Resume", "woke", "kept", "not kept", "asked", "begin", "next address", "notify", "kill"}[k]
}

// whom is the account that something is about: a management account, from 0, or
// the bootstrap account.
type whom int

const (
	boot whom = iota - 1
	first
	second
)

// String implements fmt.Stringer.
func (w whom) String() string { return [...]string{"bootstrap", "first", "second"}[w+1] }

// entry is one thing that a client did, said, or was told.
type entry struct {
	at     time.Time
	after  uint64 // how many events the client had emitted by then
	kind   entryKind
	whom   whom
	event  holdfast.Event // of entryEvent
	what   string         // of entryRequest: register, update, deregister, bootstrap
	loaded messages.AccountsLoaded
	record []byte        // of entrySaved
	faulty bool          // an operation of the disk failed at this instant
	slept  time.Duration // of entryWoke
	kept   bool          // of entryBegin and entryNext: with a session of before
}

// journal records one life of a client, from Start to Close: its attempts, its
// connects as the network sees them, its requests, its events, and the calls. It is the
// client's transport and its tap.
type journal struct {
	*lwm2mtest.Host       // the network below
	disk            *disk // the same
	closed          error // of Close
	damaged         bool  // a record had been damaged when it began
	intact          bool  // a generation of the credentials was not

	mu      sync.Mutex
	reading uint64                   // token of the newest order to read the store
	saving  map[uint64]messages.Save // by token
	client  *holdfast.Client
	entries []entry
	drained chan struct{}
	tokens  map[whom]map[string]bool // of the observations that were notified, since they were last taken
	asked   map[whom]map[string]bool // of all that servers have asked for
}

func newJournal(host *lwm2mtest.Host, d *disk) *journal {
	return &journal{Host: host, disk: d, drained: make(chan struct{}), saving: map[uint64]messages.Save{}, tokens: map[whom]map[string]bool{}, asked: map[whom]map[string]bool{}}
}

// attach begins to follow a client that has not been started.
func (j *journal) attach(c *holdfast.Client) {
	j.client = c
	events, _ := c.Events(4096)
	go func() {
		defer close(j.drained)
		for e := range events {
			j.mu.Lock()
			j.entries = append(j.entries, entry{at: e.Time, after: e.Seq, kind: entryEvent, event: e, whom: whomOf(e.Server)})
			j.mu.Unlock()
		}
	}()
}

// whomOf returns whose URI, host name or address that is.
func whomOf(server string) whom {
	switch {
	case strings.Contains(server, bootstrapName), strings.Contains(server, systemtest.BootstrapAddr.String()):
		return boot
	case strings.Contains(server, secondName), strings.Contains(server, secondAddr.String()):
		return second
	}
	return first
}

// whomAt returns whose address that is.
func whomAt(addr netip.Addr) whom {
	if slices.Contains(decoys[second], addr) {
		return second
	}
	return whomOf(addr.String())
}

func (j *journal) note(kind entryKind, about whom, what string) {
	j.add(entry{kind: kind, whom: about, what: what})
}

func (j *journal) add(e entry) {
	e.at, e.after, e.faulty = time.Now(), j.client.Status().Events, j.disk.failedNow()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
}

// Lookup implements lwm2mtest.Transport.
func (j *journal) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	j.note(entryLookup, whomOf(name), "")
	return j.Host.Lookup(ctx, name)
}

// Dial implements lwm2mtest.Transport.
func (j *journal) Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	j.note(entryDial, whomAt(remote.Addr()), "")
	return j.Host.Dial(ctx, remote)
}

// Message implements lwm2mtest.Tap: it notes the requests that are handed to
// the message layer, and what the store answers.
func (j *journal) Message(actor string, stage lwm2mtest.Stage, message any) {
	switch {
	case stage == lwm2mtest.StagePosted && strings.HasSuffix(actor, "/store"):
		j.order(message)
	case stage == lwm2mtest.StageInvoking:
		j.stored(message)
	default:
		j.requested(actor, stage, message)
	}
}

// order remembers what the store was told to do.
func (j *journal) order(message any) {
	if _, asked := message.(messages.LoadAccounts); asked {
		j.note(entryAsked, first, "")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch m := message.(type) {
	case messages.LoadAccounts:
		j.reading = m.Token
	case messages.Save:
		j.saving[m.Token] = m
	}
}

// stored notes an answer of the store, unless a newer order has made it void.
func (j *journal) stored(message any) {
	j.mu.Lock()
	reading := j.reading
	j.mu.Unlock()
	switch m := message.(type) {
	case messages.AccountsLoaded:
		if m.Token == reading {
			j.add(entry{kind: entryLoaded, loaded: m})
		}
	case core.Persisted:
		j.wrote(m.Token, entrySaved, entryKept)
	case core.PersistFailed:
		j.wrote(m.Token, entryRefused, entryLost)
	}
}

// wrote notes what has become of a record: of credentials, or of state.
func (j *journal) wrote(save uint64, credentials, state entryKind) {
	j.mu.Lock()
	saved := j.saving[save]
	j.mu.Unlock()
	switch {
	case saved.Record == messages.RecordCredentials:
		j.add(entry{kind: credentials, whom: boot, record: saved.Data})
	case !strings.HasPrefix(saved.Record, messages.RecordsOfObservations): // of which nobody is told
		j.add(entry{kind: state})
	}
}

// requested notes what is to be sent, and the orders to connect: the supervisor gives
// them in order, while what is seen of them on the network may come after an event
// of the same instant.
func (j *journal) requested(actor string, stage lwm2mtest.Stage, message any) {
	if stage != lwm2mtest.StagePosted {
		return
	}
	switch m := message.(type) {
	case messages.Connect:
		kind := entryBegin
		if len(m.Addresses) > 0 {
			kind = entryNext
		}
		j.add(entry{kind: kind, whom: whomIs(m.Peer), kept: m.Resume != nil})
	case messages.Inbound:
		if m.Observe != nil && *m.Observe == 0 {
			j.keep(j.asked, whomIs(m.Peer), m.Token)
		}
	case messages.Notify:
		j.notified(whom(actor[len(actor)-1]-'0')-1, m)
	case messages.Request:
		if i := strings.Index(actor, "/coapresend/"); i >= 0 {
			j.note(entryRequest, whom(actor[len(actor)-1]-'0')-1, requestName(m)) // the bootstrap account's number is 0
		}
	}
}

// notified notes the observation that a notification is of.
func (j *journal) notified(by whom, m messages.Notify) {
	j.note(entryNotify, by, "")
	j.keep(j.tokens, by, m.Token)
}

func (j *journal) keep(tokens map[whom]map[string]bool, by whom, token []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if tokens[by] == nil {
		tokens[by] = map[string]bool{}
	}
	tokens[by][string(token)] = true
}

// asked reports whether a server has asked for an observation, in any life.
func (l *lab) asked(by whom, token string) bool {
	return slices.ContainsFunc(l.out.lives, func(j *journal) bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.asked[by][token]
	})
}

// takeTokens returns the observations that were notified since it was last called.
func (j *journal) takeTokens() map[whom]map[string]bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	taken := maps.Clone(j.tokens)
	clear(j.tokens)
	return taken
}

// whomIs returns the account of a peer.
func whomIs(p messages.Peer) whom {
	if p == messages.BootstrapPeer() {
		return boot
	}
	return whom(p.ID) - 1
}

func requestName(r messages.Request) string {
	switch {
	case r.Code == messages.DELETE:
		return "deregister"
	case r.Path[len(r.Path)-1] == "bs":
		return "bootstrap"
	case r.Path[len(r.Path)-1] == "dp":
		return "send"
	case len(r.Path) == 1:
		return "register"
	}
	return "update"
}

// ordered returns the entries in the order in which they happened: what was
// noted after the n-th event and before the next one stands between these two.
func (j *journal) ordered() []entry {
	key := func(e entry) uint64 {
		if e.kind == entryEvent {
			return 2 * e.after
		}
		return 2*e.after + 1
	}
	slices.SortStableFunc(j.entries, func(a, b entry) int { return cmp.Compare(key(a), key(b)) })
	return j.entries
}

func (e entry) String() string {
	if e.kind == entryLoaded {
		return fmt.Sprintf("loaded %d bytes, fell back %v, %v; factory %v", len(e.loaded.Stored), e.loaded.FellBack, e.loaded.StoredErr, e.loaded.FactoryErr)
	}
	if e.kind != entryEvent {
		return strings.TrimSpace(fmt.Sprintf("%s %s %s", e.kind, e.whom, e.what))
	}
	v := e.event
	text := fmt.Sprintf("event %d %s %s%s %s attempt %d %s %s", v.Seq, v.Type, v.State, v.Name, v.Phase, v.Attempt, v.CoAP, v.Action)
	if r, ok := v.RetryIn(); ok {
		text += " retry in " + r.String()
	}
	return text + " (" + v.Server + ") " + v.Detail
}
