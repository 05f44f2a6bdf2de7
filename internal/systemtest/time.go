package systemtest

import (
	"testing/synctest"
	"time"
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
