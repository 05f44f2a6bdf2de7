package lwm2mtest

import (
	"slices"
	"testing"
	"testing/synctest"
)

// What a datagram has brought is taken when pion asks for the next, or when there is none
// any more; what came with a later one does not wait for others.
func TestIntakeWaitsForTheEndOfADatagram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, taken, done := newIntake(), []string{}, make(chan struct{})
		go func() {
			defer close(done)
			for {
				data, more := in.pop()
				if !more {
					return
				}
				taken = append(taken, string(data))
			}
		}()
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(taken, want) {
				t.Errorf("%v is taken, want %v", taken, want)
			}
		}
		in.end()
		in.begin()
		in.push([]byte("one"))
		in.push([]byte("two")) // a datagram may have two records
		expect()
		in.end()
		expect("one", "two")
		in.begin()
		in.end()
		in.push([]byte("three")) // read late: its datagram is done with
		expect("one", "two", "three")
		in.begin()
		in.push([]byte("four"))
		expect("one", "two", "three")
		in.close()
		<-done
		expect("one", "two", "three", "four")
	})
}

// A server that does not take what has come loses the rest, and never holds pion up.
func TestIntakeIsBounded(t *testing.T) {
	in := newIntake()
	in.begin()
	for range 2 * sessionQueue {
		in.push(nil)
	}
	if n := len(in.queue); n != sessionQueue {
		t.Errorf("%d wait", n)
	}
}
