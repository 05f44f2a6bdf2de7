package wallclock

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// steps move the clock by a microsecond, and back.
var steps = []unix.Timeval{{Usec: 1}, {Sec: -1, Usec: 999_999}}

func TestKernelWakesTheWaiter(t *testing.T) {
	w := system()
	if _, kernel := w.(*alarm); !kernel {
		w.Close()
		t.Fatal("this kernel has no timerfd")
	}
	defer time.AfterFunc(10*time.Second, w.Close).Stop() // where the kernel does not tell
	woken := make(chan bool)
	wait := func() { woken <- w.Wait() }
	for _, step := range steps { // after the first it is armed anew
		go wait()
		if _, err := unix.Adjtimex(&unix.Timex{Modes: unix.ADJ_SETOFFSET, Time: step}); err != nil {
			w.Close()
			<-woken
			t.Skipf("the clock may not be set here: %v", err)
		}
		if more := <-woken; !more {
			t.Fatal("the waiter has ended")
		}
	}
	go wait()
	w.Close()
	if more := <-woken; more {
		t.Error("a closed waiter goes on")
	}
}
