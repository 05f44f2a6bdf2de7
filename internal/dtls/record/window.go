package record

// window is the anti-replay window of one epoch (RFC 6347 section 4.1.2.6): it
// knows which of the last 64 sequence numbers were seen. Older ones count as
// seen.
type window struct {
	// next is one above the highest number seen.
	next uint64
	// seen has bit i set when next-1-i was seen.
	seen uint64
}

const windowSize = 64

// fresh reports whether a number has not been seen and is not too old to tell.
func (w *window) fresh(sequence uint64) bool {
	if sequence >= w.next {
		return true
	}
	age := w.next - 1 - sequence
	return age < windowSize && w.seen&(1<<age) == 0
}

// accept marks a number as seen. It is called for authentic records only.
func (w *window) accept(sequence uint64) {
	if sequence < w.next {
		w.seen |= 1 << (w.next - 1 - sequence)
		return
	}
	w.seen = w.seen<<(sequence+1-w.next) | 1 // a shift by 64 or more leaves 0
	w.next = sequence + 1
}
