package demo

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// result is how a scenario went; its JSON form is one line of --json
// (docs/contract.md, Commands).
type result struct {
	Type     string             `json:"type"`
	Code     holdfast.ErrorCode `json:"code,omitzero"`
	Name     string             `json:"name,omitempty"`
	Scenario string             `json:"scenario"`
	// Endpoint whose events FirstSeq and LastSeq number.
	Endpoint string `json:"endpoint"`
	Provoked string `json:"provoked"`
	// Attempts that it took, the successful one included.
	Attempts int `json:"attempts"`
	// DelaysMS are the delays that the errors announced, in their order.
	DelaysMS  []int64 `json:"delays_ms"`
	Recovered bool    `json:"recovered"`
	// RecoveredInMS is the time from the first error to the recovery, of an update from
	// the first event to the end; null when there was none.
	RecoveredInMS *int64 `json:"recovered_in_ms"`
	FirstSeq      uint64 `json:"first_seq"`
	LastSeq       uint64 `json:"last_seq"`
	// ServerSaw is how many Registers and Updates the management server
	// accepted meanwhile, by its own count.
	ServerSaw int `json:"server_saw"`
	// Session is what it has cost to go on, as events say it.
	Session string `json:"session,omitempty"`
	// Told are the states and results of an update that the server was told, by path.
	Told map[string][]int64 `json:"told,omitempty"`
	// Failure says why it is not recovered.
	Failure string `json:"failure,omitempty"`

	// impossible says that this machine cannot show the scenario: it has no result.
	impossible bool
}

// The types of a result.
const (
	typeResult   = "demo_result"
	typeFirmware = "demo_firmware" // of an update
	typeSession  = "demo_session"  // of a DTLS session that goes on
)

// Faults that the judge finds.
var (
	errNotReported  = errors.New("the error was not reported")
	errNotRecovered = errors.New("nothing shows the recovery")
	errNotSeen      = errors.New("the server has seen neither a Register nor an Update")
	errNotTold      = errors.New("the server was told nothing of the update")
)

// errorName is the name of the error; empty of an update.
func (s scenario) errorName() string {
	if s.about != anError {
		return ""
	}
	return s.code.String()
}

// judgeUpdate decides whether an update ended as it should, by the events and by what the
// server was told; err is the fault that the play has found already, if any.
func (s scenario) judgeUpdate(endpoint string, events []holdfast.Event, serverSaw int, told map[string][]int64, err error) result {
	r := s.begin(endpoint, events, serverSaw)
	r.Type, r.Told = typeFirmware, told
	took, verdict := s.updateVerdict(events)
	if err == nil {
		err = verdict
	}
	if err == nil && len(told) == 0 {
		err = errNotTold
	}
	return r.concluded(took, err)
}

// updateVerdict returns the time from the first event of the update to its end.
func (s scenario) updateVerdict(events []holdfast.Event) (time.Duration, error) {
	first := slices.IndexFunc(events, func(e holdfast.Event) bool { return e.Firmware != nil })
	end := slices.IndexFunc(events, s.cured.match)
	if first < 0 || end < 0 {
		return 0, fmt.Errorf("%s did not come", s.cured.what)
	}
	return events[end].Time.Sub(events[first].Time), nil
}

// judgeSession decides whether a session went on, by the events since it was provoked at an
// instant; err is the fault that the play has found already, if any.
func (s scenario) judgeSession(endpoint string, events []holdfast.Event, serverSaw int, provoked time.Time, err error) result {
	r := s.begin(endpoint, events, serverSaw)
	r.Type = typeSession
	end := slices.IndexFunc(events, s.cured.match)
	switch {
	case err != nil:
	case end < 0:
		err = fmt.Errorf("%s did not come", s.cured.what)
	case serverSaw == 0:
		err = errNotSeen
	}
	if err != nil {
		return r.concluded(0, err)
	}
	r.Session = events[end].Session
	return r.concluded(events[end].Time.Sub(provoked), nil)
}

// judge decides whether the error came and was recovered from, by the events
// and by what the server has seen; err is the fault that the play has found
// already, if any.
func (s scenario) judge(endpoint string, events []holdfast.Event, serverSaw int, err error) result {
	r := s.begin(endpoint, events, serverSaw)
	took, verdict := s.verdict(events)
	if err == nil {
		err = verdict
	}
	if err == nil && serverSaw == 0 {
		err = errNotSeen
	}
	return r.concluded(took, err)
}

// begin returns what is known of a result before it is judged.
func (s scenario) begin(endpoint string, events []holdfast.Event, serverSaw int) result {
	r := result{
		Type: typeResult, Code: s.code, Name: s.errorName(), Scenario: s.name, Endpoint: endpoint,
		Provoked: s.provoked, DelaysMS: delays(events), ServerSaw: serverSaw,
	}
	r.Attempts = len(r.DelaysMS) + 1
	if len(events) > 0 {
		r.FirstSeq, r.LastSeq = events[0].Seq, events[len(events)-1].Seq
	}
	return r
}

// concluded returns the result with its verdict.
func (r result) concluded(took time.Duration, err error) result {
	if err != nil {
		r.Failure, r.impossible = err.Error(), errors.Is(err, syscall.ENOEXEC)
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
