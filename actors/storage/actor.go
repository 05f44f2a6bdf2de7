// Package storage is the actor in front of the state directory: the one writer
// of its records (internal/store does the work).
//
// It takes messages.Load and messages.Save, one after the other, and answers
// the sender. The disk is used in a goroutine of its own, so that the actor
// never blocks; there is at most one at a time.
//
// The package is internal to the runtime: only actors/supervisor starts it.
package storage

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/messages"
)

// Records is what the actor needs of a store. *store.Store implements it.
type Records interface {
	Load(name string) (store.Record, error)
	Save(name string, data []byte) (generation uint64, err error)
}

// Props returns the properties of the storage actor.
func Props(records Records, options actorkit.PropsOptions) *actor.Props {
	return actorkit.Props(func() actor.Actor { return &storage{records: records} }, options)
}

// storage implements actor.Actor. Jobs wait in line while one is at the disk.
type storage struct {
	records Records
	busy    bool
	line    []job
}

type job struct {
	from    *actor.PID
	request any
}

// done says that the disk is free again.
type done struct {
	to     *actor.PID
	answer any
}

// Receive implements actor.Actor.
func (s *storage) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case messages.Load, messages.Save:
		s.line = append(s.line, job{from: ctx.Sender(), request: message})
		s.next(ctx)
	case done:
		s.busy = false
		if message.to != nil {
			ctx.Send(message.to, message.answer)
		}
		s.next(ctx)
	}
}

func (s *storage) next(ctx actor.Context) {
	if s.busy || len(s.line) == 0 {
		return
	}
	first := s.line[0]
	s.busy, s.line = true, s.line[1:]
	root, self := ctx.ActorSystem().Root, ctx.Self()
	go func() { root.Send(self, done{to: first.from, answer: perform(s.records, first.request)}) }()
}

// perform does one job at the disk.
func perform(records Records, request any) any {
	switch request := request.(type) {
	case messages.Load:
		return load(records, request)
	case messages.Save:
		if _, err := records.Save(request.Record, request.Data); err != nil {
			return core.PersistFailed{Token: request.Token, Err: err}
		}
		return core.Persisted{Token: request.Token}
	}
	return nil
}

func load(records Records, request messages.Load) messages.Loaded {
	answer := messages.Loaded{Token: request.Token, Record: request.Record}
	record, err := records.Load(request.Record)
	if errors.Is(err, store.ErrNotExist) {
		return answer
	}
	answer.Data, answer.Generation = record.Data, record.Generation
	answer.FellBack, answer.Damaged, answer.Err = record.FellBack, record.Damaged, err
	return answer
}
