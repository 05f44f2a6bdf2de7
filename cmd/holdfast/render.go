package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-iot/holdfast"
)

// renderer prints events for people, one line each: when, what, what it means,
// and what happens next and when.
type renderer struct {
	out      io.Writer
	coloured bool
}

// The colours (ECMA-48 select graphic rendition).
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
)

// event prints one event.
func (r renderer) event(e holdfast.Event) {
	r.line(e.Time, colourOf(e), string(e.Type), describe(e))
}

// line prints one line. What a peer said cannot steer the terminal.
func (r renderer) line(at time.Time, colour, word, text string) { r.block(at, colour, word, text, nil) }

// block prints a line and a table below it, which nothing else comes between.
func (r renderer) block(at time.Time, colour, word, text string, table []string) {
	word = fmt.Sprintf("%-10s", printable(word))
	if r.coloured && colour != "" {
		word = "\x1b[" + colour + "m" + word + "\x1b[0m"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\n", at.Format(time.TimeOnly), word, printable(text))
	for _, row := range table {
		b.WriteString("    " + printable(row) + "\n")
	}
	fmt.Fprint(r.out, b.String())
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

func colourOf(e holdfast.Event) string {
	switch e.Type {
	case holdfast.EventError:
		return red
	case holdfast.EventRegistered, holdfast.EventRegistrationUpdated, holdfast.EventBootstrapped, holdfast.EventCredentialsRenewed:
		return green
	case holdfast.EventDegraded, holdfast.EventDisabled, holdfast.EventMoved:
		return yellow
	case holdfast.EventFirmware:
		return colourOfUpdate(e)
	}
	return faint
}

func colourOfUpdate(e holdfast.Event) string {
	if e.Firmware == nil {
		return faint
	}
	switch ended, failed := e.Firmware.Ended(); {
	case failed:
		return red
	case ended:
		return green
	case e.Firmware.Asks != "":
		return yellow
	}
	return faint
}

// describe returns what an event says after its type.
func describe(e holdfast.Event) string {
	switch e.Type {
	case holdfast.EventState:
		return describeState(e)
	case holdfast.EventError:
		return describeError(e)
	case holdfast.EventBootstrapped:
		return fmt.Sprintf("by %s: %s", e.Server, count(e.Accounts, "management account"))
	case holdfast.EventRegistered:
		return describeRegistered(e)
	case holdfast.EventRegistrationUpdated:
		return "at " + e.Server
	case holdfast.EventAwake, holdfast.EventAsleep:
		return "for " + e.Server
	case holdfast.EventCredentialsRenewed:
		return fmt.Sprintf("for %s: the new certificate expires at %s", e.Server, e.Expires.Format(time.DateTime))
	case holdfast.EventUnregistered:
		return "from " + e.Server
	case holdfast.EventDisabled:
		return "by " + e.Server + " - " + next(e)
	case holdfast.EventFirmware:
		return describeFirmware(e)
	case holdfast.EventMoved:
		return joined(": ", e.Server, e.Detail)
	case holdfast.EventNetwork:
		return describeNetwork(e)
	case holdfast.EventDegraded:
		return joined(": ", fmt.Sprintf("%s was restarted %d times", e.Actor, e.Restarts), e.Detail)
	}
	return joined(" ", e.Server, e.Detail)
}

// describeNetwork says which interface is used, and why.
func describeNetwork(e holdfast.Event) string {
	if e.Interface == "" {
		return e.Detail
	}
	return joined(": ", e.Interface+" is used", e.Detail)
}

// describeFirmware says how far an update has come, and what the gateway can do.
func describeFirmware(e holdfast.Event) string {
	f := e.Firmware
	if f == nil {
		return e.Detail
	}
	what := joined(": ", fmt.Sprintf("object %d: %s", f.Object, f), e.Detail)
	if f.Asks != "" {
		what += " - ctl firmware grant, refuse or defer"
	}
	return what
}

func describeState(e holdfast.Event) string {
	text := string(e.State)
	if e.Previous != "" {
		text = string(e.Previous) + " -> " + text
	}
	if e.Server != "" {
		text += " " + e.Server
	}
	return text
}

// describeError says what failed, why, what comes next and what a person can
// do.
func describeError(e holdfast.Event) string {
	what := fmt.Sprintf("%s (%d)", e.Name, e.Code)
	if e.Server != "" {
		what += " " + e.Server
	}
	cause := e.Detail
	if e.CoAP != "" {
		cause = joined(": ", "answered "+e.CoAP, cause)
	}
	if e.TLSAlert != nil {
		cause = joined(", ", cause, fmt.Sprintf("TLS alert %d", *e.TLSAlert))
	}
	return joined(" - ", joined(": ", what, cause), next(e), e.Remedy)
}

// next says what the client does about an error, and when.
func next(e holdfast.Event) string {
	text := actionText(string(e.Action))
	delay, again := e.RetryIn()
	switch {
	case !again:
		return text
	case delay == 0:
		text += " now"
	default:
		text += fmt.Sprintf(" in %s (%s)", duration(delay), clock(e.Time, delay))
	}
	if e.Attempt > 1 {
		text += fmt.Sprintf(", %d failures running", e.Attempt)
	}
	return text
}

// actionText puts an action (docs/contract.md, Events) into words.
func actionText(action string) string {
	switch action {
	case "ignore":
		return "ignored"
	case "none":
		return "nothing to be done"
	case "user":
		return "needs a person"
	}
	return action
}

// clock names the instant after a delay, with its date when it is far off.
func clock(from time.Time, delay time.Duration) string {
	layout := time.TimeOnly
	if delay >= 12*time.Hour {
		layout = time.DateTime
	}
	return from.Add(delay).Format(layout)
}

func describeRegistered(e holdfast.Event) string {
	text := fmt.Sprintf("at %s as %s, LwM2M %s, lifetime %s", e.Server, e.Location, e.LwM2M, duration(e.Lifetime))
	if e.Lifetime == 0 {
		text = fmt.Sprintf("at %s as %s, LwM2M %s, for ever", e.Server, e.Location, e.LwM2M)
	}
	if e.Attempts > 1 {
		text += fmt.Sprintf(", at attempt %d", e.Attempts)
	}
	if d, was := e.Offline(); was {
		text += ", was offline for " + duration(d)
	}
	if e.Session != "" && e.Session != "none" {
		text += ", session " + e.Session
	}
	return text
}

// joined joins the parts that are not empty.
func joined(separator string, parts ...string) string {
	var present []string
	for _, part := range parts {
		if part != "" {
			present = append(present, part)
		}
	}
	return strings.Join(present, separator)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// duration writes a duration with its two largest units.
func duration(d time.Duration) string {
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	if d < time.Minute {
		return seconds(d)
	}
	for i, u := range units[:3] {
		if d < u.size {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.size, u.name)
		if rest := d % u.size / units[i+1].size; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
		}
		return text
	}
	return seconds(d)
}

// seconds writes less than a minute: milliseconds below one second, tenths
// above.
func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Truncate(100*time.Millisecond).Seconds()), ".0") + " s"
}
