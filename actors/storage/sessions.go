package storage

import (
	"strings"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/messages"
)

// identified are records that know where they are. *store.Store is such.
type identified interface {
	Identity() (identity [32]byte, ok bool)
}

// place is where the records are; zero where that cannot be told.
func (s Sources) place() accounts.Digest {
	if records, ok := s.Records.(identified); ok {
		if identity, known := records.Identity(); known {
			return identity
		}
	}
	return accounts.Digest{}
}

// sessions claims the records of sessions: before anybody goes on with what one says, it
// says that this has been done. One that is damaged, older than the newest, made in
// another place, or that cannot be claimed durably, is removed, and costs a handshake.
func (s Sources) sessions(names []string, place accounts.Digest) map[string][]byte {
	claimed := map[string][]byte{}
	for _, name := range names {
		if !strings.HasPrefix(name, messages.RecordsOfSessions) {
			continue
		}
		data, ok := s.claim(name, place)
		if !ok {
			_ = s.Records.Delete(name) // what stays is refused again
			continue
		}
		claimed[name] = data
	}
	return claimed
}

func (s Sources) claim(name string, place accounts.Digest) (claimed []byte, ok bool) {
	stored := s.beside(name)
	if stored.Err != nil || stored.Data == nil {
		return nil, false
	}
	claimed, instead, ok := accounts.ClaimSession(stored.Data, place)
	if !ok {
		return nil, false
	}
	_, err := s.Records.Save(name, instead)
	return claimed, err == nil
}
