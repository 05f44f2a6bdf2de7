package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// storeModel is what a Store promises to hold under "state", beside the Store.
type storeModel struct {
	fs     *memFS
	store  *Store
	intact []Record // newest first, at most two; only Data and Generation
	bad    int      // damaged generations newer than those
	saves  int
}

func (m *storeModel) payload() []byte {
	m.saves++
	return fmt.Append(nil, "payload ", m.saves)
}

func (m *storeModel) saved(generation uint64, data []byte) {
	m.intact = append([]Record{{Data: data, Generation: generation}}, m.intact[:min(1, len(m.intact))]...)
	m.bad = 0
}

func (m *storeModel) save(t *rapid.T) {
	data := m.payload()
	generation, err := m.store.Save("state", data)
	if err != nil {
		t.Fatalf("Save: %v", err)
	}
	m.saved(generation, data)
	if err := m.fs.SyncDir(memDir); err != nil { // the tidying gets to the medium in time
		t.Fatalf("SyncDir: %v", err)
	}
}

// saveWithFault lets one operation of a Save fail.
func (m *storeModel) saveWithFault(t *rapid.T) {
	data := m.payload()
	failStep(m.fs, rapid.IntRange(1, 30).Draw(t, "step"), syscall.ENOSPC)
	generation, err := m.store.Save("state", data)
	m.fs.fault = nil
	if err == nil {
		m.saved(generation, data)
	}
	m.check(t)
	m.save(t) // tidies up what the fault kept from being tidied
}

// saveWithCrash loses the power somewhere in a Save, and restarts.
func (m *storeModel) saveWithCrash(t *rapid.T) {
	data := m.payload()
	m.fs.crashAt = m.fs.steps + rapid.IntRange(1, 30).Draw(t, "step")
	generation, err := m.store.Save("state", data)
	seed := rapid.Uint64().Draw(t, "seed")
	m.fs = m.fs.crashAtRandom(rand.New(rand.NewPCG(seed, 0)))
	m.open(t)
	rec, loadErr := m.store.Load("state")
	if err == nil {
		m.saved(generation, data)
	} else if loadErr == nil && slices.Equal(rec.Data, data) {
		m.saved(rec.Generation, data)
	}
	m.check(t)
	m.save(t)
}

func (m *storeModel) damage(t *rapid.T) {
	if len(m.intact) == 0 {
		return
	}
	file := m.fs.live[memPath(recordFile("state", m.intact[0].Generation))]
	bit := rapid.IntRange(0, 8*len(file.data)-1).Draw(t, "bit")
	file.data = flip(file.data, bit/8, 1<<(bit%8))
	file.synced = file.data
	m.intact = m.intact[1:]
	m.bad++
}

func (m *storeModel) delete(t *rapid.T) {
	if err := m.store.Delete("state"); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	m.intact, m.bad = nil, 0
}

func (m *storeModel) reopen(t *rapid.T) {
	if err := m.store.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	m.open(t)
}

func (m *storeModel) open(t *rapid.T) {
	store, err := Open(t.Context(), Options{Dir: memDir, FS: m.fs})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	m.store = store
}

func (m *storeModel) check(t *rapid.T) {
	rec, err := m.store.Load("state")
	var re *ReadError
	switch {
	case len(m.intact) > 0:
		want := m.intact[0]
		if err != nil || !slices.Equal(rec.Data, want.Data) || rec.Generation != want.Generation ||
			rec.FellBack != (m.bad > 0) || len(rec.Damaged) != m.bad {
			t.Fatalf("Load = %+v, %v; want %+v past %d damaged", rec, err, want, m.bad)
		}
	case m.bad > 0:
		if !errors.As(err, &re) || !re.Corrupt || len(re.Damaged) != m.bad {
			t.Fatalf("Load = %+v, %v; want a ReadError of %d files", rec, err, m.bad)
		}
	case !errors.Is(err, ErrNotExist):
		t.Fatalf("Load = %+v, %v; want ErrNotExist", rec, err)
	}
}

func TestStoreAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &storeModel{fs: newMemFS()}
		m.open(t)
		t.Repeat(map[string]func(*rapid.T){
			"save": m.save, "fault": m.saveWithFault, "crash": m.saveWithCrash,
			"damage": m.damage, "delete": m.delete, "reopen": m.reopen, "": m.check,
		})
	})
}
