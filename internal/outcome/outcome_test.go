package outcome

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/messages"
)

func TestUnanswered(t *testing.T) {
	for reason, want := range map[messages.RequestFailure]messages.Failure{
		messages.Exhausted:  {Class: messages.ClassSilence},
		messages.Reset:      {Class: messages.ClassReset},
		messages.TooLarge:   {Class: messages.ClassBudget, Detail: "body too large"},
		messages.QueueFull:  {Class: messages.ClassBudget, Detail: "too many queued requests (limits.queued_messages)"},
		messages.Unsendable: {Class: messages.ClassBudget, Detail: "request cannot be encoded"},
		messages.Broken:     {Class: messages.ClassBadAnswer},
		0:                   {Class: messages.ClassBadAnswer},
	} {
		if diff := cmp.Diff(want, Unanswered(reason, messages.ClassSilence)); diff != "" {
			t.Errorf("%s: %s", reason, diff)
		}
	}
	if got := Unanswered(messages.Exhausted, messages.ClassTimeout); got.Class != messages.ClassTimeout {
		t.Errorf("exhausted: %v", got.Class)
	}
}

func TestRejected(t *testing.T) {
	got := Rejected(messages.Response{Code: messages.ServiceUnavailable, Payload: []byte("later"), MaxAge: new(uint32(90))})
	want := messages.Failure{Class: messages.ClassRejected, Answer: messages.ServiceUnavailable, Detail: "later", MaxAge: new(90 * time.Second)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := Rejected(messages.Response{Code: messages.Forbidden}); got.MaxAge != nil || got.Detail != "" {
		t.Errorf("an empty 4.03: %v", got)
	}
}

func TestChallenged(t *testing.T) {
	for _, c := range []struct {
		in   messages.Response
		want bool
	}{
		{messages.Response{Code: messages.Unauthorized, Echo: []byte{1}}, true},
		{messages.Response{Code: messages.Unauthorized}, false},
		{messages.Response{Code: messages.Forbidden, Echo: []byte{1}}, false},
	} {
		if got := Challenged(c.in); got != c.want {
			t.Errorf("%v: %v", c.in, got)
		}
	}
}
