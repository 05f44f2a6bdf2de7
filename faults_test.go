package holdfast_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// Histories that random schedules have come across and that are worth keeping:
// each is carried out and judged as those are (TestFaultSchedules).
func TestFaultHistories(t *testing.T) {
	histories := []struct {
		name string
		plan schedule
	}{
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
	}
	for _, tt := range histories {
		t.Run(tt.name, func(t *testing.T) {
			if out := run(t, tt.plan); len(out.faults) > 0 {
				t.Errorf("%s\n%s\n%s", tt.plan, strings.Join(out.faults, "\n"), out.story())
			}
		})
	}
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
		e.event.Code, e.event.Phase = messages.ConnectNetworkError, "register"
		e.event.RetryInMS = new(retry.Milliseconds())
		return e
	}
	unlikely := func(second int, seq, attempt uint64, retry time.Duration) entry {
		e := failure(second, seq, attempt, retry)
		e.event.Code = messages.ConnectorFailedToStoreCredentials // nothing is stored by a Register
		return e
	}
	dial := func(second int) entry { return entry{at: at(second), kind: entryDial} }
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
			m.check(tt.entries, false, false)
			got := strings.Join(m.faults, "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("judged %q, want %q", got, tt.want)
			}
		})
	}
}
