package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
)

// describeEvent puts an event of the client into words. coverage_test.go reads
// those of errors.
func (s *stage) describeEvent(e holdfast.Event) string {
	with := " with " + s.serverOf(e.Server)
	switch e.Type {
	case holdfast.EventState:
		return statePrefix + string(e.State)
	case holdfast.EventError:
		return s.describeError(e)
	case holdfast.EventRegistered:
		return "registered" + with + ": " + describeRegistration(e)
	case holdfast.EventRegistrationUpdated:
		return "registration updated" + with
	case holdfast.EventBootstrapped:
		return fmt.Sprintf("bootstrapped%s: accounts %d", with, e.Accounts)
	case holdfast.EventCredentialsRenewed:
		return "credentials renewed" + with + ": expire at " + e.Expires.Format(time.RFC3339)
	case holdfast.EventDisabled:
		return "disabled by " + s.serverOf(e.Server) + ": " + describeAction(e)
	case holdfast.EventFirmware:
		return s.tidy(describeFirmware(e))
	case holdfast.EventMoved:
		return fmt.Sprintf("moved%s: %s; %s", with, s.tidy(e.Detail), describeAction(e))
	case holdfast.EventDegraded:
		return fmt.Sprintf("degraded: %s, restarts %d: %s", e.Actor, e.Restarts, s.tidy(e.Detail))
	}
	return string(e.Type) + with
}

func describeRegistration(e holdfast.Event) string {
	text := fmt.Sprintf("%s, %d s, LwM2M %s, attempts %d", e.Location, int(e.Lifetime.Seconds()), e.LwM2M, e.Attempts)
	if !e.LostAt.IsZero() {
		text += fmt.Sprintf(", offline %v", systemtest.Offline(e))
	}
	return text
}

func (s *stage) describeError(e holdfast.Event) string {
	text := fmt.Sprintf("error %d %s in %s, attempt %d", e.Code, e.Name, e.Phase, e.Attempt)
	if e.Server != "" {
		text += ", " + s.serverOf(e.Server)
	}
	return text + ": " + s.tidy(e.Detail) + "; " + describeAction(e)
}

// describeAction says what the client does about an error.
func describeAction(e holdfast.Event) string {
	text := string(e.Action)
	if e.Action == holdfast.ActionUser {
		text = "a person is needed"
	}
	retry, again := e.RetryIn()
	switch {
	case again && e.Phase == "store" && e.Action != holdfast.ActionRetry:
		text += fmt.Sprintf(", looks again in %v", retry)
	case again:
		text += fmt.Sprintf(" in %v", retry)
	}
	if e.WaitsForTurn {
		text += ", when it is its turn"
	}
	return text
}

// serverOf names the server of a URI; without one, the client as a whole.
func (s *stage) serverOf(uri string) string {
	if uri == "" {
		return wholeClient
	}
	_, host, _ := strings.Cut(uri, "://")
	host, _, _ = strings.Cut(host, ":")
	host, _, _ = strings.Cut(host, "?")
	for name, v := range s.servers {
		if host == v.host.Addr().String() || host == name+".test" {
			return name
		}
	}
	return uri
}
