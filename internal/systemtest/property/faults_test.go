package property_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// history is a schedule with a name.
type history struct {
	name string
	plan schedule
}

// Histories that random schedules have come across and that are worth keeping:
// each is carried out and judged as those are (TestFaultSchedules).
func TestFaultHistories(t *testing.T) {
	histories := []history{
		{"an Update is refused, repeated, and then falls silent", schedule{
			Setup: securedServer, R0: 2 * time.Second, Lifetime: 2 * time.Hour, Span: 2 * time.Hour,
			Faults: []fault{
				{Kind: faultUpdate, At: time.Minute, N: behaviourOf(messages.InternalServerError)},
				{Kind: faultBlackHole, At: 118*time.Minute + 28*time.Second, For: 3 * time.Minute},
			},
		}},
		{"a 4.29 answers the ladder's Update, and its repetition ends the outage", schedule{
			Setup: plainServer, R0: 2002 * time.Millisecond, Lifetime: 10 * time.Minute, MaxAge: 30, Span: time.Hour,
			Faults: []fault{
				{Kind: faultUpdate, At: time.Minute, Where: 2, N: behaviourOf(messages.TooManyRequests)},
				{Kind: faultBlackHole, At: 8 * time.Minute, For: 90 * time.Second},
			},
		}},
		{"a server forgets the client and refuses it, and the bootstrap server is gone", schedule{
			Setup: bootstrapServer, R0: 5 * time.Second, Lifetime: time.Hour, Span: 10 * time.Hour,
			Faults: []fault{
				{Kind: faultExpelled, At: time.Hour, N: 1, P: 0.9},
				{Kind: faultBootstrapAbort, At: 30 * time.Minute, For: 2 * time.Hour},
			},
		}},
		{"the key is rotated while the bootstrap server is broken", schedule{
			Setup: bootstrapServer, Named: true, Decoys: 1, R0: 3 * time.Second, Lifetime: time.Hour, Span: 10 * time.Hour,
			Faults: []fault{
				{Kind: faultRotateKey, At: time.Hour, N: 7},
				{Kind: faultBootstrapBroken, At: 30 * time.Minute, For: 3 * time.Hour, N: 1, Where: 3},
				{Kind: callNetworkUp, At: 2 * time.Hour},
			},
		}},
		{"the client is restarted within a bootstrap that never ends", schedule{
			Setup: bootstrapServer, R0: 4 * time.Second, Lifetime: time.Hour, Span: time.Hour,
			Faults: []fault{
				{Kind: faultBootstrapBroken, For: 20 * time.Minute},
				{Kind: callRestart, At: 2 * time.Minute, For: 30 * time.Second},
			},
		}},
		{"the disk fails whenever a bootstrap finishes", schedule{
			Setup: bootstrapServer, R0: 3 * time.Second, Lifetime: time.Hour, Span: 10 * time.Hour,
			Faults: []fault{{Kind: faultDiskFinish, At: time.Hour, For: 2 * time.Hour, N: diskBroken(opChange, syscall.EROFS)}},
		}},
		{"a record is in place, but the directory cannot be synced", schedule{
			Setup: bootstrapServer, R0: 3 * time.Second, Lifetime: time.Hour, Span: 2 * time.Hour,
			Faults: []fault{
				{Kind: faultDiskFinish, At: 5 * time.Minute, For: 20 * time.Minute, N: diskBroken(opSyncDir, syscall.EIO)},
				{Kind: callRestart, At: 15 * time.Minute, For: time.Minute},
			},
		}},
		{"a write is torn", schedule{
			Setup: bootstrapServer, Provisioned: true, R0: 3 * time.Second, Lifetime: time.Hour, Span: 2 * time.Hour,
			Faults: []fault{{Kind: faultDiskFinish, At: 5 * time.Minute, For: 10 * time.Minute, N: diskBroken(opTear, syscall.ENOSPC)}},
		}},
		{"a client whose accounts are all in the store starts on a disk that cannot be read", schedule{
			Setup: bootstrapServer, Provisioned: true, R0: 3 * time.Second, Lifetime: time.Hour, Span: 10 * time.Hour,
			Faults: []fault{{Kind: faultDiskStart, At: time.Hour, For: 3 * time.Hour, N: diskBroken(opRead, syscall.EIO)}},
		}},
		{"the newest credentials are damaged after the key was rotated", schedule{
			Setup: bootstrapServer, R0: 3 * time.Second, Lifetime: time.Hour, Span: 10 * time.Hour,
			Faults: []fault{
				{Kind: faultRotateKey, At: 10 * time.Minute, N: 7},
				{Kind: callBootstrap, At: 20 * time.Minute},
				{Kind: faultDamage, At: time.Hour, For: time.Minute, N: 40},
				{Kind: faultDamage, At: 4 * time.Hour, For: time.Minute, N: 41},
			},
		}},
		{"a client is paused within a bootstrap, and restarted within the pause", schedule{
			Setup: bootstrapServer, R0: 3 * time.Second, Lifetime: time.Hour, Span: 10 * time.Hour,
			Faults: []fault{
				{Kind: faultBootstrapBroken, At: 0, For: 20 * time.Minute, N: 0}, // falls silent
				{Kind: callPause, At: time.Minute, For: 30 * time.Minute},
				{Kind: callPause, At: 2 * time.Hour, For: 2 * time.Hour},
				{Kind: callRestart, At: 3 * time.Hour, For: time.Minute},
			},
		}},
		{"a machine sleeps for longer than the lifetime, registered and waiting", schedule{
			Setup: securedServer, R0: 3 * time.Second, Lifetime: time.Hour, Span: 20 * time.Hour,
			Faults: []fault{
				{Kind: faultAsleep, At: 30 * time.Minute, For: 2 * time.Hour},
				{Kind: faultBlackHole, At: time.Hour, For: 12 * time.Hour},
				{Kind: faultAsleep, At: 8 * time.Hour, For: 3 * time.Hour},
				{Kind: faultAsleep, At: 12 * time.Hour, For: 30 * 24 * time.Hour},
			},
		}},
		{"a sleep ends the waits of the servers, and only the hint that of the bootstrap", schedule{
			Setup: twoServers, Seed: 3688, Provisioned: true, Block: true, Named: true, OMA: true,
			Lifetime: 10 * time.Hour, Other: 2 * time.Hour, Span: 100 * time.Hour,
			Faults: []fault{
				{Kind: faultUnreachable, At: 1156 * time.Second, For: 100 * time.Hour},
				{Kind: faultIgnoreHandshakes, At: time.Millisecond, For: 96 * time.Hour, Where: 6},
				{Kind: callBootstrap, At: 20 * time.Minute},
				{Kind: faultAsleep, At: 3768444 * time.Millisecond, For: 3 * time.Hour, Where: 6},
				{Kind: faultDiskStart, At: 43022 * time.Millisecond, For: 49 * time.Minute, N: 681671},
			},
		}},
		{"the budget delays an attempt by a part of a millisecond", schedule{
			Setup: twoServers, Seed: 239, Provisioned: true, Block: true, R0: 2038 * time.Millisecond,
			Lifetime: 10 * time.Hour, Other: 10 * time.Hour, Span: 400 * time.Hour,
			Faults: []fault{
				{Kind: faultAbort, At: 8666666, For: 360 * time.Hour, Where: 2},
				{Kind: callBootstrap, At: 1285666666},
				{Kind: callBootstrap, At: 2571333332},
			},
		}},
		{"a server's certificates are not to be trusted, one after the other, by OMA's delays", schedule{
			Setup: certifiedServer, OMA: true, Named: true, R0: 3 * time.Second, Lifetime: time.Hour, Span: 200 * time.Hour,
			Faults: []fault{
				{Kind: faultCertificate, At: time.Hour, For: 5 * time.Minute, N: 0},
				{Kind: faultCertificate, At: 10 * time.Hour, For: 5 * time.Minute, N: 1},
				{Kind: faultCertificate, At: 100 * time.Hour, For: time.Hour, N: 2},
			},
		}},
	}
	histories = append(histories, twoServerHistories()...)
	for _, tt := range histories {
		t.Run(tt.name, func(t *testing.T) {
			if out := run(t, tt.plan); len(out.faults) > 0 {
				t.Errorf("%s\n%s\n%s", tt.plan, strings.Join(out.faults, "\n"), out.story())
			}
		})
	}
}

