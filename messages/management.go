package messages

import "github.com/holdfast-iot/holdfast/lwm2m"

// ModelChanged replaces objects 0 and 1 of the object model, after a
// bootstrap or a start. Supervisor to management.
type ModelChanged struct{ Tree *lwm2m.Tree }

// UpdateTriggered says that a server executed /1/x/8. Management to
// supervisor, after the 2.04.
type UpdateTriggered struct {
	Epoch Epoch
}

// BootstrapTriggered says that a server executed /1/x/9. Management to
// supervisor, after the 2.04.
type BootstrapTriggered struct {
	Epoch Epoch
}
