package supervisor

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// What was asked for, 60 s by default, at least a second, at most a week.
func TestOverload(t *testing.T) {
	for _, tt := range []struct {
		asked *time.Duration
		want  time.Duration
	}{
		{nil, time.Minute},
		{new(2 * time.Minute), 2 * time.Minute},
		{new(time.Duration(0)), time.Second},
		{new(-5 * time.Second), time.Second},
		{new(4294967295 * time.Second), Week},
		{new(10 * time.Minute), 10 * time.Minute},
	} {
		if got := Overload(tt.asked); got != tt.want {
			t.Errorf("asked for %v: left alone for %v, want %v", tt.asked, got, tt.want)
		}
	}
}

func TestOverloadOfAnAnswer(t *testing.T) {
	for _, code := range []messages.CoAPCode{messages.TooManyRequests, messages.ServiceUnavailable} {
		f := rejectedWith(code, messages.PhaseRegister)
		if got := floorOf(&f); got != time.Minute {
			t.Errorf("%s without Max-Age: %v", code, got)
		}
		f.MaxAge = new(90 * time.Second)
		if got := floorOf(&f); got != 90*time.Second {
			t.Errorf("%s with Max-Age: %v", code, got)
		}
	}
	f := rejectedWith(messages.InternalServerError, messages.PhaseRegister)
	f.MaxAge = new(90 * time.Second)
	if got := floorOf(&f); got != 0 {
		t.Errorf("5.00 asks for nothing: %v", got)
	}
}
