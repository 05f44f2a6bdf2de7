package reporting

import "slices"

// Bounds of what is kept for a server that is away.
const (
	MaxStored      = 1024      // notifications
	MaxStoredBytes = 256 << 10 // of payload
)

// Backlog has the notifications of one server that could not be sent, because it was
// away and wants them stored (resource 6 of the Server object). N is what a notification
// is. The zero value is empty and ready for use.
type Backlog[N any] struct {
	stored  []stored[N] // oldest first
	bytes   int
	dropped uint64
}

type stored[N any] struct {
	notification N
	bytes        int
}

// Add stores a notification with so many bytes of payload. Where there is no room, the
// oldest go and are counted; one that is too large for the whole room goes itself.
func (b *Backlog[N]) Add(n N, bytes int) {
	b.stored = append(b.stored, stored[N]{n, bytes})
	b.bytes += bytes
	for len(b.stored) > MaxStored || b.bytes > MaxStoredBytes {
		b.Take()
		b.dropped++
	}
}

// Return stores a notification that is older than all others. Where there is no room
// for it, it goes, and is counted.
func (b *Backlog[N]) Return(n N, bytes int) {
	if len(b.stored) == MaxStored || b.bytes+bytes > MaxStoredBytes {
		b.dropped++
		return
	}
	b.stored = append([]stored[N]{{n, bytes}}, b.stored...)
	b.bytes += bytes
}

// Oldest returns the oldest notification; false when there is none.
func (b *Backlog[N]) Oldest() (oldest N, ok bool) {
	if len(b.stored) == 0 {
		return oldest, false
	}
	return b.stored[0].notification, true
}

// Take removes the oldest notification, if there is one.
func (b *Backlog[N]) Take() {
	if len(b.stored) == 0 {
		return
	}
	b.bytes -= b.stored[0].bytes
	b.stored[0] = stored[N]{}
	b.stored = b.stored[1:]
}

// Forget removes notifications that nobody misses: they are not counted.
func (b *Backlog[N]) Forget(of func(N) bool) {
	kept := b.stored[:0]
	b.bytes = 0
	for _, s := range b.stored {
		if !of(s.notification) {
			kept = append(kept, s)
			b.bytes += s.bytes
		}
	}
	clear(b.stored[len(kept):])
	b.stored = kept
}

// Has reports whether one of certain notifications waits.
func (b *Backlog[N]) Has(of func(N) bool) bool {
	return slices.ContainsFunc(b.stored, func(s stored[N]) bool { return of(s.notification) })
}

// Len is how many notifications wait.
func (b *Backlog[N]) Len() int { return len(b.stored) }

// Dropped counts those for which there was no room.
func (b *Backlog[N]) Dropped() uint64 { return b.dropped }
