package store

import (
	"errors"
	"fmt"
	"io/fs"
)

// ExposedError says that others may look into the state directory: they see when
// records change, and could read one that a person or a backup leaves there readable.
type ExposedError struct {
	Dir  string
	Mode fs.FileMode // as it was found
	Err  error       // why it still is; nil where the directory has mode 0700 now
}

// Error names the directory and what was, or is to be, done about it.
func (e *ExposedError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("others could look into the state directory %s, which had mode %s: it has %s now", e.Dir, octal(e.Mode), octal(dirMode))
	}
	return fmt.Sprintf("others may look into the state directory %s, which has mode %s: give the client a directory of its own, and chmod %s it (%v)",
		e.Dir, octal(e.Mode), octal(dirMode), e.Err)
}

// Unwrap returns why the directory was left as it is.
func (e *ExposedError) Unwrap() error { return e.Err }

// openToOthers are the permissions that a state directory should not give.
const openToOthers fs.FileMode = 0o077

// narrow takes the permissions of others away, once this process has the directory,
// and says so.
func (s *Store) narrow() {
	p, err := look(s.fs, s.dir)
	if err != nil {
		return // the next call on a record says why
	}
	if !p.Owned || p.Mode&openToOthers == 0 {
		return
	}
	err = s.alone()
	if err == nil {
		err = s.fs.Chmod(s.dir, dirMode)
	}
	s.exposed(&ExposedError{Dir: s.dir, Mode: p.Mode, Err: cause(err)})
}

// errShared is why a directory that has more in it than files is left as it is: it may
// be /var/lib, or have the socket that a group is to reach.
var errShared = errors.New("it holds more than the client's files")

// alone tells whether there are only files in the directory.
func (s *Store) alone() error {
	names, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		p, err := s.fs.Lstat(s.path(name))
		switch {
		case err != nil:
			return err
		case !p.Mode.IsRegular():
			return errShared
		}
	}
	return nil
}
