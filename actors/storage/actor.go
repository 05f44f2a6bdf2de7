package storage

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/actorkit"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// Props returns the properties of the storage actor.
func Props(sources Sources, options actorkit.PropsOptions) *actor.Props {
	sources.held = &held{}
	return actorkit.Props(func() actor.Actor { return newShell(sources) }, options)
}

// shell takes jobs to the disk. It implements actor.Actor.
type shell struct {
	*actorkit.Shell
	sources Sources
	jobs    uint64  // so far
	askers  []asker // of the jobs that have not ended: a handful, for which a map would stay
}

type asker struct {
	job uint64
	pid *actor.PID // nil for who wants no answer
}

// done is the message with which a job comes back from the disk.
type done struct {
	job    uint64
	answer any
	crash  *actorkit.Crash // the job panicked
}

func newShell(sources Sources) *shell {
	s := &shell{sources: sources}
	s.Shell = actorkit.NewShell(actorkit.ShellOptions{Machine: &machine{}, Executor: s})
	return s
}

// Receive implements actor.Actor.
func (s *shell) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case messages.LoadAccounts, messages.LoadRecord, messages.Save, messages.ForgetCredentials, messages.SetAside:
		s.jobs++
		s.askers = append(s.askers, asker{s.jobs, ctx.Sender()})
		s.Input(ctx, asked{job: s.jobs, request: message})
	case done:
		if message.crash != nil {
			panic(message.crash)
		}
		s.Input(ctx, ended{job: message.job, answer: message.answer})
	default:
		s.Shell.Receive(ctx)
	}
}

// Run implements actorkit.Executor.
func (s *shell) Run(ctx actor.Context, effect core.Effect) bool {
	switch effect := effect.(type) {
	case start:
		root, self := ctx.ActorSystem().Root, ctx.Self()
		go func() {
			place := s.sources.Places.Enter()
			answer, crash := s.sources.work(effect.request)
			s.sources.Places.Leave(place)
			root.Send(self, done{job: effect.job, answer: answer, crash: crash})
		}()
	case reply:
		if to := s.answered(effect.job); to != nil && effect.answer != nil {
			ctx.Send(to, effect.answer)
		}
	default:
		return false
	}
	return true
}

// answered returns who has asked for a job, which has ended; nil for who wants no answer.
func (s *shell) answered(job uint64) *actor.PID {
	at := slices.IndexFunc(s.askers, func(a asker) bool { return a.job == job })
	if at < 0 {
		return nil
	}
	to := s.askers[at].pid
	s.askers = slices.Delete(s.askers, at, at+1)
	return to
}

// work does one job at the disk and survives it.
func (s Sources) work(request any) (answer any, crash *actorkit.Crash) {
	defer func() {
		if reason := recover(); reason != nil {
			crash = actorkit.Recovered(reason, request)
		}
	}()
	return s.perform(request), nil
}
