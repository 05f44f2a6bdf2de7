package journal

import (
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// field is one field of an event as a number. get says whether it is set.
type field struct {
	get func(b *book, e *messages.Event) (value uint64, set bool)
	set func(b *book, e *messages.Event, value uint64)
}

// fields are all fields of an event.
var fields = []field{
	{
		func(_ *book, e *messages.Event) (uint64, bool) { return uint64(e.Time.UnixNano()), true },
		func(b *book, e *messages.Event, v uint64) { e.Time = time.Unix(0, int64(v)).In(b.zone) },
	},
	number(func(e *messages.Event) *uint64 { return &e.Seq }),
	text(func(e *messages.Event) *string { return &e.Endpoint }),
	text(func(e *messages.Event) *messages.EventType { return &e.Type }),
	text(func(e *messages.Event) *string { return &e.Server }),
	text(func(e *messages.Event) *messages.State { return &e.State }),
	text(func(e *messages.Event) *messages.State { return &e.Previous }),
	number(func(e *messages.Event) *messages.ErrorCode { return &e.Code }),
	text(func(e *messages.Event) *string { return &e.Name }),
	text(func(e *messages.Event) *string { return &e.Phase }),
	number(func(e *messages.Event) *uint64 { return &e.Attempt }),
	heldText(func(e *messages.Event) *string { return &e.Detail }),
	text(func(e *messages.Event) *string { return &e.CoAP }),
	optional(func(e *messages.Event) **uint8 { return &e.TLSAlert }),
	text(func(e *messages.Event) *messages.Action { return &e.Action }),
	optional(func(e *messages.Event) **int64 { return &e.RetryInMS }),
	{
		func(_ *book, e *messages.Event) (uint64, bool) { return 1, e.WaitsForTurn },
		func(_ *book, e *messages.Event, _ uint64) { e.WaitsForTurn = true },
	},
	text(func(e *messages.Event) *string { return &e.Remedy }),
	number(func(e *messages.Event) *int { return &e.Accounts }),
	heldText(func(e *messages.Event) *string { return &e.Location }),
	number(func(e *messages.Event) *int64 { return &e.LifetimeS }),
	text(func(e *messages.Event) *string { return &e.LwM2M }),
	number(func(e *messages.Event) *uint64 { return &e.Attempts }),
	optional(func(e *messages.Event) **int64 { return &e.OfflineMS }),
	text(func(e *messages.Event) *string { return &e.Session }),
	{
		func(_ *book, e *messages.Event) (uint64, bool) { return uint64(e.Expires.Unix()), !e.Expires.IsZero() },
		func(_ *book, e *messages.Event, v uint64) { e.Expires = time.Unix(int64(v), 0).UTC() },
	},
	text(func(e *messages.Event) *string { return &e.Actor }),
	number(func(e *messages.Event) *uint64 { return &e.Restarts }),
	number(func(e *messages.Event) *uint16 { return &e.Object }),
	optional(func(e *messages.Event) **int64 { return &e.FirmwareState }),
	optional(func(e *messages.Event) **int64 { return &e.FirmwareResult }),
	optional(func(e *messages.Event) **int64 { return &e.Progress }),
	optional(func(e *messages.Event) **int64 { return &e.Total }),
	text(func(e *messages.Event) *string { return &e.Asks }),
	text(func(e *messages.Event) *string { return &e.Interface }),
}

func number[T ~uint8 | ~uint16 | ~uint64 | ~int64 | ~int](at func(*messages.Event) *T) field {
	return field{
		func(_ *book, e *messages.Event) (uint64, bool) { return uint64(*at(e)), *at(e) != 0 },
		func(_ *book, e *messages.Event, v uint64) { *at(e) = T(v) },
	}
}

func optional[T ~uint8 | ~int64](at func(*messages.Event) **T) field {
	return field{
		func(_ *book, e *messages.Event) (uint64, bool) {
			if *at(e) == nil {
				return 0, false
			}
			return uint64(**at(e)), true
		},
		func(_ *book, e *messages.Event, v uint64) { *at(e) = new(T(v)) },
	}
}

// text is a field whose texts somebody else keeps: they are constants, or parts
// of the configuration and the accounts.
func text[T ~string](at func(*messages.Event) *T) field { return textField(at, false) }

// heldText is a field whose texts are the event's own.
func heldText(at func(*messages.Event) *string) field { return textField(at, true) }

func textField[T ~string](at func(*messages.Event) *T, held bool) field {
	return field{
		func(b *book, e *messages.Event) (uint64, bool) {
			if *at(e) == "" {
				return 0, false
			}
			return b.place(string(*at(e)), held), true
		},
		func(b *book, e *messages.Event, v uint64) { *at(e) = T(b.text(v)) },
	}
}

// words are texts that the events of every client have; entries refer to them
// without keeping them.
var words = commonWords()

func commonWords() []string {
	list := []string{
		"1.0", "1.1",
		string(messages.EventState), string(messages.EventError), string(messages.EventBootstrapped),
		string(messages.EventRegistered), string(messages.EventUnregistered), string(messages.EventDegraded), string(messages.EventDisabled),
		string(messages.EventMoved), string(messages.EventNetwork),
		string(messages.EventFirmware), string(messages.EventCredentialsRenewed), messages.AsksDownload.String(), messages.AsksInstall.String(),
		string(messages.StateStarting), string(messages.StateResolving), string(messages.StateConnecting),
		string(messages.StateBootstrapping), string(messages.StateRegistering), string(messages.StateRegistered),
		string(messages.StateWaiting), string(messages.StatePaused), string(messages.StateStopping), string(messages.StateStopped),
		string(messages.ActionRetry), string(messages.ActionBootstrap), string(messages.ActionRegister),
		string(messages.ActionIgnore), string(messages.ActionNone), string(messages.ActionUser),
	}
	for phase := messages.PhaseAPI; phase <= messages.PhaseEnrolment; phase++ {
		list = append(list, phase.String())
	}
	for code := messages.ErrorCode(1); code <= messages.ConnectorFailedToReadCredentials; code++ {
		list = append(list, code.String())
	}
	return list
}
