package supervisor

import (
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// CoAP 4.29 and 5.03 and HTTP 429 and 503 share one rule: what was asked for,
// 60 s by default, at least a second, at most a week.
func TestOverload(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		field string
		want  time.Duration
	}{
		{"", time.Minute},
		{"120", 2 * time.Minute},
		{"0", time.Second},
		{"4294967295", Week},
		{"99999999999999999999", time.Minute}, // no number that anybody can mean
		{"-5", time.Minute},
		{"soon", time.Minute},
		{"Mon, 23 Nov 2026 12:10:00 GMT", 10 * time.Minute},
		{"Monday, 23-Nov-26 12:10:00 GMT", 10 * time.Minute},
		{"Mon Nov 23 12:10:00 2026", 10 * time.Minute},
		{"Mon, 23 Nov 2026 11:00:00 GMT", time.Second},
		{"Mon, 23 Nov 2099 11:00:00 GMT", Week},
	}
	for _, tt := range tests {
		if got := Overload(RetryAfter(tt.field, now)); got != tt.want {
			t.Errorf("Retry-After %q: left alone for %v, want %v", tt.field, got, tt.want)
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
