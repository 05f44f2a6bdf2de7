package actorkit

import (
	"bytes"
	"fmt"
	"runtime"

	"github.com/asynkron/protoactor-go/actor"
)

// maxStackFrames bounds the frames that a Crash records.
const maxStackFrames = 64

// Crash says that an actor panicked: what it panicked with, where, and over
// which kind of message. It never holds the message itself, which may contain
// keys or payload.
type Crash struct {
	// Reason is the value given to panic.
	Reason any
	// Stack has one "function\n\tfile:line\n" entry per frame, innermost
	// first, without the arguments that a runtime trace would show. It is
	// empty when the panic did not pass a guard (Props).
	Stack []byte
	// MessageType is the Go type of the message, "<nil>" when there was
	// none.
	MessageType string
}

// Error names the message's type and the reason: the text of an error or a
// string, and only the type of any other value.
func (c *Crash) Error() string {
	return fmt.Sprintf("actor crashed on %s: %s", c.MessageType, reasonText(c.Reason))
}

// Unwrap returns Reason when it is an error, so that errors.Is and errors.As
// see what the actor panicked with.
func (c *Crash) Unwrap() error {
	err, _ := c.Reason.(error)
	return err
}

// AsCrash returns reason itself when it is a *Crash, and otherwise a Crash
// without a stack. The message may be an *actor.MessageEnvelope.
func AsCrash(reason, message any) *Crash {
	if crash, ok := reason.(*Crash); ok {
		return crash
	}
	return &Crash{Reason: reason, MessageType: messageType(message)}
}

func messageType(message any) string {
	return fmt.Sprintf("%T", actor.UnwrapEnvelopeMessage(message))
}

func reasonText(reason any) string {
	switch reason := reason.(type) {
	case error:
		return reason.Error()
	case string:
		return reason
	default:
		return fmt.Sprintf("panic with a %T", reason)
	}
}

// callStack formats the stack of the calling goroutine, leaving out the
// innermost skip frames. debug.Stack would print argument words, which may be
// key material.
func callStack(skip int) []byte {
	pcs := make([]uintptr, maxStackFrames)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(skip+2, pcs)])
	var out bytes.Buffer
	for {
		frame, more := frames.Next()
		fmt.Fprintf(&out, "%s\n\t%s:%d\n", frame.Function, frame.File, frame.Line)
		if !more {
			return out.Bytes()
		}
	}
}
