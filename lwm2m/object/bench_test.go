package object

import (
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// A Typed is everything that an object can be.
var _ interface {
	Object
	Writer
	Executor
	Creator
	Deleter
	Watcher
	Sampler
	Lister
	Snapshotter
} = (*Typed[ten])(nil)

// ten has ten resources that are values.
type ten struct {
	A, B, C, D, E float64
	V0            float64 `lwm2m:"0,R"`
	V1            float64 `lwm2m:"1,R"`
	V2            float64 `lwm2m:"2,R"`
	V3            float64 `lwm2m:"3,R"`
	V4            float64 `lwm2m:"4,R"`
	V5            int64   `lwm2m:"5,R"`
	V6            int64   `lwm2m:"6,R"`
	V7            string  `lwm2m:"7,R"`
	V8            string  `lwm2m:"8,R"`
	V9            bool    `lwm2m:"9,R"`
}

// optional has ten of which nine need not be there.
type optional struct {
	V0 float64  `lwm2m:"0,R"`
	V1 *float64 `lwm2m:"1,R"`
	V2 *float64 `lwm2m:"2,R"`
	V3 *float64 `lwm2m:"3,R"`
	V4 *float64 `lwm2m:"4,R"`
	V5 *int64   `lwm2m:"5,R"`
	V6 *int64   `lwm2m:"6,R"`
	V7 *string  `lwm2m:"7,R"`
	V8 *string  `lwm2m:"8,R"`
	V9 *bool    `lwm2m:"9,R"`
}

func BenchmarkUpdateOneOfTen(b *testing.B) {
	object, err := Of[ten](lwm2m.ObjectDef{ID: 1})
	if err != nil {
		b.Fatal(err)
	}
	i := add(b, object, 0, ten{V7: "a", V8: "b"})
	b.ReportAllocs()
	for b.Loop() {
		if err := i.Update(func(v *ten) { v.V3++ }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdateOneOfTenOptional(b *testing.B) {
	object, err := Of[optional](lwm2m.ObjectDef{ID: 1})
	if err != nil {
		b.Fatal(err)
	}
	i := add(b, object, 0, optional{V1: new(1.), V2: new(1.), V3: new(1.), V4: new(1.), V5: new(int64), V6: new(int64), V7: new("a"), V8: new("b"), V9: new(true)})
	b.ReportAllocs()
	for b.Loop() {
		if err := i.Update(func(v *optional) { v.V0++ }); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSnapshot(b *testing.B) {
	object, err := Of[ten](lwm2m.ObjectDef{ID: 1, Multiple: true})
	if err != nil {
		b.Fatal(err)
	}
	for id := range uint16(100) {
		add(b, object, id, ten{})
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, ok := object.Snapshot(50); !ok {
				b.Fail()
			}
		}
	})
}

func TestCostOfASnapshotAndOfAnUpdate(t *testing.T) {
	object, err := Of[ten](lwm2m.ObjectDef{ID: 1})
	if err != nil {
		t.Fatal(err)
	}
	i := add(t, object, 0, ten{})
	if n := testing.AllocsPerRun(100, func() { object.Snapshot(0); object.Resources(0); object.Instances() }); n > 0 {
		t.Errorf("a snapshot allocates %v times", n)
	}
	// The struct, its state, and the list of its resources.
	if n := testing.AllocsPerRun(100, func() { _ = i.Update(func(v *ten) { v.V3++ }) }); n > 3 {
		t.Errorf("an update allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = i.Update(func(v *ten) { v.A++ }) }); n > 2 {
		t.Errorf("an update of nothing that servers see allocates %v times", n)
	}
}
