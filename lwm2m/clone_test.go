package lwm2m

import (
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is done to a tree shows in no clone of it, and the other way round.
func TestClonesAreIndependent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trees, want := []*Tree{NewTree()}, []string{show(NewTree())}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			at := rapid.IntRange(0, len(trees)-1).Draw(t, "tree")
			if rapid.IntRange(0, 3).Draw(t, "clone") == 0 {
				trees, want = append(trees, trees[at].Clone()), append(want, want[at])
				continue
			}
			change(t, trees[at])
			want[at] = show(trees[at])
			for i, tree := range trees {
				if got := show(tree); got != want[i] {
					t.Fatalf("changing tree %d made of tree %d:\n%s\nwas:\n%s", at, i, got, want[i])
				}
			}
		}
	})
}

func change(t *rapid.T, tree *Tree) {
	id := rapid.Uint16Max(2)
	obj, inst, res := id.Draw(t, "object"), id.Draw(t, "instance"), id.Draw(t, "resource")
	value := Integer(rapid.Int64().Draw(t, "value"))
	many := Resource{ID: res, Multiple: true, Instances: []ResourceInstance{{ID: 1, Value: value}, {ID: 2}}}
	switch rapid.IntRange(0, 7).Draw(t, "change") {
	case 0:
		tree.PutObject(obj)
	case 1:
		tree.PutInstance(obj, Instance{ID: inst, Resources: []Resource{{ID: res, Value: value}, many}})
	case 2:
		tree.PutResource(obj, inst, Resource{ID: res, Value: value})
	case 3:
		tree.PutResource(obj, inst, many)
	case 4:
		tree.DeleteObject(obj)
	case 5:
		tree.DeleteInstance(obj, inst)
	case 6:
		tree.DeleteResource(PathOf(obj, inst, res))
	case 7:
		tree.DeleteResource(PathOf(obj, inst, res, 1))
	}
}

func show(t *Tree) string { return fmt.Sprintf("%v", t.objects) }

// What an accessor gives belongs to whoever asked, also when the tree is shared.
func TestResultsAreCopies(t *testing.T) {
	tree := NewTree()
	tree.PutResource(1, 0, Resource{ID: 5, Multiple: true, Instances: []ResourceInstance{{ID: 1, Value: Integer(1)}}})
	clone := tree.Clone()
	i, _ := clone.Instance(1, 0)
	i.Resources[0].Instances[0].Value = Integer(2)
	r, _ := clone.Resource(PathOf(1, 0, 5))
	r.Instances[0].Value = Integer(3)
	if v, _ := tree.Value(PathOf(1, 0, 5, 1)); v != Integer(1) {
		t.Errorf("the tree has %v", v)
	}
}

// A clone can go to another goroutine at once; the race detector judges.
func TestCloneOnAnotherGoroutine(t *testing.T) {
	tree := NewTree()
	tree.PutResource(1, 0, Resource{ID: 1, Value: Integer(1)})
	var done sync.WaitGroup
	for n := range 4 {
		clone := tree.Clone()
		done.Go(func() {
			clone.PutResource(1, 0, Resource{ID: 1, Value: Integer(int64(n))})
			if v, _ := clone.Value(PathOf(1, 0, 1)); v != Integer(int64(n)) {
				t.Errorf("clone %d has %v", n, v)
			}
		})
		tree.PutResource(1, 0, Resource{ID: 2, Value: Integer(int64(n))})
	}
	done.Wait()
}

// A clone is one small struct, however much the tree holds.
func TestCloneIsCheap(t *testing.T) {
	tree := NewTree()
	for id := range uint16(100) {
		tree.PutResource(1, id, Resource{ID: 1, Value: Integer(1)})
	}
	if n := testing.AllocsPerRun(10, func() { clones = tree.Clone() }); n > 1 {
		t.Errorf("a clone takes %v allocations", n)
	}
}

var clones *Tree
