package management

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// asker is an object that notes for which server it is called.
type asker struct {
	object.Object
	server uint16
	known  bool
}

func (a *asker) Execute(ctx context.Context, _ lwm2m.Path, _ lwm2m.Arguments) error {
	a.server, a.known = object.Server(ctx)
	return nil
}

func TestHandlersKnowWhoAsks(t *testing.T) {
	a := &asker{}
	call := Call{Server: 7, Object: a, Deadline: time.Now().Add(time.Minute), Do: execute{target: lwm2m.PathOf(3303, 0, 5605)}}
	run(t.Context(), call, func(Returned) {})
	if a.server != 7 || !a.known {
		t.Errorf("called for server %d, %t", a.server, a.known)
	}
	if _, known := object.Server(t.Context()); known {
		t.Error("a context without a server has one")
	}
}
