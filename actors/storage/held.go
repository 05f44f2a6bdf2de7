package storage

import (
	"errors"
	"sync"

	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/messages"
)

// held is the record of credentials while the directory has not been usable since
// the start. It outlives the actor: a crash of that one is no reason to forget whom
// the client talks to. Each look at the store tries to write it.
type held struct {
	mu   sync.Mutex
	data []byte // nil for none
	why  error
}

// keep takes a record that the store has refused, and reports whether it is one that
// may be kept: in a directory that is ours the generation before counts.
func (h *held) keep(request messages.Save, err error) bool {
	var refused *store.WriteError
	if !request.Hold || !errors.As(err, &refused) || !refused.Unreached {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.data, h.why = request.Data, err
	return true
}

// drop forgets the record, since a newer one is stored or it is not wanted any more.
func (h *held) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.data, h.why = nil, nil
}

// settle writes the record where there is one. It returns it for as long as that
// fails, and why.
func (h *held) settle(records Records) (data []byte, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.data == nil {
		return nil, nil
	}
	if _, h.why = records.Save(messages.RecordCredentials, h.data); h.why == nil {
		h.data = nil
	}
	return h.data, h.why
}
