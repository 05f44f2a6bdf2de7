package gateway

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// What the objects promise to be.
var (
	_ object.Writer      = (*Device)(nil)
	_ object.Executor    = (*Device)(nil)
	_ object.Lister      = (*Device)(nil)
	_ object.Sampler     = (*Device)(nil)
	_ object.Watcher     = (*Device)(nil)
	_ object.Lister      = (*Connectivity)(nil)
	_ object.Sampler     = (*Connectivity)(nil)
	_ object.Snapshotter = (*Location)(nil)
	_ object.Watcher     = (*Location)(nil)
	_ object.Writer      = (*Statistics)(nil)
	_ object.Executor    = (*Statistics)(nil)
	_ object.Lister      = (*Statistics)(nil)
	_ object.Sampler     = (*Statistics)(nil)
	_ object.Watcher     = (*Statistics)(nil)
)

// files lays files out below a new folder: proc, sys and etc.
func files(t *testing.T, all map[string]string) Machine {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"proc", "sys", "etc"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := Machine{
		Proc: filepath.Join(root, "proc"), Sys: filepath.Join(root, "sys"), Etc: filepath.Join(root, "etc"),
		Bus:     "unix:path=" + filepath.Join(root, "bus"), // where nobody listens
		station: func(context.Context, string) (radio, bool) { return radio{}, false },
		Now:     func() time.Time { return noon }, Interfaces: func() ([]Interface, error) { return nil, nil },
	}
	for name, content := range all {
		put(t, m, name, content)
	}
	return m
}

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.FixedZone("CET", 3600))

// put writes one of the files.
func put(t *testing.T, m Machine, name, content string) {
	t.Helper()
	path := filepath.Join(filepath.Dir(m.Proc), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func addrs(all ...string) (found []netip.Addr) {
	for _, a := range all {
		found = append(found, netip.MustParseAddr(a))
	}
	return found
}

// values reads an instance whole, as texts by resource or resource instance, and holds
// it against the definition, and against itself read one by one.
func values(t *testing.T, o object.Object) map[string]string {
	t.Helper()
	def := lwm2m.NewRegistry(o.Definition())
	instance := lwm2m.PathOf(o.Definition().ID, 0)
	resources, err := o.Read(t.Context(), instance)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(resources, func(a, b lwm2m.Resource) int { return int(a.ID) - int(b.ID) }) {
		t.Errorf("not sorted: %v", resources)
	}
	tree := lwm2m.NewTree()
	tree.PutInstance(instance.Object(), lwm2m.Instance{Resources: resources})
	payload, _ := tree.Payload(instance)
	found := map[string]string{}
	for _, n := range payload.Nodes {
		rd, known := def.Resource(n.Path)
		if err := rd.Check(n.Value); !known || err != nil || rd.Multiple != (n.Path.Len() == 4) || !rd.Operations.Has(lwm2m.OpRead) {
			t.Errorf("%v = %v is not what the definition says: %v", n.Path, n.Value, err)
		}
		found[n.Path.String()] = n.Value.String()
	}
	checkEach(t, o, instance, resources)
	return found
}

func checkEach(t *testing.T, o object.Object, instance lwm2m.Path, resources []lwm2m.Resource) {
	t.Helper()
	for _, r := range resources {
		one, err := o.Read(t.Context(), instance.Child(r.ID))
		if err != nil || len(one) != 1 || one[0].ID != r.ID {
			t.Errorf("resource %d on its own: %v %v", r.ID, one, err)
		}
		if l, ok := o.(object.Lister); ok && !slices.Contains(l.Resources(0), r.ID) {
			t.Errorf("resource %d is not listed", r.ID)
		}
	}
}

// has wants some values to be there; "" stands for what must not.
func has(t *testing.T, got, want map[string]string) {
	t.Helper()
	for path, v := range want {
		if got[path] != v {
			t.Errorf("%s is %q, want %q", path, got[path], v)
		}
	}
}

// execute executes a resource, and returns the code of the refusal; 0 for none.
func execute(t *testing.T, o object.Executor, path string) lwm2m.Code {
	t.Helper()
	p, err := lwm2m.ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	return codeOf(t, o.Execute(t.Context(), p, lwm2m.Arguments{}))
}

func codeOf(t *testing.T, err error) lwm2m.Code {
	t.Helper()
	if err == nil {
		return 0
	}
	refused, ok := err.(*object.Error)
	if !ok {
		t.Fatalf("%T %v", err, err)
	}
	return refused.Code
}

// write writes a resource, and returns the code of the refusal; 0 for none.
func write(t *testing.T, o object.Writer, change object.Change) lwm2m.Code {
	t.Helper()
	commit, err := o.Write(t.Context(), change)
	if err == nil {
		err = commit(t.Context())
	}
	return codeOf(t, err)
}

// watched returns the paths that were told since the last call.
func watched(t *testing.T, o object.Watcher) func() []string {
	t.Helper()
	var told []string
	stop := o.Watch(func(p lwm2m.Path) { told = append(told, p.String()) })
	t.Cleanup(stop)
	return func() []string {
		all := told
		told = nil
		return all
	}
}

// texts writes numbers down, with a dash for each that is not known.
func texts(all ...*int64) string {
	var s []string
	for _, n := range all {
		if n == nil {
			s = append(s, "-")
			continue
		}
		s = append(s, strconv.FormatInt(*n, 10))
	}
	return strings.Join(s, " ")
}
