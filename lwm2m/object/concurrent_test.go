package object

import (
	"context"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// twins are always changed together.
type twins struct {
	A int64            `lwm2m:"1,RW"`
	B int64            `lwm2m:"2,RW"`
	L []int64          `lwm2m:"3,RW"`
	M map[uint16]int64 `lwm2m:"4,RW"`
	P *int64           `lwm2m:"5,RW"`
}

func equalTwins(n int64) twins {
	return twins{n, n, []int64{n}, map[uint16]int64{0: n}, &n}
}

func (w *twins) set(n int64) { w.A, w.B, w.L[0], w.M[0], *w.P = n, n, n, n, n }

func (w twins) torn() bool { return w.A != w.B || w.A != w.L[0] || w.A != w.M[0] || w.A != *w.P }

// change writes all of the twins.
func (w twins) change() Change {
	v := lwm2m.Integer(w.A)
	return Change{Resources: []lwm2m.Resource{single(1, v), single(2, v), several(3, at(0, v)), several(4, at(0, v)), single(5, v)}}
}

func tornResources(resources []lwm2m.Resource) bool {
	first := resources[0].Value
	return slices.ContainsFunc(resources, func(r lwm2m.Resource) bool {
		return slices.ContainsFunc(scalars(r), func(v lwm2m.Value) bool { return v != first })
	})
}

func TestReadersSeeAllOfAChangeOrNothing(t *testing.T) {
	object, err := Of(lwm2m.ObjectDef{ID: 9, Multiple: true}, OnWrite(func(_ context.Context, _ uint16, before, after twins) error {
		if before.torn() || after.torn() {
			t.Error("a hook sees half a change")
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	i := add(t, object, 0, equalTwins(0))
	defer object.Watch(func(lwm2m.Path) { object.Snapshot(0) })()
	const rounds = 300
	var all sync.WaitGroup
	for worker := range int64(3) {
		all.Go(func() {
			for n := range int64(rounds) {
				if err := i.Update(func(w *twins) { w.set(n*10 + worker) }); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for n := range int64(rounds) {
				do, err := object.Write(context.Background(), equalTwins(-n*10-worker).change())
				if err == nil {
					err = do(context.Background())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range rounds {
				frozen, _, _ := object.Snapshot(0)
				read, err := object.Read(context.Background(), lwm2m.PathOf(9, 0))
				if err != nil || i.Get().torn() || tornResources(frozen.Resources) || tornResources(read) {
					t.Error("a reader sees half a change", err)
				}
			}
		})
		all.Go(func() {
			for range rounds {
				other, err := object.Add(uint16(worker)+1, equalTwins(1))
				if err != nil || !slices.Contains(object.Instances(), uint16(worker)+1) || !other.Remove() {
					t.Error("instances", err)
				}
			}
		})
	}
	all.Wait()
	if got := object.Instances(); !slices.Equal(got, []uint16{0}) {
		t.Error(got)
	}
}

func TestStoppedWatchersAreNotCalled(t *testing.T) {
	var w Watchers
	var mu sync.Mutex
	stopped, calls := false, 0
	stop := w.Watch(func(lwm2m.Path) {
		mu.Lock()
		defer mu.Unlock()
		if calls++; stopped {
			t.Error("called after stop has returned")
		}
	})
	other := watch(t, &w)
	var all sync.WaitGroup
	all.Go(func() {
		for range 1000 {
			w.Tell(lwm2m.PathOf(1))
		}
	})
	all.Go(func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		stopped = true
	})
	all.Wait()
	if len(*other) != 1000 {
		t.Errorf("the other watcher was called %d times", len(*other))
	}
	stop()
}

// drawn draws a value for the named field of everything.
func drawn(t *rapid.T, kind lwm2m.Kind, small bool) lwm2m.Value {
	switch kind {
	case lwm2m.KindInteger:
		if small {
			return lwm2m.Integer(int64(rapid.Int8().Draw(t, "int8")))
		}
		return lwm2m.Integer(rapid.Int64Min(0).Draw(t, "int64"))
	case lwm2m.KindUnsigned:
		return lwm2m.Unsigned(uint64(rapid.Uint16().Draw(t, "uint16")))
	case lwm2m.KindFloat:
		return lwm2m.Float(float64(rapid.Float32().Draw(t, "float32")))
	case lwm2m.KindBoolean:
		return lwm2m.Boolean(rapid.Bool().Draw(t, "bool"))
	case lwm2m.KindString:
		return lwm2m.String(rapid.String().Draw(t, "string"))
	case lwm2m.KindCoreLink:
		return lwm2m.CoreLink(rapid.String().Draw(t, "link"))
	case lwm2m.KindOpaque:
		return lwm2m.Opaque(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case lwm2m.KindTime:
		return lwm2m.Time(time.Unix(rapid.Int64Range(math.MinInt32, math.MaxUint32).Draw(t, "time"), 0))
	default:
		return lwm2m.ObjectLink(rapid.Uint16().Draw(t, "object"), rapid.Uint16().Draw(t, "instance"))
	}
}

// drawnResource draws a resource that everything can hold.
func drawnResource(t *rapid.T, def lwm2m.ResourceDef) lwm2m.Resource {
	r := lwm2m.Resource{ID: def.ID, Multiple: def.Multiple}
	if !def.Multiple {
		r.Value = drawn(t, def.Kind, def.ID == 1)
		return r
	}
	n := rapid.IntRange(0, 4).Draw(t, "instances")
	id := uint16(0)
	for range n {
		if def.ID == 14 { // a map
			id += uint16(rapid.IntRange(0, 100).Draw(t, "gap"))
		}
		r.Instances = append(r.Instances, at(id, drawn(t, def.Kind, false)))
		id++
	}
	return r
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		object, err := Of[everything](lwm2m.ObjectDef{ID: 33000})
		if err != nil {
			t.Fatal(err)
		}
		i, err := object.Add(0, everything{})
		if err != nil {
			t.Fatal(err)
		}
		told := &watched{}
		defer object.Watch(func(p lwm2m.Path) { *told = append(*told, p) })()
		for range rapid.IntRange(1, 5).Draw(t, "writes") {
			writeAndRead(t, object, i, told)
		}
	})
}

// writeAndRead writes some resources, and compares what is read and told with them.
func writeAndRead(t *rapid.T, object *Typed[everything], i *Instance[everything], told *watched) {
	before, _, _ := object.Snapshot(0)
	want := map[uint16]lwm2m.Resource{}
	for _, r := range before.Resources {
		want[r.ID] = r
	}
	var c Change
	var differ []lwm2m.Path
	for _, def := range object.Definition().Resources[:16] {
		if !rapid.Bool().Draw(t, "written") {
			continue
		}
		r := drawnResource(t, def)
		c.Resources = append(c.Resources, r)
		if old, found := want[def.ID]; !found || !sameResource(old, r) {
			differ = append(differ, lwm2m.PathOf(33000, 0, def.ID))
		}
		want[def.ID] = r
	}
	do, err := object.Write(context.Background(), c)
	if err == nil {
		err = do(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	got, _, _ := object.Snapshot(0)
	if diff := cmp.Diff(differ, []lwm2m.Path(told.take()), comparePaths); diff != "" && len(differ) > 0 {
		t.Fatal(diff)
	}
	if len(got.Resources) != len(want) {
		t.Fatalf("%d resources, not %d", len(got.Resources), len(want))
	}
	for _, r := range got.Resources {
		if !sameResource(r, want[r.ID]) {
			t.Fatalf("read %v, written %v", r, want[r.ID])
		}
	}
	// The struct says the same.
	now := i.Get()
	fresh, err := object.instance(0, reflect.ValueOf(&now).Elem(), reflect.ValueOf(&now).Elem())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(fresh.state.Load().frozen.Resources, got.Resources, sameResource) {
		t.Fatal("the struct says otherwise")
	}
}