// twoServerHistories are those of clients with two management servers.
func twoServerHistories() []history {
	all := schedule{Setup: twoServers, Secured: true, R0: 3 * time.Second, Lifetime: time.Hour, Other: 20 * time.Minute, Span: 10 * time.Hour}
	refused := all
	refused.Faults = []fault{ // both wait for a bootstrap, at the same instants each time
		{Kind: faultBootstrapAbort, At: 30 * time.Minute, For: 5 * time.Hour},
		{Kind: faultExpelled, At: time.Hour, Where: 2, N: 1, P: 0.9},
	}
	longer := all // one is back while the other waits, and so does the bootstrap
	longer.Faults = []fault{
		{Kind: faultBootstrapAbort, At: 30 * time.Minute, For: 5 * time.Hour},
		{Kind: faultExpelled, At: time.Hour, Where: 0, N: 1, P: 0.05},
		{Kind: faultExpelled, At: time.Hour, Where: 1, N: 1, P: 0.9},
	}
	one := all
	one.Faults = []fault{
		{Kind: faultBlackHole, At: time.Hour, For: 4 * time.Hour, Where: 5},
		{Kind: faultRotateKey, At: 3 * time.Hour, Where: 1, N: 5},
		{Kind: faultAbort, At: 6 * time.Hour, For: time.Hour, Where: 0},
	}
	rests := all // one waits and the other is registered, when they are paused, woken, and asked for Updates
	rests.Faults = []fault{
		{Kind: faultAbort, At: time.Hour, For: 6 * time.Hour, Where: 0},
		{Kind: faultAsleep, At: 3 * time.Hour, For: 10 * time.Minute},
		{Kind: callPause, At: 4 * time.Hour, For: time.Hour},
		{Kind: callUpdate, At: 6 * time.Hour},
		{Kind: faultAbort, At: 8 * time.Hour, For: time.Hour, Where: 1},
		{Kind: callPause, At: 8*time.Hour + 30*time.Minute, For: 10 * time.Minute},
		{Kind: faultAsleep, At: 8*time.Hour + 50*time.Minute, For: time.Minute},
		{Kind: callUpdate, At: 9*time.Hour + 30*time.Minute},
	}
	gone := all // bootstraps at once, again and again, while the accounts begin in order
	gone.OMA, gone.Order, gone.Block = true, secondFirst, true
	gone.Faults = []fault{{Kind: faultAbort, At: 0, For: 5 * time.Hour, Where: 2}}
	return []history{
		{"two servers refuse the client, and the bootstrap server is gone", refused},
		{"two servers refuse the client, and one of them for longer", longer},
		{"one of two servers is gone while the client pauses and the machine sleeps", rests},
		{"each of two servers has an outage of its own", one},
		{"two servers are gone, and OMA's series ends in bootstraps", gone},
	}
}

