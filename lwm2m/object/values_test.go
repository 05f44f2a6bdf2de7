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

var lampDef = lwm2m.ObjectDef{ID: 3311, Name: "Light Control", Multiple: true, Resources: []lwm2m.ResourceDef{
	{ID: 5850, Name: "On/Off", Kind: lwm2m.KindBoolean, Operations: lwm2m.OpRead | lwm2m.OpWrite, Mandatory: true},
	{ID: 5851, Name: "Dimmer", Kind: lwm2m.KindInteger, Operations: lwm2m.OpRead | lwm2m.OpWrite, Range: lwm2m.Range{Min: 0, Max: 100}},
	{ID: 5805, Name: "Power", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead},
	{ID: 5706, Name: "Colours", Kind: lwm2m.KindString, Operations: lwm2m.OpRead | lwm2m.OpWrite, Multiple: true},
	{ID: 1, Name: "Key", Kind: lwm2m.KindOpaque, Operations: lwm2m.OpWrite},
	{ID: 2, Name: "Load", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead, Multiple: true},
	{ID: 5852, Name: "Blink", Operations: lwm2m.OpExecute},
}}

func lamps(t *testing.T) *Values {
	v, err := NewValues(lampDef)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func set(t *testing.T, v *Values, path string, value lwm2m.Value) {
	t.Helper()
	if err := v.Set(paths(path)[0], value); err != nil {
		t.Fatal(err)
	}
}

func TestValuesSet(t *testing.T) {
	v := lamps(t)
	told := watch(t, v)
	for _, step := range []struct {
		path  string
		value lwm2m.Value
		want  []lwm2m.Path
	}{
		{"/3311/4/5850", lwm2m.Boolean(true), paths("/3311")},
		{"/3311/4/5805", lwm2m.Integer(5), paths("/3311/4/5805")},
		{"/3311/4/5805", lwm2m.Float(5), nil},
		{"/3311/4/5706/1", lwm2m.String("red"), paths("/3311/4/5706")},
		{"/3311/4/5706/0", lwm2m.String("blue"), paths("/3311/4/5706")},
		{"/3311/4/1", lwm2m.Opaque([]byte("k")), nil},
		{"/3311/2/5850", lwm2m.Boolean(false), paths("/3311")},
	} {
		set(t, v, step.path, step.value)
		if diff := cmp.Diff(step.want, slices.Clip([]lwm2m.Path(told.take())), comparePaths); diff != "" && len(step.want) > 0 {
			t.Error(diff)
		}
	}
	want := []lwm2m.Resource{
		several(5706, at(0, lwm2m.String("blue")), at(1, lwm2m.String("red"))),
		single(5805, lwm2m.Float(5)), single(5850, lwm2m.Boolean(true)),
	}
	if diff := cmp.Diff(want, snapshot(t, v, 4)); diff != "" {
		t.Error(diff)
	}
	if got := v.Resources(4); !slices.Equal(got, []uint16{1, 5706, 5805, 5850}) || !slices.Equal(v.Instances(), []uint16{2, 4}) {
		t.Error(got, v.Instances())
	}
	for _, step := range []struct {
		path string
		want bool
		told []lwm2m.Path
	}{
		{"/3311/4/5706/1", true, paths("/3311/4/5706")}, {"/3311/4/5706/1", false, nil}, {"/3311/4/5805", true, paths("/3311/4/5805")},
		{"/3311/4/5852", false, nil}, {"/3311/2", true, paths("/3311")}, {"/3311/2", false, nil}, {"/3311", false, nil}, {"/1/4", false, nil},
	} {
		if got := v.Remove(paths(step.path)[0]); got != step.want {
			t.Errorf("Remove(%s) = %v", step.path, got)
		}
		if got := told.take(); len(got) != len(step.told) || !slices.Equal([]lwm2m.Path(got), step.told) && len(got) > 0 {
			t.Errorf("Remove(%s) tells %v", step.path, got)
		}
	}
}

func TestValuesRefuse(t *testing.T) {
	v := lamps(t)
	read := func(context.Context) (lwm2m.Value, error) { return lwm2m.Value{}, nil }
	do := func(context.Context, lwm2m.Arguments) error { return nil }
	for path, want := range map[string]ValueReason{
		"/3312/0/5850": ValuePath, "/3311/0": ValuePath, "/3311/0/9": ValueUnknown, "/3311/0/5852": ValueUse,
		"/3311/0/5850/0": ValueInstances, "/3311/0/5706": ValueInstances, "/3311/0/5850": ValueKind, "/3311/0/5851": ValueRange,
	} {
		var fault *ValueError
		if err := v.Set(paths(path)[0], lwm2m.Integer(101)); !errors.As(err, &fault) || fault.Reason != want || fault.Path != paths(path)[0] {
			t.Errorf("Set(%s): %v", path, err)
		}
	}
	var fault *ValueError
	if err := v.Set(paths("/3311/0/5706/0")[0], lwm2m.String("\xff")); !errors.As(err, &fault) || fault.Reason != ValueUTF8 {
		t.Error(err)
	}
	for path, want := range map[string]ValueReason{"/3311/0/9": ValueUnknown, "/3311/0/5850": ValueUse, "/3311/0/1": ValueUse} {
		if err := v.Compute(paths(path)[0], 0, read); !errors.As(err, &fault) || fault.Reason != want {
			t.Errorf("Compute(%s): %v", path, err)
		}
	}
	for path, want := range map[string]ValueReason{"/3311/0/9": ValueUnknown, "/3311/0/5850": ValueUse, "/3311/0": ValuePath, "/1/0/1": ValuePath} {
		if err := v.Handle(paths(path)[0], do); !errors.As(err, &fault) || fault.Reason != want {
			t.Errorf("Handle(%s): %v", path, err)
		}
	}
	if err := v.Set(lwm2m.PathOf(3311, 0, 5706, lwm2m.MaxID), lwm2m.String("red")); !errors.As(err, &fault) || fault.Reason != ValueID {
		t.Error(err)
	}
	if err := v.Compute(paths("/3311/0/5805")[0], 0, nil); !errors.As(err, &fault) || fault.Reason != ValueFunc {
		t.Error(err)
	}
	if err := v.Handle(paths("/3311/0/5852")[0], nil); !errors.As(err, &fault) || fault.Reason != ValueFunc {
		t.Error(err)
	}
	if len(v.Instances()) > 0 {
		t.Error("a refusal leaves an instance behind")
	}
	one, err := NewValues(lwm2m.ObjectDef{ID: 5, Resources: lampDef.Resources})
	if err != nil {
		t.Fatal(err)
	}
	var single *InstanceError
	if err := one.Set(lwm2m.PathOf(5, 1, 5850), lwm2m.Boolean(true)); !errors.As(err, &single) || single.Reason != InstanceSingle {
		t.Error(err)
	}
	var def *DefinitionError
	if _, err := NewValues(lwm2m.ObjectDef{ID: 5, Resources: []lwm2m.ResourceDef{{ID: 1}}}); !errors.As(err, &def) {
		t.Error(err)
	}
}

func TestValuesCompute(t *testing.T) {
	v := lamps(t)
	broken := errors.New("broken")
	power, failure := lwm2m.Integer(3), error(nil)
	set(t, v, "/3311/0/5805", lwm2m.Float(9))
	for path, every := range map[string]time.Duration{"/3311/0/5805": 10 * time.Second, "/3311/0/2/7": 20 * time.Second, "/3311/0/2/3": 5 * time.Second} {
		if err := v.Compute(paths(path)[0], every, func(context.Context) (lwm2m.Value, error) { return power, failure }); err != nil {
			t.Fatal(err)
		}
	}
	set(t, v, "/3311/0/2/4", lwm2m.Float(1))
	load := several(2, at(3, lwm2m.Float(3)), at(4, lwm2m.Float(1)), at(7, lwm2m.Float(3)))
	for target, want := range map[string][]lwm2m.Resource{
		"/3311/0":      {load, single(5805, lwm2m.Float(3))},
		"/3311/0/2":    {load},
		"/3311/0/2/3":  {several(2, at(3, lwm2m.Float(3)), at(4, lwm2m.Float(1)))},
		"/3311/0/5805": {single(5805, lwm2m.Float(3))},
		"/3311/0/5850": nil,
		"/3311/1":      nil,
	} {
		got, err := v.Read(context.Background(), paths(target)[0])
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(target, diff, err)
		}
	}
	if i, whole, _ := v.Snapshot(0); whole || len(i.Resources) != 1 || !slices.Equal(v.Resources(0), []uint16{2, 5805}) {
		t.Error(i, whole)
	}
	if v.Sample(lwm2m.PathOf(3311, 0, 2)) != 5*time.Second || v.Sample(lwm2m.PathOf(3311, 0, 5805)) != 10*time.Second || v.Sample(lwm2m.PathOf(3311, 0, 5850)) != 0 {
		t.Error("Sample")
	}
	failure = broken
	if _, err := v.Read(context.Background(), lwm2m.PathOf(3311, 0, 5805)); err != broken {
		t.Error(err)
	}
	if got, err := v.Read(context.Background(), lwm2m.PathOf(3311, 0)); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
	var fault *ValueError
	power, failure = lwm2m.String("no number"), nil
	if _, err := v.Read(context.Background(), lwm2m.PathOf(3311, 0, 5805)); !errors.As(err, &fault) || fault.Reason != ValueKind {
		t.Error(err)
	}
	set(t, v, "/3311/0/5805", lwm2m.Float(9)) // takes the place of the function
	if got, _ := v.Read(context.Background(), lwm2m.PathOf(3311, 0, 5805)); !cmp.Equal(got, []lwm2m.Resource{single(5805, lwm2m.Float(9))}) {
		t.Error(got)
	}
}

