package actorkit

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/alarm"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// shelf is a store that answers when a test says so. A record's content is its name in the test.
type shelf struct{ asked map[string]saved }

type saved struct {
	from *actor.PID
	save uint64
}

// answer makes the shelf answer the newest Save of a content.
type answer struct {
	content string
	err     error
}

func newShelf() actor.Actor { return &shelf{asked: map[string]saved{}} }

func (s *shelf) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case messages.Save:
		s.asked[string(message.Data)] = saved{ctx.Sender(), message.Token}
	case answer:
		asked := s.asked[message.content]
		ctx.Send(asked.from, outcome(asked.save, message.err))
	}
}

func outcome(save uint64, err error) any {
	if err != nil {
		return core.PersistFailed{Token: save, Err: err}
	}
	return core.Persisted{Token: save}
}

// noteSaves makes a stage write down what it hands to the store, and when.
func noteSaves(log *journal[string], began time.Time) PropsOptions {
	return PropsOptions{Mailbox: MailboxOptions{Hooks: &Hooks{Effect: func(effect core.Effect) {
		if persist, ok := effect.(core.Persist); ok {
			log.add(fmt.Sprintf("%v save %s", time.Since(began), persist.Data))
		}
	}}}}
}

func routeToStore(store *actor.PID) Route {
	return func(role core.Role, _ messages.Epoch) *actor.PID {
		if role == core.Store {
			return store
		}
		return nil
	}
}

// persist writes a record whose content is its token and its name.
func persist(token uint64, record string) core.Persist {
	return core.Persist{Token: token, Record: record, Data: fmt.Appendf(nil, "%d%s", token, record)}
}

func set(name string, after time.Duration) core.Effect {
	return core.SetTimer{Timer: core.Timer{Name: name}, After: after}
}

func stop(name string) core.Effect { return core.StopTimer{Timer: core.Timer{Name: name}} }

func TestAWriteHoldsUpTheRestOfItsBatch(t *testing.T) {
	for name, step := range map[string]struct {
		err   error
		shown string
	}{
		"persisted": {nil, "in core.Persisted{1 <nil>}"},
		"failed":    {errors.New("full"), "in core.PersistFailed{1 full}"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, []any{
				script{note{text: "before"}, persist(1, "a"), note{text: "behind"}},
				time.Second, answer{"1a", step.err}, script{note{text: "free"}},
			},
				"0s before", "0s save 1a", "1s behind", "1s "+step.shown, "1s free")
		})
	}
}

func TestAWriteLetsOtherBatchesPass(t *testing.T) {
	play(t, []any{
		script{persist(1, "a"), note{text: "behind"}},
		script{note{text: "another answer"}}, "input",
		time.Second, answer{content: "1a"},
	},
		"0s save 1a", "0s another answer", "0s in stringinput", "1s behind", "1s in core.Persisted{1 <nil>}")
}

func TestWritesOfABatchAreMadeOneAfterTheOther(t *testing.T) {
	play(t, []any{
		script{persist(1, "a"), note{text: "x"}, persist(2, "b"), note{text: "y"}},
		time.Second, answer{content: "1a"}, time.Second, answer{content: "2b"},
	},
		"0s save 1a", "1s x", "1s save 2b", "1s in core.Persisted{1 <nil>}", "2s y", "2s in core.Persisted{2 <nil>}")
}

func TestWritesOfOneRecordStayInOrder(t *testing.T) {
	play(t, []any{
		script{persist(1, "a"), note{text: "one"}},
		script{persist(2, "b"), note{text: "two"}},
		script{persist(3, "a"), note{text: "three"}},
		time.Second, answer{content: "2b"}, time.Second, answer{content: "1a"}, time.Second, answer{content: "3a"},
	},
		"0s save 1a", "0s save 2b", "1s two", "1s in core.Persisted{2 <nil>}",
		"2s one", "2s save 3a", "2s in core.Persisted{1 <nil>}", "3s three", "3s in core.Persisted{3 <nil>}")
}

// The earlier write of the record has not even begun: it waits for another.
func TestAWriteWaitsForOneThatIsStillToBeMade(t *testing.T) {
	play(t, []any{
		script{persist(1, "a"), persist(2, "b")},
		script{note{text: "at once"}, persist(3, "b"), note{text: "last"}},
		time.Second, answer{content: "1a"}, time.Second, answer{content: "2b"}, time.Second, answer{content: "3b"},
	},
		"0s save 1a", "0s at once", "1s save 2b", "1s in core.Persisted{1 <nil>}",
		"2s save 3b", "2s in core.Persisted{2 <nil>}", "3s last", "3s in core.Persisted{3 <nil>}")
}

func TestAfterWaitsForTheWriteThatItNames(t *testing.T) {
	play(t, []any{
		script{core.After{Token: 1}, note{text: "nothing to wait for"}},
		script{persist(1, "a"), note{text: "behind"}},
		script{note{text: "at once"}, core.After{Token: 1}, note{text: "after"}},
		script{core.After{Token: 2}, note{text: "another"}},
		time.Second, answer{content: "1a"},
	},
		"0s nothing to wait for", "0s save 1a", "0s at once", "0s another",
		"1s behind", "1s after", "1s in core.Persisted{1 <nil>}")
}

