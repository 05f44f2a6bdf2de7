package property_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
)

// Schedules of each set-up in one run of the tests, unless -rapid.checks says
// otherwise; a fifth of it with -short.
const (
	schedules = 400
	managed   = 100 // in which servers manage the client
	raceShare = 5   // with the race detector, so many times less
)

// The property: whatever the network, the servers and the application do,
//
//  1. once it is over the client is registered within the policy's bound
//     (bound_test.go);
//  2. no attempt begins before the time that the error event announced, but
//     after a hint, for the Register after a bootstrap, and for the ladder;
//     within one attempt each address is tried once, and once more where the first time
//     was on a session of before;
//  3. each failed attempt makes one error event, counted from 1 until a
//     success, and the events' numbers have no gaps;
//  4. nothing durable is lost: a restart finds the account that was delivered,
//     and a bootstrap that broke off leaves the former one usable; what the
//     disk could not store or read is reported, and what is damaged is kept;
//  5. what was announced comes, to the instant;
//  6. no sequence number of a session is used twice (sessions_test.go);
//  7. after Close no goroutine and no timer is left: else the bubble would not
//     end.
func TestFaultSchedules(t *testing.T) {
	setChecks(t, schedules)
	for s := range setups {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			total := tally{errors: map[string]int{}}
			rapid.Check(t, func(rt *rapid.T) {
				p := drawSchedule(rt, s)
				out := run(t, p)
				total.add(out)
				if len(out.faults) > 0 {
					rt.Fatalf("%s\n%s\n%s", p, strings.Join(out.faults, "\n"), out.story())
				}
			})
			t.Log(total)
		})
	}
}

// setChecks sets the number of schedules where neither the command line nor
// the environment does, and sets it back for the other properties.
func setChecks(t *testing.T, n int) {
	_, given := os.LookupEnv("RAPID_CHECKS")
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == checksFlag })
	if given {
		return
	}
	if systemtest.RaceDetector {
		n /= raceShare
	}
	before := flag.Lookup(checksFlag).Value.String()
	t.Cleanup(func() { _ = flag.Set(checksFlag, before) }) // it was valid before
	if err := flag.Set(checksFlag, strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
}

const checksFlag = "rapid.checks"

// run carries a schedule out in a bubble and judges every life of the client.
func run(t *testing.T, p schedule) *outcome {
	var out *outcome
	synctest.Test(t, func(t *testing.T) { out = carryOut(t, p) })
	var left memory
	for _, life := range out.lives {
		m := newModel(p)
		left.damaged, left.intact = life.damaged, life.intact
		if m.check(life.ordered(), left); len(p.Acts) > 0 {
			m.faults = nil // what servers do leads to requests at other times than those that it knows
		}
		out.faults = append(out.faults, m.faults...)
		out.attempts += m.attempts
		left = m.shelf.memory
	}
	return out
}

// told is how many entries of a history are shown with a fault.
const told = 300

// story returns the entries that lead to the first fault, and some that follow it.
func (o *outcome) story() string {
	var lines []string
	for i, life := range o.lives {
		lines = append(lines, fmt.Sprintf("life %d", i+1))
		for _, e := range life.ordered() {
			lines = append(lines, e.at.Format(instant)+" "+e.String())
		}
	}
	end := len(lines)
	if at := o.firstFault(); at != "" {
		for end > 0 && !strings.HasPrefix(lines[end-1], at) {
			end--
		}
	}
	end = min(end+told/10, len(lines))
	return strings.Join(lines[max(0, end-told):end], "\n")
}

// instant is how faults and entries show when they were.
const instant = "2006-01-02 15:04:05.000000"

// firstFault returns when the judge found the first fault; empty when it found
// none.
func (o *outcome) firstFault() string {
	for _, fault := range o.faults {
		if at, ok := strings.CutPrefix(fault, "at "); ok && len(at) > len(instant) {
			return at[:len(instant)]
		}
	}
	return ""
}

// tally counts what a run of the property did.
type tally struct {
	schedules, lives, attempts int
	kept, protected            int // links on a session of before, records under a Connection ID
	disk                       int // operations of the disk that failed
	fellBack                   int // starts from the generation before the newest
	virtual                    time.Duration
	recovered                  []time.Duration
	errors                     map[string]int // events by code and phase
}

func (t *tally) add(o *outcome) {
	t.schedules++
	t.lives += len(o.lives)
	t.attempts += o.attempts
	t.protected += o.protected
	t.disk += o.disk
	t.virtual += o.virtual
	t.recovered = append(t.recovered, o.recover)
	for _, life := range o.lives {
		for _, e := range life.entries {
			if t.count(e); e.kept {
				t.kept++
			}
		}
	}
}

func (t *tally) count(e entry) {
	if e.loaded.FellBack {
		t.fellBack++
	}
	if e.event.Type != holdfast.EventError {
		return
	}
	kind := fmt.Sprintf("%s in %s", e.event.Name, e.event.Phase)
	if e.event.Phase == "store" && !e.event.NextAttempt.IsZero() {
		kind += " (to be read again)"
	}
	t.errors[kind]++
}

func (t tally) String() string {
	slices.Sort(t.recovered)
	n := len(t.recovered)
	const year = 365 * 24 * time.Hour
	return fmt.Sprintf("%d schedules, %.1f simulated device-years, %d starts, %d attempts, %d failures of the disk, %d older generations used, %d links on a session of before, %d records under a Connection ID; recovered after median %v, 95%% %v, max %v; %v",
		t.schedules, t.virtual.Hours()/year.Hours(), t.lives, t.attempts, t.disk, t.fellBack, t.kept, t.protected,
		t.recovered[n/2].Round(time.Second), t.recovered[n*95/100].Round(time.Second), t.recovered[n-1].Round(time.Second), t.errors)
}
