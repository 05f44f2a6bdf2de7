package actorkit

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"
)

// NewLogHandler returns the handler through which protoactor logs to next. Of
// values that may hold a message, a key or a payload it passes on only the
// type. The attribute "message" becomes "message_type": many back ends use that
// key for the record's text.
func NewLogHandler(next slog.Handler) slog.Handler { return &logHandler{next: next} }

// messageKey is the key under which protoactor logs a message.
const messageKey = "message"

type logHandler struct{ next slog.Handler }

// deadLetter is the text of protoactor's record of a dead letter.
const deadLetter = "[DeadLetter]"

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	level := record.Level
	if record.Message == deadLetter {
		// A late message of an older epoch is normal here.
		if level = slog.LevelDebug; !h.next.Enabled(ctx, level) {
			return nil
		}
	}
	clean := slog.NewRecord(record.Time, level, record.Message, record.PC)
	record.Attrs(func(attr slog.Attr) bool {
		clean.AddAttrs(withoutContent(attr))
		return true
	})
	return h.next.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{next: h.next.WithAttrs(allWithoutContent(attrs))}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{next: h.next.WithGroup(name)}
}

func allWithoutContent(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, attr := range attrs {
		clean[i] = withoutContent(attr)
	}
	return clean
}

func withoutContent(attr slog.Attr) slog.Attr {
	if attr.Key == messageKey {
		return slog.String("message_type", typeName(attr.Value))
	}
	switch attr.Value.Kind() {
	case slog.KindGroup:
		attr.Value = slog.GroupValue(allWithoutContent(attr.Value.Group())...)
	case slog.KindAny, slog.KindLogValuer:
		attr.Value = slog.StringValue(describe(attr.Value))
	}
	return attr
}

// describe names what is known to be free of content, and else the type.
func describe(value slog.Value) string {
	switch v := value.Any().(type) {
	case *actor.PID:
		return v.GetId()
	case actor.Directive:
		return v.String()
	case *Crash:
		return v.Error()
	default:
		return typeName(value)
	}
}

func typeName(value slog.Value) string { return fmt.Sprintf("%T", value.Any()) }
