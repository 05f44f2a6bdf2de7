package holdfast

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-iot/holdfast/internal/wording"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// String explains to a person: what failed, since when, how often, what comes
// next and when, and what to do. It has several lines and ends with a newline.
// What a server said cannot steer a terminal.
func (e Explanation) String() string {
	t := &explainText{now: e.Time}
	t.headline(e)
	t.network(e.Network)
	if e.Trouble != nil {
		t.line("")
		t.line("store and credentials")
		t.trouble(e.Trouble, "")
	}
	for _, c := range e.Connections {
		t.connection(c)
	}
	t.firmware(e.Firmware)
	t.transitions(e.Transitions)
	return t.text.String()
}

// explainText collects the lines.
type explainText struct {
	now  time.Time
	text strings.Builder
}

func (t *explainText) line(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), " ")
	t.text.WriteString(onlyPrintable(text))
	t.text.WriteByte('\n')
}

func onlyPrintable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// item writes one labelled line of a paragraph, if there is something to say.
func (t *explainText) item(label, text string) {
	if text != "" {
		t.line("  %-16s %s", label, text)
	}
}

func (t *explainText) headline(e Explanation) {
	state := string(e.State)
	if state == "" {
		state = "not started"
	}
	connected := "not registered"
	if e.State == Registered {
		connected = "registered"
	}
	if e.State == Registered || e.Since.IsZero() {
		t.line("%s is %s%s.", e.Endpoint, state, t.since(e.Since))
		return
	}
	t.line("%s is %s: it is %s%s.", e.Endpoint, connected, state, t.since(e.Since))
}

// since says since when something is as it is.
func (t *explainText) since(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return fmt.Sprintf(" since %s (for %s)", at.Format(time.DateTime), wording.Duration(t.now.Sub(at)))
}

// network says which interface is used, and why.
func (t *explainText) network(s *NetworkStatus) {
	if s == nil {
		return
	}
	t.line("")
	if s.Interface == "" {
		t.line("network: no interface can be used")
	} else {
		t.line("network: %s is used", s.Interface)
	}
	t.item("named are", strings.Join(s.Interfaces, ", "))
	t.item("why", s.Reason)
}

func (t *explainText) connection(c Connection) {
	t.line("")
	state := string(c.State)
	if c.idle() {
		state = "not in use"
	}
	t.line("%s, %s: %s", c.Account, c.Server, state)
	if c.Location != "" {
		t.item("known there as", t.registration(c))
	}
	t.item("waits for", waitText(c))
	t.item("queue mode", c.QueueMode)
	t.item("disabled", t.disabled(c.DisabledUntil))
	t.item("DTLS session", t.session(c.Session))
	t.item("own certificate", t.certificate(c.CertificateExpires)+t.renewal(c.CertificateRenewal))
	t.item("observed", observingText(c.Observing))
	t.item("Sends", sendsText(c.Sends))
	t.item("dropped so far", shedText(c.Shed))
	if c.Attempt != nil {
		t.item("at present", c.Attempt.Text)
		t.item("perhaps", c.Attempt.Hint)
	}
	if c.Trouble != nil {
		t.trouble(c.Trouble, underway(c))
		return
	}
	t.item("what comes next", t.next(c.Next, underway(c)))
	if c.LastError != nil {
		t.item("last error", fmt.Sprintf("%s, %s ago", failureText(c.LastError), wording.Duration(t.now.Sub(c.LastError.Time))))
	}
}

// firmware says what an update is doing, and what comes next.
func (t *explainText) firmware(s *FirmwareStatus) {
	if s == nil || s.Object == 0 {
		return
	}
	t.line("")
	t.line("firmware update, object %d: %s", s.Object, s.StateName)
	t.item("version", s.Version)
	if s.Progress > 0 || s.Total > 0 {
		t.item("image", bytesText(s.Progress, s.Total))
	}
	if s.Asks != "" {
		t.item("asked", questionText(s.Asks)+": ctl firmware grant, refuse or defer")
	}
	if !s.DeferredUntil.IsZero() {
		t.item("put off", fmt.Sprintf("until %s, for %s more", s.DeferredUntil.Format(time.DateTime), wording.Duration(s.DeferredUntil.Sub(t.now))))
	}
	if s.LastError != nil {
		t.item("last error", fmt.Sprintf("%s, %s ago", failureText(s.LastError), wording.Duration(t.now.Sub(s.LastError.Time))))
	}
	if s.ResultName != "" {
		t.item("last result", fmt.Sprintf("%d %s", s.Result, s.ResultName))
	}
	t.item("why", s.Detail)
	if s.Pending > 0 {
		t.item("not reported", counted(uint64(s.Pending), "value")+" that no server has yet")
	}
	t.item("what comes next", t.next(s.Next, s.underway()))
}