func TestAnswersThatNobodyAwaitsAreDropped(t *testing.T) {
	play(t, []any{
		core.Persisted{Token: 0}, core.PersistFailed{Token: 0},
		script{persist(1, "a"), note{text: "x"}},
		answer{content: "1a"}, answer{content: "1a"},
	},
		"0s save 1a", "0s x", "0s in core.Persisted{1 <nil>}")
}

func TestAShellDoesNotWaitForTheStoreForEver(t *testing.T) {
	play(t, []any{
		script{persist(1, "a"), note{text: "x"}}, script{persist(2, "a")},
		time.Minute, answer{content: "1a"}, answer{content: "2a"},
	},
		"0s save 1a", "30s x", "30s save 2a", "30s in core.PersistFailed{1 no answer from the store}",
		"1m0s in core.PersistFailed{2 no answer from the store}")
}

func TestAShellWithoutAStoreSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var log journal[string]
		pid := system.Root.Spawn(Props(newStage(&log, time.Now(), nil), PropsOptions{}))
		system.Root.Send(pid, script{persist(1, "a"), note{text: "x"}})
		synctest.Wait()
		poison(t, system, pid)
		if got, want := fmt.Sprint(log.list()), "[0s x 0s in core.PersistFailed{1 no store is running}]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// An answer to an earlier incarnation of an actor, which chose the same tokens, is
// not taken for one to the present.
func TestAnswersToAnEarlierIncarnationAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T, system *actor.ActorSystem) {
		var log journal[string]
		guardian := NewGuardian(GuardianOptions{})
		store := system.Root.Spawn(Props(newShelf, PropsOptions{}))
		pid := system.Root.Copy().WithGuardian(guardian).Spawn(Props(newStage(&log, time.Now(), routeToStore(store)), noteSaves(&log, time.Now())))
		system.Root.Send(pid, script{core.Persist{Token: 1, Record: "a", Data: []byte("old")}})
		system.Root.Send(pid, script{unknown{}})
		time.Sleep(time.Second)
		system.Root.Send(pid, script{core.Persist{Token: 1, Record: "a", Data: []byte("new")}})
		synctest.Wait()
		for _, content := range []string{"old", "new"} {
			time.Sleep(time.Second)
			system.Root.Send(store, answer{content: content})
			synctest.Wait()
		}
		poison(t, system, pid, store)
		if got, want := fmt.Sprint(log.list()), "[0s save old 1s save new 3s in core.Persisted{1 <nil>}]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// A timer that a waiting effect sets or stops does not expire meanwhile: the
// machine has decided already.
func TestATimerThatAWaitingEffectChangesDoesNotExpire(t *testing.T) {
	play(t, []any{
		script{set("a", time.Second), set("b", time.Second), set("c", time.Second)},
		script{persist(1, "x"), stop("a"), set("b", 5*time.Second)},
		2 * time.Second, answer{content: "1x"}, time.Minute,
	},
		"0s save 1x", "1s in core.Expired{c}", "2s in core.Persisted{1 <nil>}", "7s in core.Expired{b}")
}

// What a later step has made of a timer is not undone by an effect that waited.
func TestTheLatestStepDecidesAboutATimer(t *testing.T) {
	play(t, []any{
		script{persist(1, "x"), set("a", time.Second), stop("b"), set("c", time.Second), note{text: "behind"}},
		script{set("b", 10*time.Second), stop("c"), set("a", 5*time.Second)},
		2 * time.Second, answer{content: "1x"}, time.Minute,
	},
		"0s save 1x", "2s behind", "2s in core.Persisted{1 <nil>}", "5s in core.Expired{a}", "10s in core.Expired{b}")
}

// Two batches wait: the earlier one is the last to go on.
func TestAnEarlierBatchThatGoesOnLaterLeavesTheTimer(t *testing.T) {
	play(t, []any{
		script{persist(1, "x"), set("a", time.Second), note{text: "one"}},
		script{persist(2, "y"), set("a", time.Hour), note{text: "two"}},
		time.Second, answer{content: "2y"}, time.Second, answer{content: "1x"}, 2 * time.Hour,
	},
		"0s save 1x", "0s save 2y", "1s two", "1s in core.Persisted{2 <nil>}",
		"2s one", "2s in core.Persisted{1 <nil>}", "1h0m1s in core.Expired{a}")
}

// A shell without effects holds no list of them, and the next one finds none in it.
func TestShellGivesItsBatchesBack(t *testing.T) {
	for _, most := range []int{1, len(fewBatches{}), len(fewBatches{}) + 1} {
		s := NewShell(ShellOptions{})
		for range most {
			s.add([]core.Effect{core.After{}})
		}
		s.idle()
		if len(s.batches) != most {
			t.Errorf("%d of %d batches are left", len(s.batches), most)
		}
		for len(s.batches) > 0 {
			s.batches = slices.Delete(s.batches, 0, 1)
		}
		if s.idle(); s.batches != nil {
			t.Errorf("after %d batches there is a list of %d still", most, cap(s.batches))
		}
		for _, left := range spareBatches.Get().(*fewBatches) {
			if left.effects != nil || left.save != 0 || left.persist != nil {
				t.Errorf("after %d batches the next shell begins with %+v", most, left)
			}
		}
	}
}

// plan is a random history: batches, and how long the disk takes for each write.
type plan struct {
	batches []script
	gaps    []time.Duration // before each batch
	takes   map[uint64]time.Duration
}

func drawPlan(t *rapid.T) plan {
	p := plan{takes: map[uint64]time.Duration{}}
	token := uint64(0)
	for i := range rapid.IntRange(1, 8).Draw(t, "batches") {
		var batch script
		for n := range rapid.IntRange(1, 5).Draw(t, "effects") {
			switch rapid.IntRange(0, 3).Draw(t, "effect") {
			case 0:
				token++
				batch = append(batch, persist(token, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "record")))
				p.takes[token] = time.Duration(rapid.IntRange(0, 9).Draw(t, "takes")) * time.Second
			case 1:
				batch = append(batch, core.After{Token: uint64(rapid.IntRange(1, 8).Draw(t, "token"))})
			default:
				batch = append(batch, note{text: fmt.Sprintf("%d.%d", i, n)})
			}
		}
		p.batches = append(p.batches, batch)
		p.gaps = append(p.gaps, time.Duration(rapid.IntRange(0, 4).Draw(t, "gap"))*time.Second)
	}
	return p
}

