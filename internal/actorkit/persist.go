package actorkit

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// persistTimeout is how long a shell waits for the answer to a core.Persist
// before it goes on without.
const persistTimeout = 30 * time.Second

// Errors of the core.PersistFailed that a shell makes itself.
var (
	// ErrPersistTimeout says that no answer came. Whether the record is durable
	// is then unknown.
	ErrPersistTimeout = errors.New("no answer from the store")
	// ErrNoStore says that there is nobody to write the record.
	ErrNoStore = errors.New("no store is running")
)

// saves numbers the messages.Save of the process, so that a late answer to an
// earlier incarnation of an actor is not taken for one to the present.
var saves atomic.Uint64

// saveWait is the key of the timer that bounds the wait for an answer.
type saveWait struct{ save uint64 }

// batch is what is left to do of one Step.
type batch struct {
	effects []core.Effect
	save    uint64        // number of the messages.Save under way; 0 for none
	persist *core.Persist // that it is for
}

// fewBatches has what a shell needs that carries out one batch, and has another added by an
// executor.
type fewBatches [2]batch

// spareBatches has those that no shell uses, all of them empty. An actor that waits for its
// next message holds none.
var spareBatches = sync.Pool{New: func() any { return new(fewBatches) }}

// add puts the effects of a step behind those that wait.
func (s *Shell) add(effects []core.Effect) {
	if s.batches == nil {
		s.batches = spareBatches.Get().(*fewBatches)[:0]
	}
	s.batches = append(s.batches, batch{effects: effects})
}

// idle gives back what a shell without effects does not need.
func (s *Shell) idle() {
	if len(s.batches) > 0 {
		return
	}
	if cap(s.batches) == len(fewBatches{}) {
		spareBatches.Put((*fewBatches)(s.batches[:len(fewBatches{})]))
	}
	s.batches = nil
}

func (b *batch) pop() core.Effect {
	effect := b.effects[0]
	b.effects = b.effects[1:]
	return effect
}

func (b *batch) spent() bool { return len(b.effects) == 0 && b.save == 0 }

// holds reports whether the batch has, or is still to make, a write for which
// match is true.
func (b *batch) holds(match func(core.Persist) bool) bool {
	if b.save != 0 && match(*b.persist) {
		return true
	}
	return slices.ContainsFunc(b.effects, func(e core.Effect) bool {
		persist, ok := e.(core.Persist)
		return ok && match(persist)
	})
}

// blocked reports whether the next effect of a batch has to wait: for the batch's
// own write, or for one of an earlier batch.
func (s *Shell) blocked(i int) bool {
	if s.batches[i].save != 0 {
		return true
	}
	switch next := s.batches[i].effects[0].(type) {
	case core.Persist:
		return s.earlier(i, func(p core.Persist) bool { return p.Record == next.Record })
	case core.After:
		return s.earlier(i, func(p core.Persist) bool { return p.Token == next.Token })
	}
	return false
}

func (s *Shell) earlier(i int, match func(core.Persist) bool) bool {
	return slices.ContainsFunc(s.batches[:i], func(b batch) bool { return b.holds(match) })
}

// save hands a record to the store.
func (s *Shell) save(ctx actor.Context, i int, persist core.Persist) {
	save := saves.Add(1)
	s.batches[i].save, s.batches[i].persist = save, &persist
	s.ownTimers(ctx).Set(saveWait{save}, persistTimeout)
	store := s.route(core.Store, 0)
	if store == nil {
		ctx.Send(ctx.Self(), core.PersistFailed{Token: save, Err: ErrNoStore})
		return
	}
	ctx.Request(store, messages.Save{Token: save, Record: persist.Record, Data: persist.Data, Hold: persist.Hold})
}

// answered ends the wait for a messages.Save: what it held up is carried out, and
// then the machine gets the answer. An answer that nobody waits for is dropped.
func (s *Shell) answered(ctx actor.Context, save uint64, held, err error) {
	i := slices.IndexFunc(s.batches, func(b batch) bool { return b.save == save })
	if i < 0 {
		return
	}
	token := s.batches[i].persist.Token
	s.batches[i].save, s.batches[i].persist = 0, nil
	if s.batches[i].spent() {
		s.batches = slices.Delete(s.batches, i, i+1)
	}
	s.timers.Stop(saveWait{save})
	s.drain(ctx)
	if err != nil {
		s.Input(ctx, core.PersistFailed{Token: token, Err: err})
		return
	}
	s.Input(ctx, core.Persisted{Token: token, Held: held})
}

// timerOf returns the timer that an effect sets or stops.
func timerOf(effect core.Effect) (core.Timer, bool) {
	switch effect := effect.(type) {
	case core.SetTimer:
		return effect.Timer, true
	case core.StopTimer:
		return effect.Timer, true
	}
	return core.Timer{}, false
}

// superseded reports whether a waiting effect sets or stops the timer.
func (s *Shell) superseded(timer core.Timer) bool {
	return slices.ContainsFunc(s.batches, func(b batch) bool {
		return slices.ContainsFunc(b.effects, func(e core.Effect) bool { return sets(e, timer) })
	})
}

// forgetTimer drops what earlier batches still mean to do with a timer: this
// batch has decided anew.
func (s *Shell) forgetTimer(i int, timer core.Timer) {
	for n := range s.batches[:i] {
		s.batches[n].effects = slices.DeleteFunc(s.batches[n].effects, func(e core.Effect) bool { return sets(e, timer) })
	}
}

func sets(effect core.Effect, timer core.Timer) bool {
	set, ok := timerOf(effect)
	return ok && set == timer
}