// underway says what comes next of an update.
func (s *FirmwareStatus) underway() string {
	switch {
	case s.Asks != "":
		return "whatever the gateway decides"
	case !s.DeferredUntil.IsZero():
		return "the gateway is asked again"
	}
	next := map[string]string{
		firmware.StateDownloading.String(): "the rest of the image is fetched",
		firmware.StateDownloaded.String():  "the server, or a manifest, has it installed",
		firmware.StateUpdating.String():    "the image is installed",
		firmware.StateRebooting.String():   "a restart, after which the new version confirms itself or rolls back",
	}
	if text := next[s.StateName]; text != "" {
		return text
	}
	if s.Pending > 0 {
		return "the reports go out when a server is there"
	}
	return ""
}

// observingText says what a server observes, and what it was told.
func observingText(o *Observing) string {
	if o == nil {
		return ""
	}
	text := fmt.Sprintf("%s; %s sent, %d acknowledged",
		counted(uint64(o.Observations), "observation"), counted(o.Notified, "notification"), o.Acknowledged)
	if o.Stored > 0 {
		text += fmt.Sprintf("; %d stored until the server is back", o.Stored)
	}
	if o.Dropped > 0 {
		text += fmt.Sprintf("; %d lost for want of room", o.Dropped)
	}
	return text
}

func counted(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func sendsText(s *SendCount) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%d accepted, %d failed", s.Accepted, s.Failed)
}

// shedText says what was dropped, and why, as far as anything was.
func shedText(s *Shed) string {
	if s == nil {
		return ""
	}
	var parts []string
	for _, part := range []struct {
		n   uint64
		why string
	}{
		{s.Queue, "faster than they could be looked at"}, {s.Rate, "above the work for one peer"},
		{s.Answers, "answers without a message ID"}, {s.Memory, "more than can be remembered"},
		{s.Forged, "ACKs and RSTs while somebody guesses message IDs"},
		{s.Truncated, "too long to be read"}, {s.Unsent, "that the socket had no room to send"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.why))
		}
	}
	return strings.Join(parts, ", ")
}

func (t *explainText) disabled(until time.Time) string {
	if until.IsZero() {
		return ""
	}
	return fmt.Sprintf("by the server until %s, for %s more", until.Format(time.DateTime), wording.Duration(until.Sub(t.now)))
}

func (t *explainText) certificate(expires time.Time) string {
	switch {
	case expires.IsZero():
		return ""
	case expires.After(t.now):
		return fmt.Sprintf("expires at %s, in %s", expires.Format(time.DateTime), wording.Duration(expires.Sub(t.now)))
	}
	return "has expired at " + expires.Format(time.DateTime)
}

func (t *explainText) session(s *SecureSession) string {
	if s == nil {
		return ""
	}
	id := "without Connection ID"
	if s.ConnectionID {
		id = "with Connection ID"
	}
	return fmt.Sprintf("%s, %s, since %s (for %s), %d nonces used",
		s.Suite, id, s.Since.Format(time.DateTime), wording.Duration(t.now.Sub(s.Since)), s.Nonces)
}

// renewal says when a certificate is to be renewed.
func (t *explainText) renewal(at time.Time) string {
	switch {
	case at.IsZero():
		return ""
	case at.After(t.now):
		return fmt.Sprintf(", renewal at %s, in %s", at.Format(time.DateTime), wording.Duration(at.Sub(t.now)))
	}
	return ", renewal is due since " + at.Format(time.DateTime)
}

func (t *explainText) registration(c Connection) string {
	lifetime := "for ever"
	if c.Lifetime > 0 {
		lifetime = "for " + wording.Duration(c.Lifetime)
	}
	return fmt.Sprintf("%s, %s from %s", c.Location, lifetime, c.ConfirmedAt.Format(time.DateTime))
}

// idle reports whether this is a bootstrap account with nothing to do.
func (c *Connection) idle() bool {
	return c.Account == messages.BootstrapPeer().String() && c.State == Starting
}

