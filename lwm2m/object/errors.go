package object

import (
	"errors"
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Error refuses a request with a response code (RFC 7252 section 12.1.2) and a
// few words that the server gets as a diagnostic payload.
type Error struct {
	Code   lwm2m.Code // 4.xx or 5.xx; anything else is 5.00
	Detail string
}

// Error names the code and says why.
func (e *Error) Error() string { return fmt.Sprintf("%s %s", e.Code, e.Detail) }

// Refuse makes an [Error].
func Refuse(code lwm2m.Code, detail string) error { return &Error{Code: code, Detail: detail} }

// refused makes a cause a refusal, unless it is one. The server does not get to
// see the cause; who asks for it with errors.As does.
func refused(code lwm2m.Code, detail string, cause error) error {
	var e *Error
	if cause == nil || errors.As(cause, &e) {
		return cause
	}
	return fmt.Errorf("%w: %w", Refuse(code, detail), cause)
}

// DefinitionError says that no object can be made of a definition, or of a Go type.
type DefinitionError struct {
	Object uint16
	Type   string // the Go type, such as "main.Thermometer"; "" where there is none
	Field  string // the field of the type; "" where none is concerned
	Reason string // what is wrong, and what to do
}

// Error implements error.
func (e *DefinitionError) Error() string {
	where := ""
	if e.Type != "" {
		where = " of " + e.Type
	}
	if e.Field != "" {
		where += ", field " + e.Field
	}
	return fmt.Sprintf("object: definition of /%d%s: %s", e.Object, where, e.Reason)
}

// InstanceReason says why an instance cannot be added or changed.
type InstanceReason string

// The reasons of an [InstanceError].
const (
	InstanceExists  InstanceReason = "is there already: remove it first, or use another ID"
	InstanceSingle  InstanceReason = "cannot be: the definition allows the instance 0 only (Multiple is not set)"
	InstanceID      InstanceReason = "cannot be: IDs end at 65534"
	InstanceRemoved InstanceReason = "has been removed"
)

// InstanceError is about an instance as a whole.
type InstanceError struct {
	Path   lwm2m.Path // of two segments
	Reason InstanceReason
}

// Error implements error.
func (e *InstanceError) Error() string {
	return fmt.Sprintf("object: instance %s %s", e.Path, string(e.Reason))
}

// ValueReason says why a value cannot be that of a resource.
type ValueReason string

// The reasons of a [ValueError].
const (
	ValueRange     ValueReason = "is not what the definition allows"
	ValueKind      ValueReason = "does not fit the type of the resource"
	ValueUTF8      ValueReason = "is not UTF-8"
	ValueMissing   ValueReason = "is mandatory, and not there"
	ValueGap       ValueReason = "is a list, whose instances are 0, 1, 2 ... without a gap"
	ValueInstances ValueReason = "has other resource instances than the path says"
	ValueUnknown   ValueReason = "is not in the definition"
	ValueUse       ValueReason = "does not allow that operation"
	ValuePath      ValueReason = "is not a path of this object and of the right length"
	ValueID        ValueReason = "has the ID 65535, and IDs end at 65534"
	ValueFunc      ValueReason = "needs a function, and was given nil"
)

// ValueError says that a value cannot be that of a resource. It never shows the
// value.
type ValueError struct {
	Path   lwm2m.Path
	Name   string // of the field or the resource; may be empty
	Reason ValueReason
	Err    error // the [*lwm2m.RangeError] of ValueRange; else nil
}

// Error implements error.
func (e *ValueError) Error() string {
	text := fmt.Sprintf("object: %s", e.Path)
	if e.Name != "" {
		text += " (" + e.Name + ")"
	}
	text += " " + string(e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap is the cause.
func (e *ValueError) Unwrap() error { return e.Err }

// code is what a server is answered that has written the value.
func (e *ValueError) code() lwm2m.Code {
	switch e.Reason {
	case ValueUnknown, ValuePath:
		return lwm2m.CodeNotFound
	case ValueUse:
		return lwm2m.CodeMethodNotAllowed
	default:
		return lwm2m.CodeBadRequest
	}
}

// forServer makes an error about a value the refusal of a server's request. The
// words have no value in them.
func forServer(err error) error {
	var v *ValueError
	if !errors.As(err, &v) {
		return err
	}
	return refused(v.code(), v.Path.String()+" "+string(v.Reason), err)
}
