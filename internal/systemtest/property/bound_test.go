package property_test

import (
	"context"
	"slices"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/actors/registration"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// What bounds one attempt (docs/design.md, Actors and messages; Silence).
const (
	attemptBudget   = 3 * time.Minute   // to register, or to reach a bootstrap server and have its answer
	bootstrapLength = 247 * time.Second // of silence within a bootstrap, after which it is given up
	attemptGrace    = 30 * time.Second  // after which the supervisor gives up an attempt that says nothing
	transmitWait    = 93 * time.Second  // MAX_TRANSMIT_WAIT: the resends of one message at worst

	// longestAttempt is a bootstrap that the server abandons at its last step.
	longestAttempt = attemptBudget + attemptGrace + bootstrapLength
)

// settle ends what has no end of its own, and waits until the last delayed
// packet and the last delayed answer have come: they are part of the faults.
func (l *lab) settle() {
	for _, g := range l.managers {
		g.server.Behave()
	}
	l.open()
	time.Sleep(maxDelay + transmitWait)
}

// recoverWithin demands that the client be registered within the bound, which
// holds from the moment when the faults have ended.
func (l *lab) recoverWithin() {
	ended := time.Now()
	l.out.bound = l.boundNow()
	ctx, cancel := context.WithDeadline(context.Background(), ended.Add(l.out.bound))
	defer cancel()
	err := l.awaitFresh(ctx)
	synctest.Wait() // the answer is on its way; until it comes, the client says what was before
	if err == nil {
		err = l.client.Await(ctx, holdfast.Registered)
	}
	l.out.recover = time.Since(ended)
	known := !slices.ContainsFunc(l.managers, func(g *manager) bool { return !g.server.Registered(systemtest.Endpoint) })
	if err != nil || !known {
		l.out.failf("not registered within %v of the end of the faults: %v (status %+v)", l.out.bound, err, l.client.Status())
	}
}

// awaitFresh waits until every management server has accepted something more.
func (l *lab) awaitFresh(ctx context.Context) error {
	before := make([]int, len(l.managers))
	for i, g := range l.managers {
		before[i] = g.accepted()
	}
	for i, g := range l.managers {
		if err := g.server.Await(ctx, func() bool { return g.accepted() > before[i] }); err != nil {
			return err
		}
	}
	return nil
}

// boundNow is how long it may take from now on, in a world without faults,
// until the server has accepted a Register or an Update:
//
//   - the wait that the client has announced, or, while it is registered, the
//     time to its next Update and that Update's resends (the server may have
//     forgotten it, or the path may be gone: only then does it show);
//     Where no account can be read there is no such wait, and the time to the
//     next look at the store counts instead: the policy is the same, and once
//     the disk is good that look succeeds;
//   - one attempt, that succeeds;
//   - for each attempt that may yet fail before that: its length and the
//     delay that follows it, at most a week (failuresToCome).
func (l *lab) boundNow() time.Duration {
	status := l.client.Status()
	wait, failures := time.Duration(0), uint64(0)
	for _, c := range status.Connections {
		wait = max(wait, l.waitOf(c))
		if c.Trouble != nil {
			failures = max(failures, c.Trouble.Failures)
		}
	}
	bound := max(wait, l.lookAgain()) + longestAttempt
	for i := range l.failuresToCome(status) {
		bound += longestAttempt + l.plan.longestDelay(failures+uint64(i))
	}
	return bound
}

// longestDelay bounds the delay after n+1 consecutive failures.
func (p *schedule) longestDelay(n uint64) time.Duration {
	if p.OMA {
		return max(series(n+1, true), series(n+1, false))
	}
	return systemtest.Delay(p.R0, n)
}

// lookAgain is the time to the reading of the store that the latest error event
// about it has announced.
func (l *lab) lookAgain() time.Duration {
	j := l.life()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range slices.Backward(j.entries) {
		if retry, again := e.event.RetryIn(); again && e.event.Phase == "store" {
			return time.Until(e.at.Add(retry))
		}
	}
	return 0
}

// unread reports whether what servers have written could not be read in the present life.
func (l *lab) unread() bool {
	j := l.life()
	j.mu.Lock()
	defer j.mu.Unlock()
	return !slices.ContainsFunc(j.entries, func(e entry) bool { return e.kind == entryLoaded && !e.loaded.Written.Unread })
}

func (l *lab) waitOf(c holdfast.Connection) time.Duration {
	wait := time.Duration(0)
	if c.Next != nil {
		wait = time.Until(c.Next.At)
	}
	if c.State == holdfast.Registered {
		after, _ := registration.UpdateAfter(c.Lifetime)
		wait = max(wait, after) + transmitWait
	}
	return wait
}

// failuresToCome is how many attempts may still fail although nothing is wrong
// any more:
//
//   - one that was under way when the faults ended: half of its budget may be
//     gone, or its handshake may hang on a flight that was lost;
//   - on a link that only seems to live, the Update that finds it dead; the
//     ladder that follows it succeeds at once;
//   - with a bootstrap server, one more: a management account that waits for a
//     bootstrap that fails tries again by its own delay;
//   - two, when the key was rotated: a key that the server no longer has shows
//     as a stalled handshake, and only the second one in a row is believed;
//   - all of that once more where there is a second management account, which
//     may have to wait for the first one.
func (l *lab) failuresToCome(s holdfast.Status) int {
	n := 0
	for _, c := range s.Connections {
		if c.Next == nil && c.State != holdfast.Starting {
			n = 1
		}
	}
	if l.plan.Setup.boots() {
		n++
	}
	if l.rotated > 0 {
		n += 2
	}
	return n * len(l.managers)
}

// finish demands that the registration is worth something, that the client
// leaves in order, and that a further life of it finds its account.
func (l *lab) finish() {
	if len(l.out.faults) == 0 {
		l.readDevice()
	}
	asked := l.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest)
	l.shut()
	if len(l.out.faults) == 0 {
		l.left()
	}
	l.open()
	ctx, cancel := context.WithTimeout(context.Background(), attemptBudget*time.Duration(len(l.managers))) // one may wait for the other
	defer cancel()
	if err := l.client.Await(ctx, holdfast.Registered); err != nil {
		l.out.failf("after a restart: %v", err)
	}
	if n := l.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest); n != asked {
		l.out.failf("a restart lost the account: %d bootstraps more", n-asked)
	}
	l.shut()
}

// left demands that the client has told every server that it leaves.
func (l *lab) left() {
	if err := l.life().closed; err != nil {
		l.out.failf("Close: %v", err)
	}
	for _, g := range l.managers {
		if g.server.Registered(systemtest.Endpoint) {
			l.out.failf("%s was not told that the client leaves", g.name)
		}
	}
}

// readDevice reads through the present registrations.
func (l *lab) readDevice() {
	ctx, cancel := context.WithTimeout(context.Background(), attemptBudget)
	defer cancel()
	for _, g := range l.managers {
		got, err := g.server.Read(ctx, systemtest.Endpoint, "/3/0/0", messages.FormatTLV)
		if err != nil || got.Code != messages.Content {
			l.out.failf("Read of %s after recovery: %v, %v", g.name, got.Code, err)
		}
	}
}
