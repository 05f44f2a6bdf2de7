package store

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"
)

const (
	somebody = 1000 // runs the store
	stranger = 2000
)

// trusted is a file system with a state directory in which nobody but somebody
// and root has had a hand.
func trusted(t *testing.T) *memFS {
	m := newMemFS()
	m.user = somebody
	for path, mode := range map[string]fs.FileMode{"/var": 0o755, "/var/lib": 0o755, memDir: 0o700} {
		m.live[path] = &inode{mode: fs.ModeDir | mode}
	}
	m.live[memDir].owner = m.mine()
	s := openMem(t, m)
	mustSave(t, s, "state", []byte("old"))
	mustSave(t, s, "state", []byte("new"))
	must(t, s.Close())
	return m
}

// asked returns the distrust that Open ends with, if any.
func asked(t *testing.T, m *memFS) *DistrustError {
	t.Helper()
	s, err := Open(context.Background(), Options{Dir: memDir, FS: m, LockTimeout: time.Millisecond})
	if err == nil {
		must(t, s.Close())
		return nil
	}
	var ioe *IOError
	var distrust *DistrustError
	if !errors.As(err, &ioe) || !errors.As(err, &distrust) {
		t.Fatalf("Open = %v, want an IOError of a DistrustError", err)
	}
	return distrust
}

func TestDirectoriesAndLockFilesThatAreNotTrusted(t *testing.T) {
	set := func(path string, mode fs.FileMode, uid, gid int) func(m *memFS) {
		return func(m *memFS) {
			i := m.live[path]
			i.mode, i.owner = i.mode.Type()|mode, Owner{UID: uid, GID: gid}
		}
	}
	const sticky = fs.ModeSticky
	for name, test := range map[string]struct {
		plant func(m *memFS)
		want  Damage // 0 is trusted
		path  string
		says  string
	}{
		"as made":                                 {func(*memFS) {}, 0, "", ""},
		"directory of a stranger":                 {set(memDir, 0o700, stranger, stranger), DamageOwner, memDir, "owner 2000 and mode 0700"},
		"directory of root":                       {set(memDir, 0o755, 0, 0), 0, "", ""},
		"directory that all may read":             {set(memDir, 0o755, somebody, somebody), 0, "", ""},
		"directory that all may write":            {set(memDir, 0o757, somebody, somebody), DamageWritable, memDir, "chmod go-w " + memDir},
		"directory that all may write, sticky":    {set(memDir, sticky|0o777, somebody, somebody), DamageWritable, memDir, "mode 1777"},
		"directory that a group may write":        {set(memDir, 0o770, somebody, 50), DamageWritable, memDir, "mode 0770"},
		"directory that its own group may write":  {set(memDir, 0o775, somebody, somebody), 0, "", ""},
		"root's, that somebody's group may write": {set(memDir, 0o775, 0, somebody), DamageWritable, memDir, "owner 0"},
		"parent of a stranger":                    {set("/var", 0o755, stranger, 0), DamageOwner, "/var", "chown 1000 /var"},
		"parent of a stranger, sticky":            {set("/var", sticky|0o777, stranger, 0), DamageOwner, "/var", "mode 1777"},
		"parent of somebody":                      {set("/var", 0o755, somebody, 50), 0, "", ""},
		"parent that all may write":               {set("/var", 0o777, 0, 0), DamageWritable, "/var", "chmod +t"},
		"parent that all may write, sticky":       {set("/var", sticky|0o777, 0, 0), 0, "", ""},
		"parent that a group may write":           {set("/var", 0o775, 0, 0), DamageWritable, "/var", "mode 0775"},
		"root directory that all may write":       {set("/", 0o777, 0, 0), DamageWritable, "/", "mode 0777"},
		"lock file of a stranger":                 {set(memPath(lockFile), 0o600, stranger, 0), DamageOwner, memPath(lockFile), "owner 2000"},
		"lock file that all may write":            {set(memPath(lockFile), 0o666, somebody, 0), DamageWritable, memPath(lockFile), "mode 0666"},
		"lock file of root":                       {set(memPath(lockFile), 0o600, 0, 0), 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := trusted(t)
			test.plant(m)
			got := asked(t, m)
			switch {
			case test.want == 0:
				if got != nil {
					t.Errorf("refused: %v", got)
				}
			case got == nil:
				t.Error("trusted")
			case got.Err != test.want || got.Path != test.path || got.User != somebody || !strings.Contains(got.Error(), test.says):
				t.Errorf("%+v: %v", got, got)
			}
			if len(m.locked) != 0 {
				t.Error("the lock was not given back")
			}
		})
	}
}

// Root trusts nobody but himself, not even a group of his own number.
func TestRootTrustsNobodyElse(t *testing.T) {
	m := trusted(t)
	m.user = 0
	if got := asked(t, m); got == nil || got.Err != DamageOwner || got.Owner != somebody || got.User != 0 {
		t.Errorf("%+v", got)
	}
	m.live[memDir].owner, m.live[memDir].mode = Owner{}, fs.ModeDir|0o770
	if got := asked(t, m); got == nil || got.Err != DamageWritable {
		t.Errorf("%+v", got)
	}
}

// In a user namespace without root, what leads to the directory may be the
// machine's; the directory itself may not.
func TestOwnersWithoutANumber(t *testing.T) {
	unmapped := Owner{UID: 65534, GID: 65534, Unmapped: true}
	m := trusted(t)
	m.live["/"].owner, m.live["/var"].owner = unmapped, unmapped
	if got := asked(t, m); got != nil {
		t.Errorf("refused: %v", got)
	}
	m.live[memDir].owner = unmapped
	if got := asked(t, m); got == nil || got.Path != memDir {
		t.Errorf("%+v", got)
	}
}

