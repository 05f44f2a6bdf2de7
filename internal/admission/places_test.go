package admission

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// No more jobs than there are places are at the disk at a time, and all have their turn.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, most := NewPlaces(), jobsPerProcessor*runtime.GOMAXPROCS(0)
		began, ended := time.Now(), make(chan time.Duration, 3*most)
		for range 3 * most {
			go func() {
				taken := p.Enter()
				defer p.Leave(taken)
				time.Sleep(time.Millisecond) // at the disk
				ended <- time.Since(began)
			}()
		}
		turns := map[time.Duration]int{}
		for range 3 * most {
			turns[<-ended]++
		}
		for _, at := range []time.Duration{time.Millisecond, 2 * time.Millisecond, 3 * time.Millisecond} {
			if turns[at] != most {
				t.Errorf("%v, want %d jobs in each millisecond", turns, most)
			}
		}
	})
}

// A disk that hangs holds up those of other media for two seconds, and for no more.
func TestPlacesOnADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces()
		for range cap(p.taken) {
			p.Enter()
		}
		began := time.Now()
		for range 3 {
			if taken, waited := p.Enter(), time.Since(began); taken || waited != jobPatience {
				t.Errorf("a place %v, after %v", taken, waited)
			}
			p.Leave(false)
			began = time.Now()
		}
		p.Leave(true) // it has come back
		if taken := p.Enter(); !taken || time.Since(began) != 0 {
			t.Errorf("a place %v, after %v", taken, time.Since(began))
		}
		if taken := (*Places)(nil).Enter(); taken {
			t.Error("a place where there are none")
		}
	})
}
