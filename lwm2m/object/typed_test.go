package object

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

var thermometerDef = lwm2m.ObjectDef{ID: 3303, Name: "Temperature", Version: "1.1", Multiple: true}

type celsius float64

type base struct {
	Application *string `lwm2m:"5750,RW"`
}

type thermometer struct {
	base
	Value  celsius           `lwm2m:"5700,R,mandatory,units=Cel,range=-40..125"`
	Units  string            `lwm2m:"5701,R,name=Sensor Units"`
	Max    *float64          `lwm2m:"5602,R"`
	Target float64           `lwm2m:"5900,RW,range=0.5..30"`
	Points []int64           `lwm2m:"5,RW"`
	Labels map[uint16]string `lwm2m:"6,RW,range=0..8"`
	Secret []byte            `lwm2m:"7,W"`
	Load   func() uint8      `lwm2m:"5821,R,sample=10s"`
	Reset  func() error      `lwm2m:"5605,E"`
	note   string
}

func thermometers(t testing.TB, options ...Option[thermometer]) *Typed[thermometer] {
	t.Helper()
	object, err := Of(thermometerDef, options...)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func add[T any](t testing.TB, object *Typed[T], id uint16, value T) *Instance[T] {
	t.Helper()
	i, err := object.Add(id, value)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// watched records what an object tells.
type watched []lwm2m.Path

func watch(t testing.TB, w Watcher) *watched {
	told := &watched{}
	t.Cleanup(w.Watch(func(p lwm2m.Path) { *told = append(*told, p) }))
	return told
}

// take returns what has been told since it was last called.
func (w *watched) take() []lwm2m.Path {
	told := *w
	*w = nil
	return told
}

func paths(texts ...string) []lwm2m.Path {
	var all []lwm2m.Path
	for _, text := range texts {
		p, err := lwm2m.ParsePath(text)
		if err != nil {
			panic(err)
		}
		all = append(all, p)
	}
	return all
}

func single(id uint16, v lwm2m.Value) lwm2m.Resource { return lwm2m.Resource{ID: id, Value: v} }

func several(id uint16, values ...lwm2m.ResourceInstance) lwm2m.Resource {
	return lwm2m.Resource{ID: id, Multiple: true, Instances: values}
}

func at(id uint16, v lwm2m.Value) lwm2m.ResourceInstance {
	return lwm2m.ResourceInstance{ID: id, Value: v}
}

func snapshot(t testing.TB, s Snapshotter, id uint16) []lwm2m.Resource {
	t.Helper()
	i, _, ok := s.Snapshot(id)
	if !ok || i.ID != id {
		t.Fatalf("Snapshot(%d) = %v, %v", id, i, ok)
	}
	return i.Resources
}

func TestDefinitionOfAStruct(t *testing.T) {
	got := thermometers(t).Definition()
	rw := lwm2m.OpRead | lwm2m.OpWrite
	want := []lwm2m.ResourceDef{
		{ID: 5, Name: "Points", Kind: lwm2m.KindInteger, Operations: rw, Multiple: true},
		{ID: 6, Name: "Labels", Kind: lwm2m.KindString, Operations: rw, Multiple: true, Range: lwm2m.Range{Max: 8}},
		{ID: 7, Name: "Secret", Kind: lwm2m.KindOpaque, Operations: lwm2m.OpWrite},
		{ID: 5602, Name: "Max", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead},
		{ID: 5605, Name: "Reset", Operations: lwm2m.OpExecute},
		{ID: 5700, Name: "Value", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead, Mandatory: true,
			Range: lwm2m.Range{Min: -40, Max: 125}, Details: &lwm2m.Details{Units: "Cel"}},
		{ID: 5701, Name: "Sensor Units", Kind: lwm2m.KindString, Operations: lwm2m.OpRead},
		{ID: 5750, Name: "Application", Kind: lwm2m.KindString, Operations: rw},
		{ID: 5821, Name: "Load", Kind: lwm2m.KindUnsigned, Operations: lwm2m.OpRead},
		{ID: 5900, Name: "Target", Kind: lwm2m.KindFloat, Operations: rw,
			Details: &lwm2m.Details{Floats: []lwm2m.FloatRange{{Min: 0.5, Max: 30}}}},
	}
	if diff := cmp.Diff(want, got.Resources); diff != "" {
		t.Error(diff)
	}
	if got.ID != 3303 || got.Name != "Temperature" || !got.Multiple || got.Version != "1.1" {
		t.Errorf("got %v", got)
	}
}

func TestSnapshotHoldsWhatServersCanRead(t *testing.T) {
	object := thermometers(t)
	max := 40.5
	add(t, object, 7, thermometer{
		Value: 21.5, Units: "Cel", Max: &max, Target: 20, Points: []int64{1, -2},
		Labels: map[uint16]string{9: "b", 3: "a"}, Secret: []byte("s"),
	})
	want := []lwm2m.Resource{
		several(5, at(0, lwm2m.Integer(1)), at(1, lwm2m.Integer(-2))),
		several(6, at(3, lwm2m.String("a")), at(9, lwm2m.String("b"))),
		single(5602, lwm2m.Float(40.5)), single(5700, lwm2m.Float(21.5)), single(5701, lwm2m.String("Cel")),
		single(5900, lwm2m.Float(20)),
	}
	if diff := cmp.Diff(want, snapshot(t, object, 7)); diff != "" {
		t.Error(diff)
	}
	if got := object.Resources(7); !slices.Equal(got, []uint16{5, 6, 7, 5602, 5700, 5701, 5900}) {
		t.Errorf("Resources() = %v", got)
	}
	if _, whole, _ := object.Snapshot(7); !whole {
		t.Error("there is nothing to compute, and the snapshot says that it is not whole")
	}
	if _, _, ok := object.Snapshot(8); ok || object.Resources(8) != nil {
		t.Error("an instance that is not there")
	}
}

func TestUpdateTellsWhatDiffers(t *testing.T) {
	object := thermometers(t)
	told := watch(t, object)
	i := add(t, object, 0, thermometer{Value: 1, Target: 1, Points: []int64{1}, Labels: map[uint16]string{1: "a"}})
	if diff := cmp.Diff(paths("/3303"), told.take(), comparePaths); diff != "" {
		t.Error(diff)
	}
	text := "x"
	for _, step := range []struct {
		change func(*thermometer)
		want   []lwm2m.Path
	}{
		{func(v *thermometer) { v.Value = 2 }, paths("/3303/0/5700")},
		{func(v *thermometer) { v.Value = 2 }, nil},
		{func(v *thermometer) { v.note = "no resource" }, nil},
		{func(v *thermometer) { v.Secret = []byte("cannot be read") }, nil},
		{func(v *thermometer) { v.Points[0] = 5 }, paths("/3303/0/5")},
		{func(v *thermometer) { v.Points = []int64{5} }, nil},
		{func(v *thermometer) { v.Points = append(v.Points, 6) }, paths("/3303/0/5")},
		{func(v *thermometer) { v.Points = v.Points[:1] }, paths("/3303/0/5")},
		{func(v *thermometer) { v.Points = nil }, paths("/3303/0/5")},
		{func(v *thermometer) { v.Labels[1] = "b" }, paths("/3303/0/6")},
		{func(v *thermometer) { v.Labels = map[uint16]string{2: "b"} }, paths("/3303/0/6")},
		{func(v *thermometer) { v.Application, v.Units = &text, "K" }, paths("/3303/0/5701", "/3303/0/5750")},
		{func(v *thermometer) { *v.Application = "y" }, paths("/3303/0/5750")},
		{func(v *thermometer) { v.Application = nil }, paths("/3303/0/5750")},
	} {
		if err := i.Update(step.change); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, told.take(), comparePaths); diff != "" {
			t.Error(diff)
		}
	}
	i.Changed(5821)
	i.Changed()
	i.Remove()
	if diff := cmp.Diff(paths("/3303/0/5821", "/3303/0", "/3303"), told.take(), comparePaths); diff != "" {
		t.Error(diff)
	}
}

var comparePaths = cmp.Comparer(func(a, b lwm2m.Path) bool { return a == b })

func TestNothingIsSharedWithTheApplication(t *testing.T) {
	object := thermometers(t)
	max, points, labels := 1.0, []int64{1}, map[uint16]string{1: "a"}
	i := add(t, object, 0, thermometer{Max: &max, Target: 1, Points: points, Labels: labels})
	before := snapshot(t, object, 0)
	max, points[0], labels[1] = 2, 2, "b"
	got := i.Get()
	*got.Max, got.Points[0], got.Labels[1] = 3, 3, "c"
	if got := i.Get(); *got.Max != 1 || got.Points[0] != 1 || got.Labels[1] != "a" {
		t.Errorf("the instance has become %v", got)
	}
	own, secret := []int64{7}, []byte{1}
	if err := i.Update(func(v *thermometer) { v.Points = own }); err != nil {
		t.Fatal(err)
	}
	own[0] = 8
	if got := i.Get().Points[0]; got != 7 {
		t.Errorf("a slice given to the instance is shared: %d", got)
	}
	if err := i.Update(func(v *thermometer) { v.Secret = secret }); err != nil {
		t.Fatal(err)
	}
	if secret[0] = 9; i.Get().Secret[0] != 1 {
		t.Error("bytes given to the instance are shared")
	}
	if r := before[0]; r.Instances[0].Value != lwm2m.Integer(1) {
		t.Error("a snapshot has changed")
	}
}

func TestUpdateIsWholeOrNothing(t *testing.T) {
	object := thermometers(t)
	i := add(t, object, 0, thermometer{Value: 1, Target: 1, Points: []int64{1}})
	told := watch(t, object)
	before := snapshot(t, object, 0)
	func() {
		defer func() { _ = recover() }()
		_ = i.Update(func(v *thermometer) { v.Value, v.Points[0] = 2, 2; panic("half way") })
	}()
	var fault *ValueError
	if err := i.Update(func(v *thermometer) { v.Units, v.Value = "K", 126 }); !errors.As(err, &fault) ||
		fault.Path != lwm2m.PathOf(3303, 0, 5700) || fault.Reason != ValueRange {
		t.Errorf("out of range: %v", err)
	}
	if err := i.Update(func(v *thermometer) { v.Units = "\xff" }); !errors.As(err, &fault) || fault.Reason != ValueUTF8 {
		t.Errorf("no UTF-8: %v", err)
	}
	if diff := cmp.Diff(before, snapshot(t, object, 0)); diff != "" || i.Get().Points[0] != 1 {
		t.Error("the instance has changed", diff)
	}
	if got := told.take(); len(got) > 0 {
		t.Errorf("told %v", got)
	}
	i.Remove()
	var gone *InstanceError
	if err := i.Update(func(*thermometer) {}); !errors.As(err, &gone) || gone.Reason != InstanceRemoved {
		t.Errorf("after the end: %v", err)
	}
}

func TestInstances(t *testing.T) {
	object := thermometers(t)
	for _, id := range []uint16{5, 1, 3} {
		add(t, object, id, thermometer{Target: 1})
	}
	var fault *InstanceError
	if i, err := object.Add(3, thermometer{Target: 1}); i != nil || !errors.As(err, &fault) || fault.Reason != InstanceExists {
		t.Error(i, err)
	}
	if i, err := object.Add(lwm2m.MaxID, thermometer{}); i != nil || !errors.As(err, &fault) || fault.Reason != InstanceID {
		t.Error(i, err)
	}
	before := object.Instances()
	if !object.Remove(3) || object.Remove(3) || object.Remove(2) {
		t.Error("Remove")
	}
	if got := object.Instances(); !slices.Equal(got, []uint16{1, 5}) || !slices.Equal(before, []uint16{1, 3, 5}) {
		t.Errorf("instances %v, before %v", got, before)
	}
	var all []uint16
	for id, i := range object.All() {
		if all = append(all, id); i.ID() != id || i.Path() != lwm2m.PathOf(3303, id) {
			t.Error(i.Path())
		}
		break
	}
	if _, found := object.Get(5); !found || !slices.Equal(all, []uint16{1}) {
		t.Error("Get, All")
	}

	one, err := Of[thermometer](lwm2m.ObjectDef{ID: 3303})
	if err != nil {
		t.Fatal(err)
	}
	if i, err := one.Add(1, thermometer{}); i != nil || !errors.As(err, &fault) || fault.Reason != InstanceSingle {
		t.Error(i, err)
	}
}

// everything has a field of each kind.
type everything struct {
	I8   int8                 `lwm2m:"1,RW"`
	I    int                  `lwm2m:"2,RW,kind=unsigned"`
	U16  uint16               `lwm2m:"3,RW"`
	U    uint64               `lwm2m:"4,RW,kind=integer"`
	F32  float32              `lwm2m:"5,RW"`
	B    bool                 `lwm2m:"6,RW"`
	S    string               `lwm2m:"7,RW"`
	C    string               `lwm2m:"8,RW,kind=corelink"`
	C2   CoreLink             `lwm2m:"9,RW"`
	O    []byte               `lwm2m:"10,RW"`
	T    time.Time            `lwm2m:"11,RW"`
	L    Link                 `lwm2m:"12,RW"`
	Os   [][]byte             `lwm2m:"13,RW"`
	Ts   map[uint16]time.Time `lwm2m:"14,RW"`
	PL   *Link                `lwm2m:"15,RW"`
	PO   *[]byte              `lwm2m:"16,RW"`
	Zero float64              `lwm2m:"17,RW,range=0..0"`
}

func TestEveryKind(t *testing.T) {
	object, err := Of[everything](lwm2m.ObjectDef{ID: 33000})
	if err != nil {
		t.Fatal(err)
	}
	when := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	i := add(t, object, 0, everything{
		I8: -1, I: 2, U16: 3, U: 4, F32: 0.5, B: true, S: "s", C: "</1>", C2: "</2>", O: []byte{1}, T: when, L: Link{3, 0},
		Os: [][]byte{{1}, {}}, Ts: map[uint16]time.Time{4: when}, PL: &NoLink, PO: &[]byte{5},
	})
	want := []lwm2m.Resource{
		single(1, lwm2m.Integer(-1)), single(2, lwm2m.Unsigned(2)), single(3, lwm2m.Unsigned(3)), single(4, lwm2m.Integer(4)),
		single(5, lwm2m.Float(0.5)), single(6, lwm2m.Boolean(true)), single(7, lwm2m.String("s")),
		single(8, lwm2m.CoreLink("</1>")), single(9, lwm2m.CoreLink("</2>")), single(10, lwm2m.Opaque([]byte{1})),
		single(11, lwm2m.Time(when)), single(12, lwm2m.ObjectLink(3, 0)),
		several(13, at(0, lwm2m.Opaque([]byte{1})), at(1, lwm2m.Opaque(nil))), several(14, at(4, lwm2m.Time(when))),
		single(15, lwm2m.ObjectLink(lwm2m.MaxID, lwm2m.MaxID)), single(16, lwm2m.Opaque([]byte{5})), single(17, lwm2m.Float(0)),
	}
	if diff := cmp.Diff(want, snapshot(t, object, 0)); diff != "" {
		t.Error(diff)
	}
	// What servers write is what they read.
	before := i.Get()
	commit(t, object, Change{Replace: true})
	if got := snapshot(t, object, 0); len(got) != 13 {
		t.Errorf("replaced with nothing: %v", got)
	}
	commit(t, object, Change{Resources: want})
	if got := i.Get(); !reflect.DeepEqual(got, before) {
		t.Errorf("got %v, want %v", got, before)
	}
}

func commit(t testing.TB, w Writer, c Change) {
	t.Helper()
	do, err := w.Write(context.Background(), c)
	if err == nil {
		err = do(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
}