// A record of somebody else's, or that others may write, is no record.
func TestRecordsThatAreNotTrusted(t *testing.T) {
	for name, test := range map[string]struct {
		mode  fs.FileMode
		owner Owner
		want  Damage
	}{
		"of a stranger":          {0o600, Owner{UID: stranger}, DamageOwner},
		"that all may write":     {0o606, Owner{UID: somebody, GID: somebody}, DamageWritable},
		"that a group may write": {0o660, Owner{UID: somebody, GID: somebody}, DamageWritable},
	} {
		m := trusted(t)
		i := m.live[memPath(recordFile("state", 2))]
		i.mode, i.owner = test.mode, test.owner
		s := openMem(t, m)
		checkFellBack(t, s, test.want)
		rec, _ := s.Load("state")
		var distrust *DistrustError
		if !errors.As(rec.Cause, &distrust) || distrust.Owner != test.owner.UID || distrust.Mode != test.mode {
			t.Errorf("%s: %v", name, rec.Cause)
		}
		if i.mode != test.mode {
			t.Errorf("%s: its mode was changed", name)
		}
	}
	m := trusted(t)
	m.live[memPath(recordFile("state", 2))].owner = Owner{}
	checkLoad(t, openMem(t, m), "state", "new") // root's is as good as ours
}

// Links on the way are followed where nobody else can replace them; both what
// holds them and what they lead to is looked at.
func TestLinksOnTheWay(t *testing.T) {
	link := func(path, target string, uid int) func(m *memFS) {
		return func(m *memFS) {
			m.live[path] = &inode{mode: fs.ModeSymlink | 0o777, owner: Owner{UID: uid}, target: target}
		}
	}
	for name, test := range map[string]struct {
		dir   string
		plant []func(m *memFS)
		want  error // nil is trusted
	}{
		"absolute, of root":            {"/link", []func(*memFS){link("/link", memDir, 0)}, nil},
		"relative, ours":               {"/link", []func(*memFS){link("/link", "."+memDir, somebody)}, nil},
		"by the parent":                {"/link", []func(*memFS){link("/link", memDir+"/../gw", 0)}, nil},
		"in a link":                    {"/one", []func(*memFS){link("/one", "two", 0), link("/two", memDir, 0)}, nil},
		"of a stranger":                {"/link", []func(*memFS){link("/link", memDir, stranger)}, DamageOwner},
		"to a stranger's":              {"/link", []func(*memFS){link("/link", memDir, 0), stolen(memDir)}, DamageOwner},
		"through a stranger's":         {"/link", []func(*memFS){link("/link", memDir, 0), stolen("/var")}, DamageOwner},
		"to a sticky one by its child": {"/link", []func(*memFS){link("/link", "/var/x/..", 0), sticky("/var"), made("/var/x")}, DamageWritable},
		"round and round":              {"/link", []func(*memFS){link("/link", "link", 0)}, errLinks},
		"to nothing":                   {"/link", []func(*memFS){link("/link", "/nothing", 0)}, fs.ErrNotExist},
	} {
		m := trusted(t)
		for _, plant := range test.plant {
			plant(m)
		}
		if err := checkPath(m, test.dir); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func stolen(path string) func(m *memFS) {
	return func(m *memFS) { m.live[path].owner.UID = stranger }
}

func sticky(path string) func(m *memFS) {
	return func(m *memFS) { m.live[path].mode = fs.ModeDir | fs.ModeSticky | 0o777 }
}

func made(path string) func(m *memFS) {
	return func(m *memFS) { m.live[path] = &inode{mode: fs.ModeDir | 0o755} }
}

// Nothing is made in, read from or written to a directory that is not trusted,
// and what it was found to be later counts as well.
func TestNothingIsDoneWhereNobodyIsTrusted(t *testing.T) {
	m := trusted(t)
	stolen("/var")(m)
	before := m.names("/var")
	if _, err := Open(context.Background(), Options{Dir: "/var/other/deep", FS: m}); !errors.Is(err, DamageOwner) {
		t.Errorf("Open = %v", err)
	}
	if after := m.names("/var"); len(after) != len(before) {
		t.Errorf("%v was made", after)
	}
	m = trusted(t)
	s := openMem(t, m)
	stolen(memDir)(m)
	before = m.names(memDir)
	checkRefused(t, s, DamageOwner)
	if after := m.names(memDir); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("%v became %v", before, after)
	}
	m.live[memDir].owner.UID = somebody
	mustSave(t, s, "state", []byte("good again"))
}

func checkRefused(t *testing.T, s *Store, want error) {
	t.Helper()
	var re *ReadError
	if _, err := s.Load("state"); !errors.As(err, &re) || re.Corrupt || !errors.Is(err, want) {
		t.Errorf("Load = %v, want a ReadError of %v", err, want)
	}
	var we *WriteError
	if _, err := s.Save("state", nil); !errors.As(err, &we) || !errors.Is(err, want) {
		t.Errorf("Save = %v, want a WriteError of %v", err, want)
	}
	if err := s.Delete("state"); !errors.As(err, &we) || !errors.Is(err, want) {
		t.Errorf("Delete = %v, want a WriteError of %v", err, want)
	}
}
