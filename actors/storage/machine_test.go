package storage

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// A disk that hangs piles up a bounded number of jobs; the others are refused.
func TestAHangingDiskIsNotWaitedForWithoutBound(t *testing.T) {
	m := &machine{}
	load := messages.LoadAccounts{Token: 7}
	for i := range uint64(1 + maxWaiting) {
		for _, effect := range m.Step(time.Time{}, asked{i, load}) {
			if _, ok := effect.(reply); ok {
				t.Fatalf("job %d is refused", i)
			}
		}
	}
	for _, request := range []any{load, messages.Save{Token: 7}, messages.ForgetCredentials{Token: 7}} {
		effects := m.Step(time.Time{}, asked{100, request})
		refusal, ok := effects[0].(reply)
		if !ok || len(effects) != 1 || !errors.Is(refusedWith(t, refusal.answer), ErrBusy) {
			t.Errorf("%T: %v", request, effects)
		}
	}
}

func refusedWith(t *testing.T, answer any) error {
	switch answer := answer.(type) {
	case messages.AccountsLoaded:
		if answer.Token == 7 && answer.FactoryClass == messages.ClassStoreRead && errors.Is(answer.FactoryErr, answer.StoredErr) {
			return answer.StoredErr
		}
	case messages.CredentialsForgotten:
		if answer.Token == 7 {
			return answer.Err
		}
	case core.PersistFailed:
		if answer.Token == 7 {
			return answer.Err
		}
	}
	t.Errorf("answered %+v", answer)
	return nil
}

// TestJobs draws jobs that come and end in any order: those of a record are begun
// in order and one at a time, no job begins that need not wait later than at once,
// and every job is answered once.
func TestJobs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{}
		var waiting, running []asked
		last := uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			var in any
			if len(running) > 0 && rapid.Bool().Draw(t, "ends") {
				i := rapid.IntRange(0, len(running)-1).Draw(t, "which")
				in = ended{running[i].job, "answer"}
				running = slices.Delete(running, i, i+1)
			} else if len(waiting) < maxWaiting {
				last++
				next := asked{last, anyJob(t)}
				waiting = append(waiting, next)
				in = next
			}
			for _, effect := range m.Step(time.Time{}, in) {
				switch effect := effect.(type) {
				case start:
					i := slices.IndexFunc(waiting, func(a asked) bool { return a.job == effect.job })
					if i < 0 || concerns(running, waiting[i]) || concerns(waiting[:i], waiting[i]) {
						t.Fatalf("job %d begins; %v wait and %v are at the disk", effect.job, waiting, running)
					}
					running = append(running, waiting[i])
					waiting = slices.Delete(waiting, i, i+1)
				case reply:
					if end, ok := in.(ended); !ok || end.job != effect.job || effect.answer != "answer" {
						t.Fatalf("%v answers %v", effect, in)
					}
				}
			}
			if len(running) > maxAtDisk {
				t.Fatalf("%d jobs at the disk", len(running))
			}
			for i, a := range waiting {
				if len(running) < maxAtDisk && !concerns(running, a) && !concerns(waiting[:i], a) {
					t.Fatalf("job %d waits for nothing", a.job)
				}
			}
		}
	})
}

func anyJob(t *rapid.T) any {
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return messages.LoadAccounts{}
	case 1:
		return messages.ForgetCredentials{}
	}
	return messages.Save{Record: rapid.SampledFrom([]string{messages.RecordCredentials, "a", "b", "c", "d", "e"}).Draw(t, "record")}
}
