package lwm2m

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func sampleTree() *Tree {
	t := NewTree()
	t.PutObject(5)
	t.PutInstance(3, Instance{ID: 0, Resources: []Resource{
		{ID: 9, Value: Integer(80)},
		{ID: 0, Value: String("Acme")},
		{ID: 6, Multiple: true, Instances: []ResourceInstance{{5, Integer(1)}, {0, Integer(0)}}},
	}})
	t.PutInstance(0, Instance{ID: 1})
	t.PutInstance(0, Instance{ID: 0, Resources: []Resource{{ID: 5, Value: Opaque([]byte("k"))}}})
	return t
}

func TestTreeIsSorted(t *testing.T) {
	tree := sampleTree()
	if got := tree.Objects(); !slices.Equal(got, []uint16{0, 3, 5}) {
		t.Errorf("Objects() = %v", got)
	}
	if got := tree.Instances(0); !slices.Equal(got, []uint16{0, 1}) {
		t.Errorf("Instances(0) = %v", got)
	}
	if tree.Instances(5) == nil || len(tree.Instances(5)) != 0 || tree.Instances(7) != nil {
		t.Error("an empty object is not an unknown one")
	}
	i, found := tree.Instance(3, 0)
	want := Instance{ID: 0, Resources: []Resource{
		{ID: 0, Value: String("Acme")},
		{ID: 6, Multiple: true, Instances: []ResourceInstance{{0, Integer(0)}, {5, Integer(1)}}},
		{ID: 9, Value: Integer(80)},
	}}
	if diff := cmp.Diff(want, i); !found || diff != "" {
		t.Errorf("Instance(3, 0): %v %s", found, diff)
	}
}

func TestTreeLookups(t *testing.T) {
	tree := sampleTree()
	for path, want := range map[string]bool{
		"/3/0/0": true, "/3/0/6": true, "/3/0/1": false, "/3/1/0": false, "/4/0/0": false,
		"/3/0": false, "/3/0/6/0": false, "/": false,
	} {
		p, _ := ParsePath(path)
		if _, found := tree.Resource(p); found != want {
			t.Errorf("Resource(%s) found = %v", path, found)
		}
	}
	for path, want := range map[string]Value{
		"/3/0/0": String("Acme"), "/3/0/6/5": Integer(1), "/3/0/6": {}, "/3/0/6/1": {}, "/3/0/0/0": {}, "/3/0": {},
	} {
		p, _ := ParsePath(path)
		if got, found := tree.Value(p); got != want || found != (want != Value{}) {
			t.Errorf("Value(%s) = %v, %v", path, got, found)
		}
	}
	if _, found := tree.Instance(3, 7); found {
		t.Error("found an instance that is not there")
	}
}

func TestTreeCopiesAtItsBorder(t *testing.T) {
	in := Instance{ID: 0, Resources: []Resource{{ID: 6, Multiple: true, Instances: []ResourceInstance{{0, Integer(1)}}}}}
	tree := NewTree()
	tree.PutInstance(3, in)
	before := tree.Clone()

	in.Resources[0].Instances[0].Value = Integer(9)
	out, _ := tree.Instance(3, 0)
	out.Resources[0].Instances[0].Value = Integer(9)
	r, _ := tree.Resource(PathOf(3, 0, 6))
	r.Instances[0].Value = Integer(9)
	if !tree.Equal(before) {
		t.Error("the tree shares memory with its callers")
	}

	tree.PutResource(3, 0, Resource{ID: 6, Multiple: true, Instances: []ResourceInstance{{0, Integer(2)}}})
	if v, _ := before.Value(PathOf(3, 0, 6, 0)); v != Integer(1) {
		t.Error("the clone shares memory with its original")
	}
}

