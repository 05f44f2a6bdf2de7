package reporting

import "time"

// Bounds of what is kept for a server that is away.
const (
	MaxStored      = 1024      // notifications
	MaxStoredBytes = 256 << 10 // of payload
)

// Stored is a notification that waits for its server to come back.
type Stored struct {
	Observation *Observation
	At          time.Time // when the values were these
	Payload     []byte
}

// Backlog has the notifications of one server that could not be sent, because it was
// away and wants them stored (resource 6 of the Server object). The zero value is
// empty and ready for use.
type Backlog struct {
	stored  []Stored // oldest first
	bytes   int
	dropped uint64
}

// Add stores a notification. Where there is no room, the oldest go and are counted;
// one that is too large for the whole room goes itself.
func (b *Backlog) Add(s Stored) {
	b.stored = append(b.stored, s)
	b.bytes += len(s.Payload)
	for len(b.stored) > MaxStored || b.bytes > MaxStoredBytes {
		b.Take()
		b.dropped++
	}
}

// Take removes the oldest notification; false when there is none.
func (b *Backlog) Take() (oldest Stored, ok bool) {
	if len(b.stored) == 0 {
		return oldest, false
	}
	oldest, b.stored[0] = b.stored[0], Stored{}
	b.stored = b.stored[1:]
	b.bytes -= len(oldest.Payload)
	return oldest, true
}

// Forget removes the notifications of an observation that has ended. They are not
// counted: nobody misses them.
func (b *Backlog) Forget(o *Observation) {
	kept := b.stored[:0]
	b.bytes = 0
	for _, s := range b.stored {
		if s.Observation != o {
			kept = append(kept, s)
			b.bytes += len(s.Payload)
		}
	}
	clear(b.stored[len(kept):])
	b.stored = kept
}

// Len is how many notifications wait.
func (b *Backlog) Len() int { return len(b.stored) }

// Dropped counts those for which there was no room.
func (b *Backlog) Dropped() uint64 { return b.dropped }
