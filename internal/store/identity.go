package store

import (
	"crypto/sha256"
	"encoding/binary"
	"io/fs"
	"os"
)

// machineID is where systemd and D-Bus keep the identity of an installation.
const machineID = "/etc/machine-id"

// Identity is where the records are: a copy of the directory on this machine or another
// one, or one that was put back from a backup, has another identity. ok is false where
// that cannot be told: the directory is not locked, or the system numbers no files.
//
// What puts a whole file system back to what it was, such as a snapshot of a virtual
// machine, cannot be told.
func (s *Store) Identity() (identity [sha256.Size]byte, ok bool) {
	s.own.Lock()
	defer s.own.Unlock()
	if s.lock == nil || !s.lock.Held() {
		return identity, false
	}
	lock, err := s.lock.Stat()
	dir, failed := s.fs.Stat(s.dir)
	if err != nil || failed != nil {
		return identity, false
	}
	h := sha256.New()
	for _, fi := range []fs.FileInfo{dir, lock} {
		number, known := fileNumber(fi)
		if !known {
			return identity, false
		}
		h.Write(binary.BigEndian.AppendUint64(nil, number))
	}
	id, _ := os.ReadFile(machineID) // without one, the numbers of the files have to do
	h.Write(id)
	h.Write([]byte(s.dir))
	return [sha256.Size]byte(h.Sum(nil)), true
}
