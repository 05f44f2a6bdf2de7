package store

import (
	"crypto/sha256"
	"encoding/binary"
	"os"
	"sync"
)

// machineID is the identity of the installation, where systemd and D-Bus keep it; empty
// where there is none: then the number of a file has to do.
var machineID = sync.OnceValue(func() []byte {
	id, _ := os.ReadFile("/etc/machine-id")
	return id
})

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
	if err != nil {
		return identity, false
	}
	number, known := fileNumber(lock)
	text := binary.BigEndian.AppendUint64(make([]byte, 0, 256), number)
	text = append(append(text, machineID()...), s.dir...)
	return sha256.Sum256(text), known
}
