// Package eventlog makes log records of what a client reports and does: every event,
// with the fields that it has elsewhere and a level that says who has to look at it;
// and, for those who look for a fault, every step of an attempt.
package eventlog

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-iot/holdfast/internal/wording"
	"github.com/holdfast-iot/holdfast/messages"
)

// LevelTrace is below debug: what changes with every account, each time.
const LevelTrace = slog.LevelDebug - 4

// EventKey is the attribute that tells the records of events from others: it has the
// type of the event.
const EventKey = "event"

// Event logs an event.
func Event(logger *slog.Logger, e *messages.Event) {
	level := Level(e)
	if !logger.Enabled(context.Background(), level) {
		return
	}
	r := slog.NewRecord(e.Time, level, text(e), 0)
	r.AddAttrs(fields(e)...)
	_ = logger.Handler().Handle(context.Background(), r) // a log that fails has nobody to tell
}

// Level returns the level of an event: error where a person is needed, warn where
// something has failed and is tried again, info for what an operator wants to have
// seen, debug for what happens all the time.
func Level(e *messages.Event) slog.Level {
	switch e.Type {
	case messages.EventError:
		return levelOfError(e)
	case messages.EventDegraded:
		return slog.LevelError
	case messages.EventRegistered, messages.EventUnregistered, messages.EventBootstrapped, messages.EventDisabled,
		messages.EventCredentialsRenewed, messages.EventMoved:
		return slog.LevelInfo
	case messages.EventNetwork:
		if e.Interface == "" {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case messages.EventFirmware:
		return levelOfUpdate(e)
	}
	return slog.LevelDebug
}

// levelOfUpdate tells the end of an update, and what the gateway is asked, from its steps
// and its progress.
func levelOfUpdate(e *messages.Event) slog.Level {
	switch ended, failed := e.FirmwareEnded(); {
	case failed:
		return slog.LevelWarn
	case ended || e.Asks != "":
		return slog.LevelInfo
	case e.FirmwareFetches() && e.Progress != nil && *e.Progress > 0:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func levelOfError(e *messages.Event) slog.Level {
	switch {
	case e.NeedsPerson():
		return slog.LevelError
	case e.Code == messages.ConnectNotAllowed || e.Code == messages.ConnectNotRegistered:
		return slog.LevelInfo // a call that the state does not allow: its caller has been told
	}
	return slog.LevelWarn
}

// text is the record's message: what has failed, or the type of the event.
func text(e *messages.Event) string {
	if e.Type == messages.EventError {
		return e.Name
	}
	return string(e.Type)
}

// fields are those of the JSON form of an event, under the same names.
func fields(e *messages.Event) []slog.Attr {
	list := attrs{slog.String(EventKey, string(e.Type)), slog.Uint64("seq", e.Seq)}
	list.text("server", e.Server)
	list.text("state", string(e.State))
	list.text("previous", string(e.Previous))
	list.number("code", uint64(e.Code))
	list.text("phase", e.Phase)
	list.number("attempt", e.Attempt)
	list.text("detail", e.Detail)
	list.text("coap", e.CoAP)
	if e.TLSAlert != nil {
		list = append(list, slog.Uint64("tls_alert", uint64(*e.TLSAlert)))
	}
	list.text("action", string(e.Action))
	list.signed("retry_in_ms", e.RetryInMS)
	if e.WaitsForTurn {
		list = append(list, slog.Bool("waits_for_turn", true))
	}
	list.text("remedy", e.Remedy)
	list.number("accounts", uint64(e.Accounts))
	list.text("location", e.Location)
	list.number("lifetime_s", uint64(e.LifetimeS))
	list.text("lwm2m", e.LwM2M)
	list.number("attempts", e.Attempts)
	list.signed("offline_ms", e.OfflineMS)
	list.text("session", e.Session)
	if !e.Expires.IsZero() {
		list = append(list, slog.Time("expires", e.Expires))
	}
	list.text("interface", e.Interface)
	list.text("actor", e.Actor)
	list.number("restarts", e.Restarts)
	return append(list, ofUpdate(e)...)
}

// ofUpdate are the fields of an update.
func ofUpdate(e *messages.Event) []slog.Attr {
	var list attrs
	list.number("object", uint64(e.Object))
	if e.Type == messages.EventFirmware {
		list.signed("state", e.FirmwareState)
	}
	list.signed("result", e.FirmwareResult)
	list.signed("progress", e.Progress)
	list.signed("total", e.Total)
	list.text("asks", e.Asks)
	return list
}

// attrs collects the fields that are set.
type attrs []slog.Attr

func (a *attrs) text(key, value string) {
	if value != "" {
		*a = append(*a, slog.String(key, value))
	}
}

func (a *attrs) number(key string, value uint64) {
	if value != 0 {
		*a = append(*a, slog.Uint64(key, value))
	}
}

func (a *attrs) signed(key string, value *int64) {
	if value != nil {
		*a = append(*a, slog.Int64(key, *value))
	}
}

// Steps logs how far attempts have come since the snapshot before, and how every
// account stands that has changed.
func Steps(logger *slog.Logger, before, after messages.Snapshot) {
	ctx := context.Background()
	if !logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	known := map[messages.Peer]messages.ConnectionStatus{}
	for _, c := range before.Connections {
		known[c.Peer] = c
	}
	for _, c := range after.Connections {
		if was := known[c.Peer]; sent(c) && (was.Attempt == nil || c.Attempt.Step != was.Attempt.Step) {
			logger.LogAttrs(ctx, slog.LevelDebug, "attempt", step(c)...)
		}
		if was := known[c.Peer]; c.State != was.State || c.Failures != was.Failures {
			logger.LogAttrs(ctx, LevelTrace, "account", account(c)...)
		}
	}
}

// sent reports whether an attempt waits for an answer to something.
func sent(c messages.ConnectionStatus) bool {
	return c.Attempt != nil && c.Attempt.Step.Sent != messages.SentNothing
}

func step(c messages.ConnectionStatus) []slog.Attr {
	s := c.Attempt.Step
	list := attrs{slog.String("account", c.Peer.String()), slog.String("server", c.Server)}
	if c.Attempt.Address.IsValid() {
		list.text("address", c.Attempt.Address.String())
	}
	list.text("sent", s.Sent.String())
	list.number("resent", uint64(s.Resent))
	list.text("heard", s.Heard.String())
	return list
}

func account(c messages.ConnectionStatus) []slog.Attr {
	list := attrs{slog.String("account", c.Peer.String()), slog.String("server", c.Server), slog.String("state", string(c.State))}
	list.number("failures", c.Failures)
	list.text("location", c.Location)
	if !c.NextAttempt.IsZero() {
		list.text("next_in", wording.Duration(time.Until(c.NextAttempt)))
	}
	return list
}
