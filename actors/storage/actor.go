package storage

import (
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
	jobs    uint64                // so far
	askers  map[uint64]*actor.PID // by the job's number; nil for who wants no answer
}

// done is the message with which a job comes back from the disk.
type done struct {
	job    uint64
	answer any
	crash  *actorkit.Crash // the job panicked
}

func newShell(sources Sources) *shell {
	s := &shell{sources: sources, askers: map[uint64]*actor.PID{}}
	s.Shell = actorkit.NewShell(actorkit.ShellOptions{Machine: &machine{}, Executor: s})
	return s
}

// Receive implements actor.Actor.
func (s *shell) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case messages.LoadAccounts, messages.LoadRecord, messages.Save, messages.ForgetCredentials, messages.SetAside:
		s.jobs++
		s.askers[s.jobs] = ctx.Sender()
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
			answer, crash := s.sources.work(effect.request)
			root.Send(self, done{job: effect.job, answer: answer, crash: crash})
		}()
	case reply:
		if to := s.askers[effect.job]; to != nil && effect.answer != nil {
			ctx.Send(to, effect.answer)
		}
		delete(s.askers, effect.job)
	default:
		return false
	}
	return true
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