func TestValuesExecute(t *testing.T) {
	v := lamps(t)
	blinked := ""
	path := lwm2m.PathOf(3311, 0, 5852)
	if err := v.Handle(path, func(_ context.Context, args lwm2m.Arguments) error { blinked = args.String(); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := v.Execute(context.Background(), path, lwm2m.Arguments{{Digit: 3}}); err != nil || blinked != "3" {
		t.Error(err, blinked)
	}
	var refusal *Error
	if !v.Remove(path) || !errors.As(v.Execute(context.Background(), path, nil), &refusal) || refusal.Code != lwm2m.CodeNotFound {
		t.Error("executed what is not there")
	}
}

func TestValuesWritten(t *testing.T) {
	v := lamps(t)
	set(t, v, "/3311/0/5850", lwm2m.Boolean(true))
	set(t, v, "/3311/0/5851", lwm2m.Integer(1))
	set(t, v, "/3311/0/5706/0", lwm2m.String("blue"))
	var applied []Change
	failure := error(nil)
	v.OnWrite(func(_ context.Context, c Change) error { applied = append(applied, c); return failure })
	told := watch(t, v)
	commit(t, v, Change{Merge: []uint16{5706}, Resources: []lwm2m.Resource{
		several(5706, at(0, lwm2m.String("green")), at(5, lwm2m.String("red"))), single(5851, lwm2m.Integer(50)),
	}})
	want := []lwm2m.Resource{
		several(5706, at(0, lwm2m.String("green")), at(5, lwm2m.String("red"))), single(5850, lwm2m.Boolean(true)), single(5851, lwm2m.Integer(50)),
	}
	if diff := cmp.Diff(want, snapshot(t, v, 0)); diff != "" || len(applied) != 1 {
		t.Error(diff, applied)
	}
	if diff := cmp.Diff(paths("/3311/0/5706", "/3311/0/5851"), []lwm2m.Path(told.take()), comparePaths); diff != "" {
		t.Error(diff)
	}
	failure = Refuse(lwm2m.CodeServiceUnavailable, "busy")
	do, err := v.Write(context.Background(), Change{Replace: true})
	if err != nil || do(context.Background()) != failure {
		t.Error("the hook does not veto", err)
	}
	if diff := cmp.Diff(want, snapshot(t, v, 0)); diff != "" {
		t.Error(diff)
	}
	failure = nil
	commit(t, v, Change{Remove: paths("/3311/0/5706/0")})
	commit(t, v, Change{Replace: true, Resources: []lwm2m.Resource{several(5706, at(9, lwm2m.String("x")))}})
	if diff := cmp.Diff([]lwm2m.Resource{several(5706, at(9, lwm2m.String("x"))), want[1]}, snapshot(t, v, 0)); diff != "" {
		t.Error(diff)
	}
}

func TestValuesWriteRefused(t *testing.T) {
	v := lamps(t)
	set(t, v, "/3311/0/5850", lwm2m.Boolean(true))
	for name, tc := range map[string]struct {
		change Change
		code   lwm2m.Code
	}{
		"range":     {Change{Resources: []lwm2m.Resource{single(5851, lwm2m.Integer(101))}}, lwm2m.CodeBadRequest},
		"several":   {Change{Resources: []lwm2m.Resource{several(5851)}}, lwm2m.CodeBadRequest},
		"instance":  {Change{Resources: []lwm2m.Resource{several(5706, at(1, lwm2m.Integer(1)))}}, lwm2m.CodeBadRequest},
		"read-only": {Change{Resources: []lwm2m.Resource{single(5805, lwm2m.Float(1))}}, lwm2m.CodeMethodNotAllowed},
		"removed":   {Change{Remove: paths("/3311/0/2/1")}, lwm2m.CodeMethodNotAllowed},
		"unknown":   {Change{Resources: []lwm2m.Resource{single(9, lwm2m.Float(1))}}, lwm2m.CodeNotFound},
		"gone":      {Change{Instance: 1}, lwm2m.CodeNotFound},
	} {
		var refusal *Error
		if do, err := v.Write(context.Background(), tc.change); do != nil || !errors.As(err, &refusal) || refusal.Code != tc.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	do, err := v.Write(context.Background(), Change{Resources: []lwm2m.Resource{single(5851, lwm2m.Integer(1))}})
	v.Remove(lwm2m.PathOf(3311, 0))
	var refusal *Error
	if err != nil || !errors.As(do(context.Background()), &refusal) || refusal.Code != lwm2m.CodeNotFound {
		t.Error("written to an instance that has been removed")
	}
}
