package systemtest

import (
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// Rest lets virtual time pass.
func Rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// Week is the longest delay of the policy.
const Week = 7 * 24 * time.Hour

// Delay is the n-th delay of the default policy, n from 0.
func Delay(r0 time.Duration, n uint64) time.Duration {
	d := r0
	for range n {
		d = min(2*d, Week)
	}
	return d
}

// Retry returns the delay until the next attempt that an event announces, and
// -1 for none.
func Retry(e holdfast.Event) time.Duration {
	if delay, again := e.RetryIn(); again {
		return delay
	}
	return -1
}

// Offline returns how long a registration was missing, and -1 when there was
// none before.
func Offline(e holdfast.Event) time.Duration {
	if d, was := e.Offline(); was {
		return d
	}
	return -1
}
