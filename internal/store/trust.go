package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

// Owner says whose a file is.
type Owner struct {
	UID, GID int
	// Unmapped is true for a user who has no number in the user namespace of
	// this process, in which the machine's root has none either: a service with
	// PrivateUsers sees the system's own directories like that.
	Unmapped bool
}

// trusted reports whether the owner of what stands at a place is root or the
// user. On the way to a directory an owner without a number may be root.
func (o Owner) trusted(user int, above bool) bool {
	return o.UID == 0 || o.UID == user || above && o.Unmapped
}

// DistrustError says that somebody who is neither root nor the user that this
// process runs as owns or may write what the store would rely on. Nothing was
// read from there, and nothing written.
type DistrustError struct {
	Path  string
	Owner int         // the user ID of the owner of Path
	Mode  fs.FileMode // of Path
	User  int         // the user ID that this process runs as
	Err   Damage      // DamageOwner or DamageWritable
	// Above is true for a directory on the way to the state directory, which
	// others may write to as long as its sticky bit keeps them from replacing
	// what is not theirs.
	Above bool
}

// Error names the path, its owner and mode, and what to do about it.
func (e *DistrustError) Error() string {
	return fmt.Sprintf("%s has owner %d and mode %s: %s", e.Path, e.Owner, octal(e.Mode), e.remedy())
}

func (e *DistrustError) remedy() string {
	switch {
	case e.Err == DamageOwner:
		return fmt.Sprintf("it must belong to user %d, which this runs as, or to root: "+
			"choose another directory, or check what is in it and chown %d %s", e.User, e.User, e.Path)
	case e.Above:
		return fmt.Sprintf("others could replace what is in it: chmod go-w %s, or chmod +t, or choose another directory", e.Path)
	}
	return fmt.Sprintf("others may write it: check what is in it and chmod go-w %s", e.Path)
}

// Unwrap returns the kind of the distrust.
func (e *DistrustError) Unwrap() error { return e.Err }

