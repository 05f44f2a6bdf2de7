package management

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/messages"
)

// valve is an actuator, and notes where it is set.
type valve struct {
	Angle int64             `lwm2m:"1,RW"`
	Note  *string           `lwm2m:"2,RW"`
	Tags  map[uint16]string `lwm2m:"3,RW"`
}

func newValve(t *testing.T, moved func(from, to int64) error) *object.Typed[valve] {
	t.Helper()
	valves, err := object.Of(lwm2m.ObjectDef{ID: 3999, Name: "Valve", Multiple: true}, object.OnWrite(
		func(_ context.Context, _ uint16, before, after valve) error { return moved(before.Angle, after.Angle) }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := valves.Add(0, valve{Angle: 10, Tags: map[uint16]string{1: "a", 3: "c"}}); err != nil {
		t.Fatal(err)
	}
	return valves
}

// stuck has the commits of a shelf fail.
func stuck(err error) *shelf {
	s := newShelf(4001, 0)
	s.hook = func(_ context.Context, what string) error {
		if what == "commit" && err == nil {
			panic("stuck")
		} else if what == "commit" {
			return err
		}
		return nil
	}
	return s
}

const everywhere = `[{"n":"/3999/0/1","v":90},{"n":"/3999/0/2","vs":"new"},{"n":"/3999/0/3/1","vs":"b"},{"n":"/3999/0/3/2","vs":"b"},` +
	`{"n":"/3999/0/3/3","v":null},{"n":"/4000/0/0","vs":"x"},{"n":"/4000/0/2/0","v":1},{"n":"/4000/0/2/5","v":1},{"n":"/4000/7/2/3","v":null},{"n":"/4001/0/0","vs":"y"}]`

// Where an object fails when it carries out its part, those before it are as they were.
func TestWriteCompositeIsUndone(t *testing.T) { synctest.Test(t, undone) }

func undone(t *testing.T) {
	for _, c := range []struct {
		err  error
		want messages.CoAPCode
	}{
		{object.Refuse(lwm2m.CodeConflict, "stuck"), messages.Conflict},
		{errors.New("stuck"), messages.InternalServerError},
		{nil, messages.InternalServerError},
	} {
		var angles []int64
		valves := newValve(t, func(from, to int64) error { angles = append(angles, from, to); return nil })
		m := withObjects(valves, memory{newShelf(4000, 0, 7)}, memory{stuck(c.err)})
		all := fetch(`[{"n":"/3999"},{"n":"/4000"},{"n":"/4001"}]`)
		before, _ := answerTo(t, m, all)
		if reply, _ := answerTo(t, m, ipatch(everywhere)); reply.Code != c.want {
			t.Errorf("%v: %v %s", c.err, reply.Code, reply.Payload)
		}
		if after, _ := answerTo(t, m, all); string(after.Payload) != string(before.Payload) {
			t.Errorf("%v leaves\n%s, was\n%s", c.err, after.Payload, before.Payload)
		}
		if !slices.Equal(angles, []int64{10, 90, 90, 10}) {
			t.Errorf("%v: the valve went %v", c.err, angles)
		}
	}
}

// An object that refuses to go back harms the others no more, and the server hears why
// the request failed.
func TestWriteCompositeIsUndoneAsFarAsPossible(t *testing.T) { synctest.Test(t, undoneAsFarAsPossible) }

func undoneAsFarAsPossible(t *testing.T) {
	valves := newValve(t, func(from, _ int64) error {
		if from == 90 {
			return errors.New("jammed")
		}
		return nil
	})
	one := newShelf(4000, 0, 7)
	reply, _ := answerTo(t, withObjects(valves, memory{one}, stuck(object.Refuse(lwm2m.CodeConflict, "stuck"))), ipatch(everywhere))
	i, _ := valves.Get(0)
	if reply.Code.IsSuccess() || i.Get().Angle != 90 || one.value("/4000/0/0") != "top" {
		t.Errorf("%v %s leaves %d and %s", reply.Code, reply.Payload, i.Get().Angle, one.value("/4000/0/0"))
	}
}

// The account is as it was, too, before the server is answered.
func TestWriteCompositeOfTheAccountIsUndone(t *testing.T) {
	m := withObjects(stuck(object.Refuse(lwm2m.CodeConflict, "stuck")))
	carried(m, m.Step(now, ipatch(`[{"n":"/1/0/1","v":60},{"n":"/1/0/2","v":5},{"n":"/4001/0/0","vs":"x"}]`)))
	effects := carried(m, m.Step(now, messages.ModelWritten{Epoch: 4, ID: 17, Code: messages.Changed}))
	w, found := asked(effects)
	if _, replied := answered(effects); !found || replied || !w.Replace || w.Path != lwm2m.PathOf(1, 0) {
		t.Fatalf("%v", effects)
	}
	i, _ := w.Payload.Tree().Instance(1, 0)
	if v, _ := i.Value(1); v != lwm2m.Integer(86400) || !w.Deadline.After(now) {
		t.Errorf("back to %v by %v", w.Payload.Nodes, w.Deadline)
	}
	if _, there := i.Resource(2); there {
		t.Error("keeps what was not there")
	}
	effects = carried(m, m.Step(now, messages.ModelWritten{Epoch: 4, ID: 17, Code: messages.Changed}))
	reply, _ := answered(effects)
	if reply.Code != messages.Conflict || string(reply.Payload) != "stuck" || len(m.jobs)+len(m.writes)+len(m.changing) > 0 {
		t.Errorf("%v %s, left %v %v", reply.Code, reply.Payload, m.jobs, m.writes)
	}
	if last := effects[len(effects)-1]; last != (core.Tell{To: core.Supervisor, Message: messages.WriteAnswered{Epoch: 4, ID: 17}}) {
		t.Errorf("%v", effects)
	}
}
