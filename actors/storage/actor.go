// Package storage is the actor in front of the state directory: the one writer
// of its records (internal/store does the work).
//
// It takes messages.LoadAccounts, messages.Save and messages.ForgetCredentials,
// one after the other, and answers the sender. The disk is used in a goroutine
// of its own, so that the actor never blocks; there is at most one at a time. A
// panic there crashes the actor: queued jobs are lost with it, and the supervisor
// repeats them.
//
// The package is internal to the runtime: only actors/supervisor starts it.
package storage

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// Records is what the actor needs of a store. *store.Store implements it.
type Records interface {
	Load(name string) (store.Record, error)
	Save(name string, data []byte) (generation uint64, err error)
	Delete(name string) error
}

// Sources are what the actor reads from and writes to.
type Sources struct {
	Records Records
	// Factory reads the factory's accounts anew: the configuration with its
	// files, or the provisioned record. Beside an error it returns what can be
	// used all the same, nil for nothing. An error that has a method
	// Code() messages.ErrorCode is classified by it; one that has a method
	// FellBack() bool that says yes is about a newer record, and all that an
	// older one holds is returned beside it.
	Factory func() (*lwm2m.Tree, error)
}

// Props returns the properties of the storage actor.
func Props(sources Sources, options actorkit.PropsOptions) *actor.Props {
	return actorkit.Props(func() actor.Actor { return &storage{sources: sources} }, options)
}

// storage implements actor.Actor. Jobs wait in line while one is at the disk.
type storage struct {
	sources Sources
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
	crash  *actorkit.Crash // the job panicked
}

// Receive implements actor.Actor.
func (s *storage) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case messages.LoadAccounts, messages.Save, messages.ForgetCredentials:
		s.line = append(s.line, job{from: ctx.Sender(), request: message})
		s.next(ctx)
	case messages.Ping:
		message.Pong()
	case done:
		if message.crash != nil {
			panic(message.crash)
		}
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
	go func() { root.Send(self, s.sources.work(first)) }()
}

// work does one job at the disk and survives it.
func (s Sources) work(j job) (d done) {
	defer func() {
		if reason := recover(); reason != nil {
			d.crash = actorkit.Recovered(reason, j.request)
		}
	}()
	return done{to: j.from, answer: s.perform(j.request)}
}

// perform does one job at the disk.
func (s Sources) perform(request any) any {
	switch request := request.(type) {
	case messages.LoadAccounts:
		return s.load(request)
	case messages.ForgetCredentials:
		err := s.Records.Delete(messages.RecordCredentials)
		return messages.CredentialsForgotten{Token: request.Token, Err: err}
	case messages.Save:
		if _, err := s.Records.Save(request.Record, request.Data); err != nil {
			return core.PersistFailed{Token: request.Token, Err: err}
		}
		return core.Persisted{Token: request.Token}
	}
	return nil
}

func (s Sources) load(request messages.LoadAccounts) messages.AccountsLoaded {
	answer := messages.AccountsLoaded{Token: request.Token}
	record, err := s.Records.Load(messages.RecordCredentials)
	if !errors.Is(err, store.ErrNotExist) {
		answer.Stored, answer.StoredErr = record.Data, err
		answer.FellBack, answer.Cause = record.FellBack, record.Cause
	}
	var unusable *store.ReadError
	if errors.As(err, &unusable) {
		answer.Refused = unusable.Refused
	}
	answer.Factory, err = s.Factory()
	var older interface{ FellBack() bool }
	switch {
	case errors.As(err, &older) && older.FellBack():
		answer.FactoryCause = err
	case err != nil:
		answer.FactoryErr, answer.FactoryClass = err, classOf(err)
	}
	return answer
}

// classOf tells a file that could not be read from one that cannot be used.
func classOf(err error) messages.Class {
	var coded interface{ Code() messages.ErrorCode }
	if errors.As(err, &coded) && coded.Code() == messages.ConnectorFailedToReadCredentials {
		return messages.ClassStoreRead
	}
	return messages.ClassBadCredentials
}
