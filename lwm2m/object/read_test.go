package object

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// machine has functions of every type.
type machine struct {
	Held   int                                          `lwm2m:"2,R"`
	Plain  func() float64                               `lwm2m:"1,R"`
	Full   func(context.Context) (string, error)        `lwm2m:"3,R,sample=0s"`
	List   func() []bool                                `lwm2m:"4,R,sample=10s"`
	Map    func(context.Context) map[uint16]int         `lwm2m:"5,R"`
	Maybe  func() (*int, error)                         `lwm2m:"6,R,range=1..5"`
	Start  func()                                       `lwm2m:"10,E"`
	Stop   func() error                                 `lwm2m:"11,E"`
	Wait   func(context.Context)                        `lwm2m:"12,E"`
	Adjust func(context.Context, lwm2m.Arguments) error `lwm2m:"13,E"`
}

func machines(t *testing.T, m machine) *Typed[machine] {
	object, err := Of[machine](lwm2m.ObjectDef{ID: 9})
	if err != nil {
		t.Fatal(err)
	}
	add(t, object, 0, m)
	return object
}

type key struct{}

func TestComputedResources(t *testing.T) {
	broken, five := errors.New("broken"), 5
	var maybe *int
	object := machines(t, machine{
		Held:  7,
		Plain: func() float64 { return 1.5 },
		Full: func(ctx context.Context) (string, error) {
			s, found := ctx.Value(key{}).(string)
			if !found {
				return "", broken
			}
			return s, nil
		},
		List:  func() []bool { return []bool{true, false} },
		Map:   func(context.Context) map[uint16]int { return map[uint16]int{9: 1, 4: 2} },
		Maybe: func() (*int, error) { return maybe, nil },
	})
	ctx := context.WithValue(context.Background(), key{}, "given")
	want := []lwm2m.Resource{
		single(1, lwm2m.Float(1.5)), single(2, lwm2m.Integer(7)), single(3, lwm2m.String("given")),
		several(4, at(0, lwm2m.Boolean(true)), at(1, lwm2m.Boolean(false))),
		several(5, at(4, lwm2m.Integer(2)), at(9, lwm2m.Integer(1))),
	}
	read := func(ctx context.Context, ids ...uint16) []lwm2m.Resource {
		r, err := object.Read(ctx, lwm2m.PathOf(append([]uint16{9}, ids...)...))
		if err != nil {
			t.Error(err)
		}
		return r
	}
	if diff := cmp.Diff(want, read(ctx, 0)); diff != "" {
		t.Error(diff)
	}
	for at, id := range []uint16{1, 2, 3, 4, 5} {
		if diff := cmp.Diff(want[at:at+1], read(ctx, 0, id)); diff != "" {
			t.Error(diff)
		}
	}
	if read(ctx, 0, 6) != nil || read(ctx, 0, 9) != nil || read(ctx, 0, 13) != nil || read(ctx, 1) != nil {
		t.Error("something is there that is not")
	}
	if maybe = &five; len(read(ctx, 0, 6, 0)) != 1 {
		t.Error("what the function returns is not read")
	}
	// One that fails takes away itself only.
	if diff := cmp.Diff(slices.Delete(want, 2, 3), read(context.Background(), 0)[:4]); diff != "" {
		t.Error(diff)
	}
	if _, err := object.Read(context.Background(), lwm2m.PathOf(9, 0, 3)); err != broken {
		t.Error(err)
	}
	five = 6
	var fault *ValueError
	if _, err := object.Read(ctx, lwm2m.PathOf(9, 0, 6)); !errors.As(err, &fault) || fault.Reason != ValueRange {
		t.Error(err)
	}
	cancelled, cancel := context.WithCancelCause(ctx)
	cancel(broken)
	if _, err := object.Read(cancelled, lwm2m.PathOf(9, 0)); err != broken {
		t.Error("what is read after the deadline is no answer:", err)
	}
}

func TestSnapshotAndSampleOfComputedResources(t *testing.T) {
	object := machines(t, machine{Held: 7, Plain: func() float64 { panic("a snapshot computes") }, Stop: func() error { return nil }})
	i, whole, _ := object.Snapshot(0)
	if diff := cmp.Diff([]lwm2m.Resource{single(2, lwm2m.Integer(7))}, i.Resources); diff != "" || whole {
		t.Error(diff, whole)
	}
	if got := object.Resources(0); !slices.Equal(got, []uint16{1, 2, 11}) {
		t.Error(got)
	}
	for id, want := range map[uint16]time.Duration{1: DefaultSample, 2: 0, 3: 0, 4: 10 * time.Second, 10: 0, 99: 0} {
		if got := object.Sample(lwm2m.PathOf(9, 0, id)); got != want {
			t.Errorf("Sample(%d) = %v", id, got)
		}
	}
}

func TestExecute(t *testing.T) {
	jammed := errors.New("jammed")
	var started, waited bool
	var got lwm2m.Arguments
	object := machines(t, machine{
		Start:  func() { started = true },
		Stop:   func() error { return jammed },
		Wait:   func(ctx context.Context) { waited = ctx.Value(key{}) != nil },
		Adjust: func(_ context.Context, args lwm2m.Arguments) error { got = args; return nil },
	})
	args := lwm2m.Arguments{{Digit: 1, Value: "x", HasValue: true}}
	execute := func(ids ...uint16) error {
		return object.Execute(context.WithValue(context.Background(), key{}, 1), lwm2m.PathOf(append([]uint16{9}, ids...)...), args)
	}
	if err := errors.Join(execute(0, 10), execute(0, 12), execute(0, 13)); err != nil {
		t.Error(err)
	}
	if !started || !waited || !slices.Equal(got, args) {
		t.Error(started, waited, got)
	}
	if err := execute(0, 11); err != jammed {
		t.Error(err)
	}
	i, _ := object.Get(0)
	if err := i.Update(func(m *machine) { m.Start = nil }); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		err  error
		code lwm2m.Code
	}{
		{execute(0, 10), lwm2m.CodeNotFound}, {execute(1, 11), lwm2m.CodeNotFound}, {execute(0, 99), lwm2m.CodeNotFound},
		{execute(0, 2), lwm2m.CodeMethodNotAllowed},
	} {
		var refusal *Error
		if !errors.As(tc.err, &refusal) || refusal.Code != tc.code {
			t.Error(tc.err)
		}
	}
}
