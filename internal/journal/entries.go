package journal

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// An entry is an event in a few bytes: a mask of the fields that are set, then
// their values as varints. Texts are given by their place in a book.
type entry []byte

// book holds what entries refer to.
type book struct {
	texts []string // beyond the words of every client
	// held are the bytes of those texts that nobody else keeps.
	held int
	zone *time.Location // of the times
}

// scratch lends events to encode, whose fields are reached by function values: one
// that is its own would be garbage, 350 bytes for every event of every client.
var scratch = sync.Pool{New: func() any { return new(messages.Event) }}

// encode returns an event as an entry.
func (b *book) encode(event messages.Event) entry {
	e := scratch.Get().(*messages.Event)
	*e = event
	defer func() { *e = messages.Event{}; scratch.Put(e) }()
	b.zone = e.Time.Location()
	var mask uint64
	var values [64]uint64 // as many as the mask has bits
	for i, f := range fields {
		if v, set := f.get(b, e); set {
			mask |= 1 << i
			values[i] = v
		}
	}
	var room [256]byte
	out := binary.AppendUvarint(room[:0], mask)
	for i, v := range values[:len(fields)] {
		if mask&(1<<i) != 0 {
			out = binary.AppendUvarint(out, v)
		}
	}
	return slices.Clone(out)
}

func (b *book) decode(from entry) (e messages.Event) {
	mask, n := binary.Uvarint(from)
	for i, f := range fields {
		if mask&(1<<i) == 0 {
			continue
		}
		from = from[n:]
		var v uint64
		v, n = binary.Uvarint(from)
		f.set(b, &e, v)
	}
	return e
}

// place returns where a text is to be found, and takes it in if need be. A text
// is held when it would be gone but for the book.
func (b *book) place(s string, held bool) uint64 {
	if i := slices.Index(words, s); i >= 0 {
		return uint64(i)
	}
	i := slices.Index(b.texts, s)
	if i < 0 {
		i = len(b.texts)
		b.texts = grown(b.texts, s)
		if held {
			b.held += len(s)
		}
	}
	return uint64(len(words) + i)
}

func (b *book) text(place uint64) string {
	if place < uint64(len(words)) {
		return words[place]
	}
	return b.texts[place-uint64(len(words))]
}

// tape is a number of entries, the oldest first, each after its length.
type tape struct {
	n    int
	data []byte
}

func (t *tape) add(e entry) {
	length := binary.AppendUvarint(nil, uint64(len(e)))
	if need := len(t.data) + len(length) + len(e); need > cap(t.data) {
		t.data = append(make([]byte, 0, need+need/4), t.data...) // append would make room for twice as much
	}
	t.data = append(append(t.data, length...), e...)
	t.n++
}

// dropOldest forgets the first entry.
func (t *tape) dropOldest() {
	size, n := binary.Uvarint(t.data)
	t.data = t.data[:copy(t.data, t.data[n+int(size):])]
	t.n--
}

func (t *tape) entries() []entry {
	list := make([]entry, 0, t.n)
	for data := t.data; len(data) > 0; {
		size, n := binary.Uvarint(data)
		list = append(list, data[n:n+int(size)])
		data = data[n+int(size):]
	}
	return list
}