func TestTreePutNormalises(t *testing.T) {
	tree := NewTree()
	tree.PutInstance(3, Instance{Resources: []Resource{
		{ID: 1, Value: String("old")},
		{ID: 1, Value: String("new")},
		{ID: 2, Value: String("x"), Instances: []ResourceInstance{{0, Integer(1)}}},
		{ID: 6, Value: String("x"), Multiple: true},
	}})
	want := Instance{Resources: []Resource{
		{ID: 1, Value: String("new")}, {ID: 2, Value: String("x")}, {ID: 6, Multiple: true},
	}}
	got, _ := tree.Instance(3, 0)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestTreeDeletes(t *testing.T) {
	tree := sampleTree()
	for path, want := range map[string]bool{"/3/0": false, "/3/0/1": false, "/9/0/1": false, "/3/0/1/1": false, "/3/0/6/1": false} {
		p, _ := ParsePath(path)
		if tree.DeleteResource(p) != want {
			t.Errorf("DeleteResource(%s) = %v", path, !want)
		}
	}
	if !tree.Equal(sampleTree()) {
		t.Fatal("a failed delete changed the tree")
	}
	if !tree.DeleteResource(PathOf(3, 0, 6, 0)) || !tree.DeleteResource(PathOf(3, 0, 9)) {
		t.Fatal("nothing deleted")
	}
	if r, _ := tree.Resource(PathOf(3, 0, 6)); len(r.Instances) != 1 {
		t.Errorf("/3/0/6 = %v", r)
	}
	if !tree.DeleteInstance(0, 0) || tree.DeleteInstance(0, 0) || tree.DeleteInstance(9, 0) {
		t.Error("DeleteInstance reports wrongly")
	}
	tree.DeleteInstance(0, 1)
	tree.DeleteObject(3)
	tree.DeleteObject(33)
	if got := tree.Objects(); !slices.Equal(got, []uint16{0, 5}) {
		t.Errorf("Objects() = %v", got)
	}
}

func TestTreeEqual(t *testing.T) {
	for name, change := range map[string]func(*Tree){
		"object":            func(t *Tree) { t.PutObject(9) },
		"instance":          func(t *Tree) { t.PutInstance(0, Instance{ID: 2}) },
		"resource":          func(t *Tree) { t.PutResource(3, 0, Resource{ID: 1, Value: String("")}) },
		"value":             func(t *Tree) { t.PutResource(3, 0, Resource{ID: 0, Value: String("acme")}) },
		"kind":              func(t *Tree) { t.PutResource(3, 0, Resource{ID: 9, Value: Unsigned(80)}) },
		"resource instance": func(t *Tree) { t.DeleteResource(PathOf(3, 0, 6, 5)) },
		"multiplicity":      func(t *Tree) { t.PutResource(3, 0, Resource{ID: 9, Multiple: true}) },
	} {
		tree := sampleTree()
		change(tree)
		if tree.Equal(sampleTree()) {
			t.Errorf("another %s makes no difference", name)
		}
	}
	if !sampleTree().Equal(sampleTree()) || !NewTree().Equal(&Tree{}) {
		t.Error("equal trees are not")
	}
}

func TestTreePayload(t *testing.T) {
	tree := sampleTree()
	for path, want := range map[string][]string{
		"/":        {"/0/0/5", "/3/0/0", "/3/0/6/0", "/3/0/6/5", "/3/0/9"},
		"/0":       {"/0/0/5"},
		"/3/0":     {"/3/0/0", "/3/0/6/0", "/3/0/6/5", "/3/0/9"},
		"/3/0/9":   {"/3/0/9"},
		"/3/0/6":   {"/3/0/6/0", "/3/0/6/5"},
		"/3/0/6/5": {"/3/0/6/5"},
		"/0/1":     nil,
		"/5":       nil,
	} {
		p, _ := ParsePath(path)
		payload, found := tree.Payload(p)
		var got []string
		for _, n := range payload.Nodes {
			got = append(got, n.Path.String())
		}
		if !found || !slices.Equal(got, want) {
			t.Errorf("Payload(%s) = %v, %v", path, got, found)
		}
	}
	for _, path := range []Path{PathOf(4), PathOf(5, 0), PathOf(3, 1), PathOf(3, 0, 1), PathOf(3, 0, 6, 1), PathOf(3, 0, 9, 0)} {
		if payload, found := tree.Payload(path); found || len(payload.Nodes)+len(payload.Instances)+len(payload.Multiples) != 0 {
			t.Errorf("Payload(%v) = %v, %v", path, payload, found)
		}
	}
}

func TestPayloadTreeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := NewTree()
		for range rapid.IntRange(0, 20).Draw(t, "writes") {
			drawWrite(t, tree)
		}
		payload, _ := tree.Payload(Path{})
		back := payload.Tree()
		for _, id := range tree.Objects() { // a payload does not know empty objects
			back.PutObject(id)
		}
		if !back.Equal(tree) {
			t.Fatalf("%v became %v", tree, back)
		}
		if !slices.IsSortedFunc(payload.Nodes, func(a, b Node) int { return a.Path.Compare(b.Path) }) {
			t.Fatal("nodes are not sorted")
		}
	})
}

func drawWrite(t *rapid.T, tree *Tree) {
	id := rapid.Uint16Max(4)
	obj, inst, res := id.Draw(t, "object"), id.Draw(t, "instance"), id.Draw(t, "resource")
	switch rapid.IntRange(0, 4).Draw(t, "operation") {
	case 0:
		tree.PutInstance(obj, Instance{ID: inst})
	case 1:
		tree.PutResource(obj, inst, Resource{ID: res, Value: Integer(int64(res))})
	case 2:
		ris := rapid.MapOf(id, rapid.Int64()).Draw(t, "resource instances")
		r := Resource{ID: res, Multiple: true}
		for _, k := range slices.Collect(maps.Keys(ris)) {
			r.Instances = append(r.Instances, ResourceInstance{ID: k, Value: Integer(ris[k])})
		}
		tree.PutResource(obj, inst, r)
	case 3:
		tree.DeleteResource(PathOf(obj, inst, res))
	case 4:
		tree.DeleteInstance(obj, inst)
	}
}

func TestPayloadFilter(t *testing.T) {
	payload, _ := sampleTree().Payload(PathOf(3))
	payload.Deleted = []Path{PathOf(3, 0, 6, 1), PathOf(3, 0, 9, 1)}
	payload = payload.Filter(func(p Path) bool { return p.Resource() == 9 })
	want := Payload{
		Nodes: []Node{{Path: PathOf(3, 0, 9), Value: Integer(80)}}, Instances: []Path{PathOf(3, 0)},
		Deleted: []Path{PathOf(3, 0, 9, 1)},
	}
	if diff := cmp.Diff(want, payload, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b Path) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestPayloadObjects(t *testing.T) {
	p := Payload{
		Instances: []Path{PathOf(1, 2), PathOf(1, 0)},
		Multiples: []Path{PathOf(1, 0, 6)},
		Nodes:     []Node{{Path: PathOf(1, 0, 6, 3), Value: Integer(1)}, {Path: PathOf(1, 0, 0), Value: Integer(7)}},
	}
	want := []Object{{ID: 1, Instances: []Instance{
		{ID: 0, Resources: []Resource{
			{ID: 0, Value: Integer(7)},
			{ID: 6, Multiple: true, Instances: []ResourceInstance{{3, Integer(1)}}},
		}},
		{ID: 2},
	}}}
	if diff := cmp.Diff(want, p.Objects(), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}
