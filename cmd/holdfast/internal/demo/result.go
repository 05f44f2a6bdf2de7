package demo

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// result is how a scenario went; its JSON form is one line of --json
// (docs/contract.md, Commands).
type result struct {
	Type     string             `json:"type"` // "demo_result"
	Code     holdfast.ErrorCode `json:"code"`
	Name     string             `json:"name"`
	Scenario string             `json:"scenario"`
	// Endpoint whose events FirstSeq and LastSeq number.
	Endpoint string `json:"endpoint"`
	Provoked string `json:"provoked"`
	// Attempts that it took, the successful one included.
	Attempts int `json:"attempts"`
	// DelaysMS are the delays that the errors announced, in their order.
	DelaysMS  []int64 `json:"delays_ms"`
	Recovered bool    `json:"recovered"`
	// RecoveredInMS is the time from the first error to the recovery; null
	// when there was none.
	RecoveredInMS *int64 `json:"recovered_in_ms"`
	FirstSeq      uint64 `json:"first_seq"`
	LastSeq       uint64 `json:"last_seq"`
	// ServerSaw is how many Registers and Updates the management server
	// accepted meanwhile, by its own count.
	ServerSaw int `json:"server_saw"`
	// Failure says why it is not recovered.
	Failure string `json:"failure,omitempty"`
}

// Faults that the judge finds.
var (
	errNotReported  = errors.New("the error was not reported")
	errNotRecovered = errors.New("nothing shows the recovery")
	errNotSeen      = errors.New("the server has seen neither a Register nor an Update")
)

// judge decides whether the error came and was recovered from, by the events
// and by what the server has seen; err is the fault that the play has found
// already, if any.
func (s scenario) judge(endpoint string, events []holdfast.Event, serverSaw int, err error) result {
	r := result{
		Type: "demo_result", Code: s.code, Name: s.code.String(), Scenario: s.name, Endpoint: endpoint,
		Provoked: s.provoked, DelaysMS: delays(events), ServerSaw: serverSaw,
	}
	r.Attempts = len(r.DelaysMS) + 1
	if len(events) > 0 {
		r.FirstSeq, r.LastSeq = events[0].Seq, events[len(events)-1].Seq
	}
	took, verdict := s.verdict(events)
	if err == nil {
		err = verdict
	}
	if err == nil && serverSaw == 0 {
		err = errNotSeen
	}
	if err != nil {
		r.Failure = err.Error()
		return r
	}
	r.Recovered, r.RecoveredInMS = true, new(took.Milliseconds())
	return r
}

// verdict returns the time from the first error to the recovery.
func (s scenario) verdict(events []holdfast.Event) (time.Duration, error) {
	first := slices.IndexFunc(events, func(e holdfast.Event) bool { return e.Type == holdfast.EventError })
	at := slices.IndexFunc(events, func(e holdfast.Event) bool {
		return e.Type == holdfast.EventError && e.Code == s.code
	})
	if at < 0 {
		return 0, errNotReported
	}
	cure := slices.IndexFunc(events[at:], s.cured.match)
	if cure < 0 {
		return 0, fmt.Errorf("%w: %s did not come", errNotRecovered, s.cured.what)
	}
	return events[at+cure].Time.Sub(events[first].Time), nil
}

// delays returns what the errors announced, in milliseconds.
func delays(events []holdfast.Event) []int64 {
	all := []int64{}
	for _, e := range events {
		if delay, again := e.RetryIn(); again && e.Type == holdfast.EventError {
			all = append(all, delay.Milliseconds())
		}
	}
	return all
}