// diskBroken returns the N of a fault of the disk.
func diskBroken(ops diskOp, errno syscall.Errno) int {
	return slices.Index(diskOps, ops) + len(diskOps)*slices.Index(diskErrnos, errno)
}

// behaviourOf returns the index of the behaviour that gives an answer.
func behaviourOf(answer messages.CoAPCode) int {
	for i, b := range behaviours() {
		if b.Answer == answer {
			return i
		}
	}
	panic("no behaviour gives this answer")
}

// The judge of the schedules has to be able to condemn: each history here
// breaks one of its rules.
func TestScheduleModelCondemns(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	failure := func(second int, seq, attempt uint64, retry time.Duration) entry {
		e := entry{at: at(second), after: seq, kind: entryEvent}
		e.event.Type, e.event.Seq, e.event.Attempt = "error", seq, attempt
		e.event.Code, e.event.Phase = holdfast.CodeNetwork, "register"
		e.event.Time, e.event.NextAttempt = e.at, e.at.Add(retry)
		return e
	}
	unlikely := func(second int, seq, attempt uint64, retry time.Duration) entry {
		e := failure(second, seq, attempt, retry)
		e.event.Code = holdfast.CodeStoreCredentials // nothing is stored by a Register
		return e
	}
	dial := func(second int) entry { return entry{at: at(second), kind: entryBegin} }
	tests := []struct {
		name, want string
		entries    []entry
	}{
		{"sound", "", []entry{dial(0), failure(0, 1, 1, 5*time.Second), dial(5), failure(5, 2, 2, 10*time.Second), dial(15)}},
		{"impossible", "matrix calls that impossible", []entry{dial(0), unlikely(0, 1, 1, 5*time.Second)}},
		{"early", "out of turn", []entry{dial(0), failure(0, 1, 1, 5*time.Second), dial(4)}},
		{"late", "no attempt began", []entry{dial(0), failure(0, 1, 1, 5*time.Second), dial(6)}},
		{"twice", "out of turn", []entry{dial(0), failure(0, 1, 1, 5*time.Second), dial(5), failure(5, 2, 2, 10*time.Second), dial(5)}},
		{"a gap", "number", []entry{dial(0), failure(0, 2, 1, 5*time.Second)}},
		{"a wrong count", "attempt should be", []entry{dial(0), failure(0, 1, 2, 10*time.Second)}},
		{"a wrong delay", "delay should be", []entry{dial(0), failure(0, 1, 1, 4*time.Second)}},
		{"two errors for one attempt", "without an attempt", []entry{dial(0), failure(0, 1, 1, 5*time.Second), failure(1, 2, 2, 10*time.Second)}},
		{"a second connect", "within another", []entry{dial(0), dial(0)}},
		{"an early request", "request out of turn", []entry{
			dial(0), failure(0, 1, 1, 5*time.Second), {at: at(1), kind: entryRequest, what: "register"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newModel(schedule{Setup: plainServer, R0: 5 * time.Second})
			begin := []entry{{at: at(0), kind: entryStart}, {at: at(0), kind: entryLoaded}}
			m.check(slices.Concat(begin, tt.entries), memory{})
			got := strings.Join(m.faults, "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("judged %q, want %q", got, tt.want)
			}
		})
	}
}

// The same for what a client says about its store.
func TestScheduleModelCondemnsStore(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	load := func(second int, in messages.AccountsLoaded) entry {
		return entry{at: at(second), kind: entryLoaded, loaded: in, faulty: errors.Is(in.StoredErr, fs.ErrPermission)}
	}
	bad := messages.AccountsLoaded{StoredErr: fs.ErrPermission, FactoryErr: fs.ErrPermission}
	good := messages.AccountsLoaded{Factory: lwm2m.NewTree()}
	stored := messages.AccountsLoaded{Stored: []byte("newest"), Factory: lwm2m.NewTree()}
	said := func(second int, seq, attempt uint64, retry time.Duration) entry {
		e := entry{at: at(second), kind: entryEvent}
		e.event.Type, e.event.Seq, e.event.Attempt = "error", seq, attempt
		e.event.Code, e.event.Phase = holdfast.CodeReadCredentials, "store"
		e.event.Time, e.event.NextAttempt = e.at, e.at.Add(retry)
		return e
	}
	dial := func(second int) entry { return entry{at: at(second), kind: entryBegin, whom: boot} }
	damaged := messages.AccountsLoaded{StoredErr: store.DamageChecksum, Factory: lwm2m.NewTree()}
	plain := said(0, 1, 1, 0)
	plain.event.NextAttempt = time.Time{}
	ended := entry{at: at(0), kind: entryEvent, event: holdfast.Event{Type: holdfast.EventBootstrapped, Seq: 1}, whom: boot}
	beside := func(actor string) entry {
		return entry{at: at(0), kind: entryEvent, event: holdfast.Event{Type: holdfast.EventDegraded, Seq: 1, Actor: actor}}
	}
	kept := memory{delivered: true, record: []byte("newest")}
	tests := []struct {
		name, want string
		found      memory
		entries    []entry
	}{
		{"sound", "", memory{}, []entry{load(0, bad), said(0, 1, 1, 5*time.Second), load(5, good), dial(5)}},
		{"found again", "", kept, []entry{load(0, stored)}},
		{"unreported", "was not reported", memory{}, []entry{load(0, bad), load(5, good)}},
		{"reported twice", "nothing was wrong", memory{}, []entry{
			load(0, bad), said(0, 1, 1, 5*time.Second), said(0, 2, 2, 10*time.Second),
		}},
		{"without a reason", "nothing was wrong", memory{}, []entry{load(0, good), said(0, 1, 1, 5*time.Second)}},
		{"a wrong delay", "it should be", memory{}, []entry{load(0, bad), said(0, 1, 1, 4*time.Second)}},
		{"late", "was not read", memory{}, []entry{load(0, bad), said(0, 1, 1, 5*time.Second), load(6, good)}},
		{"early", "out of turn", memory{}, []entry{load(0, bad), said(0, 1, 1, 5*time.Second), load(4, good)}},
		{"a pause while it is read", "", memory{}, []entry{{at: at(0), kind: entryPause}, load(0, good)}},
		{"within a pause", "out of turn", memory{}, []entry{{at: at(0), kind: entryPause}, load(4, good)}},
		{"announced, and within a pause", "out of turn", memory{}, []entry{
			load(0, bad), said(0, 1, 1, 5*time.Second), {at: at(1), kind: entryPause}, load(5, good),
		}},
		{"a sound disk", "sound disk", memory{}, []entry{{at: at(0), kind: entryLoaded, loaded: bad}}},
		{"lost", "is lost", kept, []entry{load(0, good)}},
		{"nothing to fall back to", "", memory{delivered: true, damaged: true}, []entry{load(0, damaged), plain, dial(0)}},
		{"no falling back", "was not used", memory{delivered: true, damaged: true, intact: true}, []entry{load(0, damaged)}},
		{"replaced", "has been replaced", kept, []entry{load(0, messages.AccountsLoaded{Stored: []byte("older")})}},
		{"finished before it was stored", "is not stored", memory{}, []entry{load(0, good), dial(0), ended}},
		{"a record beside the credentials", "", kept, []entry{{at: at(0), kind: entryLoaded, loaded: stored, faulty: true}, beside("store")}},
		{"a record that can be read", "crashed", kept, []entry{load(0, stored), beside("store")}},
		{"a crash on a bad disk", "crashed", kept, []entry{{at: at(0), kind: entryLoaded, loaded: stored, faulty: true}, beside("management")}},
		{"refused in silence", "was not reported", memory{}, []entry{
			load(0, good), dial(0), {at: at(0), kind: entryRefused, faulty: true}, dial(5),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newModel(schedule{Setup: bootstrapServer, Provisioned: true, R0: 5 * time.Second})
			m.check(slices.Concat([]entry{{at: at(0), kind: entryStart}}, tt.entries), tt.found)
			got := strings.Join(m.faults, "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("judged %q, want %q", got, tt.want)
			}
		})
	}
}
