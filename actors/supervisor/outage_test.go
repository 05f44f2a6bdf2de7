package supervisor

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

func TestOutageCountsUntilASuccess(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var o outage
	for n := range uint64(3) {
		o.lost(now.Add(time.Duration(n) * time.Hour))
		o.fail(&messages.Failure{Class: messages.ClassRefused})
		if o.failures != n+1 || !o.since.Equal(now) {
			t.Fatalf("%+v", o)
		}
	}
	_, repeated := o.crashed(now, Week)
	o.succeed()
	if o.failures != 0 || o.last != nil || !o.since.IsZero() || repeated {
		t.Errorf("%+v", o)
	}
	// A success forgives no crash.
	if delay, _ := o.crashed(now.Add(time.Second), Week); delay != 2*crashMin {
		t.Errorf("second crash: %v", delay)
	}
}

func TestOutageKnowsWhatHappensTwice(t *testing.T) {
	in := func(class messages.Class, phase messages.Phase, answer messages.CoAPCode) *messages.Failure {
		return &messages.Failure{Class: class, Phase: phase, Answer: answer}
	}
	update, register := messages.PhaseUpdate, messages.PhaseRegister
	tests := []struct {
		name       string
		last, next *messages.Failure
		want       bool
	}{
		{"the first", nil, in(messages.ClassRejected, update, messages.InternalServerError), false},
		{"the same", in(messages.ClassRejected, update, messages.InternalServerError), in(messages.ClassRejected, update, messages.BadGateway), true},
		{"another class of answer", in(messages.ClassRejected, update, messages.NotFound), in(messages.ClassRejected, update, messages.BadGateway), false},
		{"another phase", in(messages.ClassRejected, register, messages.BadGateway), in(messages.ClassRejected, update, messages.BadGateway), false},
		{"a pause before", in(messages.ClassRejected, update, messages.ServiceUnavailable), in(messages.ClassRejected, update, messages.BadGateway), false},
		{"a handshake, whatever it was for", in(messages.ClassCredentialsRefused, register, 0), in(messages.ClassCredentialsRefused, update, 0), true},
		{"another handshake", in(messages.ClassHandshakeStalled, register, 0), in(messages.ClassCredentialsRefused, register, 0), false},
	}
	for _, tt := range tests {
		o := outage{last: tt.last}
		if got := o.twice(tt.next); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