// waitText says what an account waits for that does not come of its own failures.
func waitText(c Connection) string {
	switch c.WaitsFor {
	case messages.WaitsForServer.String():
		return "the end of the pause that the server has asked for"
	case messages.WaitsForFirst.String():
		return "the end of the delay before the first attempt"
	case messages.WaitsForOrder.String():
		return c.Behind + ", which registers first by its priority"
	case messages.WaitsForBlock.String():
		return c.Behind + ", which has failed and keeps the servers behind it from being tried"
	}
	return ""
}

// underway says what a connection does at present.
func underway(c Connection) string {
	switch c.State {
	case Registered:
		return "nothing to be done: it is kept alive"
	case Waiting, Starting:
		switch {
		case c.idle():
			return "nothing, until a bootstrap is needed"
		case c.Behind != "":
			return "its turn, after that of " + c.Behind
		}
		return "the outcome of the bootstrap"
	case Paused, Stopping, Stopped:
		return ""
	}
	return "an attempt is under way"
}

// trouble writes what failed and what is done about it.
func (t *explainText) trouble(trouble *Trouble, otherwise string) {
	t.item("what failed", failureText(trouble.Error))
	t.item("since", fmt.Sprintf("%s, %s ago", trouble.Since.Format(time.DateTime), wording.Duration(t.now.Sub(trouble.Since))))
	t.item("how often", timesRunning(trouble.Failures))
	t.item("what comes next", t.next(trouble.Next, otherwise))
	t.item("what to do", trouble.Error.Remedy)
}

func timesRunning(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times running", n)
}

func (t *explainText) next(step *NextStep, otherwise string) string {
	if step == nil {
		return otherwise
	}
	action := string(step.Action)
	if step.Action == ActionUser {
		action = "look again"
	}
	if step.In == 0 {
		return action + " now"
	}
	text := fmt.Sprintf("%s in %s, at %s", action, wording.Duration(step.At.Sub(t.now)), step.At.Format(time.DateTime))
	if step.WaitsForTurn {
		text += ", when it has its turn among the attempts of all servers"
	}
	return text
}

// failureText names an error, its phase and its cause.
func failureText(e *Event) string {
	text := fmt.Sprintf("%s (%d), phase %s", e.Name, e.Code, e.Phase)
	if e.CoAP != "" {
		text += ", answered " + e.CoAP
	}
	if e.TLSAlert != nil {
		text += fmt.Sprintf(", TLS alert %d", *e.TLSAlert)
	}
	if e.Detail != "" {
		text += ": " + strings.Join(strings.Fields(e.Detail), " ") // it may have lines
	}
	return text
}

func (t *explainText) transitions(events []Event) {
	if len(events) == 0 {
		return
	}
	t.line("")
	t.line("last events")
	for i := range events {
		t.line("  %s  %-14s %s", events[i].Time.Format(time.DateTime), events[i].Type, transitionText(&events[i]))
	}
}

// firmwareText says how far an update had come, and why it has failed.
func firmwareText(e *Event) string {
	if e.Firmware == nil {
		return e.Detail
	}
	text := e.Firmware.String()
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// transitionText says in a few words what an event is about.
func transitionText(e *Event) string {
	switch e.Type {
	case EventState:
		if e.Previous == "" {
			return string(e.State)
		}
		return fmt.Sprintf("%s -> %s", e.Previous, e.State)
	case EventError:
		if e.Server == "" {
			return failureText(e)
		}
		return e.Server + ": " + failureText(e)
	case EventFirmware:
		return firmwareText(e)
	case EventRegistered:
		return e.Server + " as " + e.Location
	case EventCredentialsRenewed:
		return fmt.Sprintf("%s: a certificate until %s", e.Server, e.Expires.Format(time.DateTime))
	case EventDisabled:
		return fmt.Sprintf("by %s until %s", e.Server, e.NextAttempt.Format(time.DateTime))
	case EventMoved:
		return e.Server + ": " + e.Detail
	case EventNetwork:
		if e.Interface == "" {
			return e.Detail
		}
		return strings.TrimSuffix(e.Interface+" is used: "+e.Detail, ": ")
	case EventDegraded:
		return fmt.Sprintf("%s was restarted %d times: %s", e.Actor, e.Restarts, e.Detail)
	}
	return e.Server
}