// write is what the model knows of a Persist.
type write struct {
	batch    int
	persist  core.Persist
	answered time.Duration
}

// expected says when each note is due, from the rules alone: an effect is carried
// out when its batch has come, when what precedes it in the batch has been, and
// when the earlier writes that it depends on have been answered.
func (p plan) expected() map[string]time.Duration {
	due := map[string]time.Duration{}
	var writes []write
	var came time.Duration
	for i, batch := range p.batches {
		came += p.gaps[i]
		at := came
		for _, effect := range batch {
			switch effect := effect.(type) {
			case note:
				due[effect.text] = at
			case core.After:
				at = latest(at, writes, func(w write) bool { return w.batch < i && w.persist.Token == effect.Token })
			case core.Persist:
				at = latest(at, writes, func(w write) bool { return w.batch < i && w.persist.Record == effect.Record })
				at += p.takes[effect.Token]
				writes = append(writes, write{i, effect, at})
			}
		}
	}
	return due
}

func latest(at time.Duration, writes []write, match func(write) bool) time.Duration {
	for _, w := range writes {
		if match(w) {
			at = max(at, w.answered)
		}
	}
	return at
}

// slowShelf is a store that takes its time with every write.
func slowShelf(takes map[uint64]time.Duration) actor.Producer {
	return func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			save, ok := ctx.Message().(messages.Save)
			if !ok {
				return
			}
			var token uint64
			if _, err := fmt.Sscanf(string(save.Data), "%d", &token); err != nil {
				panic(err)
			}
			root, to := ctx.ActorSystem().Root, ctx.Sender()
			alarm.After(takes[token], func() { root.Send(to, core.Persisted{Token: save.Token}) })
		})
	}
}

// TestEffectsAreCarriedOutAsSoonAsTheRulesAllow plays random histories against the
// model: every note comes once, at the instant that the rules give, and those of a
// batch in their order.
func TestEffectsAreCarriedOutAsSoonAsTheRulesAllow(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := drawPlan(r)
		var log journal[string]
		bubble(t, func(t *testing.T, system *actor.ActorSystem) {
			store := system.Root.Spawn(Props(slowShelf(p.takes), PropsOptions{}))
			pid := system.Root.Spawn(Props(newStage(&log, time.Now(), routeToStore(store)), PropsOptions{}))
			for i, batch := range p.batches {
				time.Sleep(p.gaps[i])
				synctest.Wait() // answers of this instant come first, as in the model
				system.Root.Send(pid, batch)
				synctest.Wait()
			}
			time.Sleep(10 * time.Minute)
			poison(t, system, pid, store)
		})
		compare(r, log.list(), p.expected())
	})
}

// compare holds a log against the instants at which the notes are due. Names of
// notes sort as their batches order them.
func compare(t *rapid.T, log []string, due map[string]time.Duration) {
	last := map[int]int{}
	for _, line := range log {
		var at, text string
		var batch, n int
		if _, err := fmt.Sscan(line, &at, &text); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscanf(text, "%d.%d", &batch, &n); err != nil {
			continue // an answer
		}
		if want, ok := due[text]; !ok || want.String() != at {
			t.Fatalf("%q, due at %v (%v)", line, want, ok)
		}
		if before, ok := last[batch]; ok && n < before {
			t.Fatalf("%q comes out of order", line)
		}
		last[batch] = n
		delete(due, text)
	}
	if len(due) > 0 {
		t.Fatalf("never carried out: %v", due)
	}
}
