package codec

import (
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Operation is what a payload is for.
type Operation uint8

// The operations whose payloads have a Content-Format.
const (
	Read            Operation = iota + 1 // the client's answer to a Read or Observe, and notifications
	Write                                // a server's Write, to replace or to update
	Create                               // a server's Create
	Execute                              // the arguments of an Execute
	Discover                             // the client's answer to a Discover
	ReadComposite                        // the paths of a Read-Composite or Observe-Composite
	CompositeAnswer                      // the client's answer to them, and notifications
	WriteComposite                       // a server's Write-Composite
	Send                                 // the client's Send; samples with times
	operations                           // their number, and one
)

var operationNames = [operations]string{
	"no operation", "read", "write", "create", "execute", "discover",
	"read-composite", "composite answer", "write-composite", "send",
}

// String returns the operation's name.
func (o Operation) String() string {
	if o >= operations {
		o = 0
	}
	return operationNames[o]
}

// FormatError says that a payload cannot be had in a format: the format is unknown,
// does not serve the operation, or carries one value where the target has many or
// another type.
type FormatError struct {
	Operation Operation
	Format    lwm2m.Format
	Path      lwm2m.Path
}

// Error names operation, path and format.
func (e *FormatError) Error() string {
	return fmt.Sprintf("lwm2m: no %s of %s in content format %d", e.Operation, e.Path, e.Format)
}