// octal writes a mode as chmod takes it.
func octal(mode fs.FileMode) string {
	bits := uint32(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return fmt.Sprintf("%04o", bits)
}

const (
	writableByOthers fs.FileMode = 0o022
	writableByGroup  fs.FileMode = 0o020

	linksMax = 40 // on the way to a directory; as in Linux
)

var errLinks = errors.New("too many symbolic links")

// checkTrust looks at one file or directory.
func checkTrust(fsys FS, path string, p Place, above bool) error {
	if !p.Owned {
		return nil
	}
	user := fsys.User()
	if wrong := p.distrusted(user, above); wrong != 0 {
		return &DistrustError{Path: path, Owner: p.Owner.UID, Mode: p.Mode, User: user, Err: wrong, Above: above}
	}
	return nil
}

// distrusted says why a place is not to be trusted; 0 where it is.
func (p Place) distrusted(user int, above bool) Damage {
	if !p.Owner.trusted(user, above) {
		return DamageOwner
	}
	others := p.Mode & writableByOthers
	if p.Mode.IsDir() && privateGroup(p.Owner, user) {
		others &^= writableByGroup
	}
	if others == 0 || above && p.Mode&fs.ModeSticky != 0 {
		return 0
	}
	return DamageWritable
}

// privateGroup reports whether a directory's group is that of its owner alone.
// Where every user has a group of his own it has his number, and a umask of 002
// makes directories that the group may write. Root's group often has members.
func privateGroup(owner Owner, user int) bool {
	return user != 0 && owner.UID == user && owner.GID == user
}

// CheckFile looks at a file that is open, other than a record: it is to be a regular one
// that nobody but root and the user can change. The error is DamageNotRegular or a
// *DistrustError.
func CheckFile(fsys FS, path string, fi fs.FileInfo) error {
	if !fi.Mode().IsRegular() {
		return DamageNotRegular
	}
	return checkTrust(fsys, path, fsys.Place(fi), false)
}

// checkPath looks at a directory and at every directory and symbolic link on
// the way to it. The first element that is missing ends it, with an error that
// is fs.ErrNotExist: what is there by then is trusted. As nobody who is not
// trusted can change anything on the way, what was checked stays true. Where
// files have no owner there is nothing to look at.
func checkPath(fsys FS, dir string) error {
	w := walk{fs: fsys, dir: dir, rest: dir}
	p, err := fsys.Lstat(root)
	if err == nil && !p.Owned {
		return nil
	}
	if err := w.enter(root, p, err); err != nil {
		return err
	}
	for w.more() {
		if err := w.step(); err != nil {
			return err
		}
	}
	if w.links == 0 {
		return nil
	}
	return w.look(w.at) // a link may have led there by way of "..", so that it was looked at as one above
}

const root = string(filepath.Separator)

// walk is a way through the directories, from the root on.
type walk struct {
	fs    FS
	dir   string // where it leads, as asked for
	at    string // where it has come, without symbolic links
	rest  string // what is still to go
	links int    // followed so far
}

// more reports whether there are elements to go.
func (w *walk) more() bool {
	w.rest = strings.TrimLeft(w.rest, root)
	return w.rest != ""
}

// step takes the next element, which there is.
func (w *walk) step() error {
	var name string
	name, w.rest, _ = strings.Cut(w.rest, root)
	switch name {
	case ".":
		return nil
	case "..": // of a link's target
		w.at = filepath.Dir(w.at)
		return nil
	}
	return w.look(w.below(name))
}

// below returns the path of an element of the directory where the way has come. Most are
// a beginning of the path that was asked for, of which it is a part then: the way is gone
// for each operation of the store.
func (w *walk) below(name string) string {
	path := strings.TrimSuffix(w.at, root)
	end := len(path) + len(root) + len(name)
	if rest, found := strings.CutPrefix(w.dir, path); found && strings.HasPrefix(rest, root) && strings.HasPrefix(rest[len(root):], name) {
		return w.dir[:end]
	}
	return filepath.Join(w.at, name)
}

// look checks the element at path and goes there.
func (w *walk) look(path string) error {
	p, err := w.fs.Lstat(path)
	return w.enter(path, p, err)
}

// enter goes to the element at path, of which Lstat has said p or err.
func (w *walk) enter(path string, p Place, err error) error {
	if err != nil {
		return &IOError{Op: "stat", Path: path, Err: cause(err)}
	}
	if p.Mode&fs.ModeSymlink != 0 {
		return w.follow(path, p)
	}
	if !p.Mode.IsDir() { // before its mode: nobody is to take rights on a device away
		return &IOError{Op: "open", Path: path, Err: errNotDir}
	}
	if err := checkTrust(w.fs, path, p, w.more()); err != nil {
		return &IOError{Op: "open", Path: path, Err: err}
	}
	w.at = path
	return nil
}

// follow replaces a symbolic link by its target. A link has no mode of its own:
// its directory says who may replace it.
func (w *walk) follow(path string, p Place) error {
	if user := w.fs.User(); p.Owned && !p.Owner.trusted(user, true) {
		return &IOError{Op: "open", Path: path, Err: &DistrustError{
			Path: path, Owner: p.Owner.UID, Mode: p.Mode, User: user, Err: DamageOwner, Above: true,
		}}
	}
	if w.links++; w.links > linksMax {
		return &IOError{Op: "open", Path: path, Err: errLinks}
	}
	target, err := w.fs.Readlink(path)
	if err != nil {
		return &IOError{Op: "readlink", Path: path, Err: cause(err)}
	}
	if filepath.IsAbs(target) {
		w.at = root
	}
	w.rest = target + root + w.rest
	return nil
}

// Check looks whether a state directory can be trusted, and changes nothing. A
// directory that is missing can, as long as what is there of the way to it can:
// Open would make it. The error is an *IOError: for what is not trusted it wraps
// a *DistrustError, and it is EACCES where this user may not look.
func Check(dir string) error {
	if dir == "" {
		return nil // it is for Open to say so
	}
	dir, err := resolveDir(dir)
	if err != nil {
		return nil // likewise
	}
	err = checkPath(osFS{}, dir)
	var distrust *DistrustError
	if errors.As(err, &distrust) || errors.Is(err, syscall.EACCES) {
		return err
	}
	return nil
}
