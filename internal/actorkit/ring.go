package actorkit

import "sync"

const (
	// ringFirst is the capacity after the first push; a power of two.
	ringFirst = 4
	// ringKeep is the largest capacity that an empty ring keeps. A burst
	// must not pin its memory in an actor that is idle again.
	ringKeep = 64
)

// firsts has the buffers of ringFirst elements that no ring uses, all of them empty. A
// mailbox that is idle holds none, and nearly all are; one that has a message has the
// buffer of another.
var firsts = sync.Pool{New: func() any { return new([ringFirst]any) }}

// ring is a FIFO queue that grows on demand. The zero value is empty and holds
// no memory. It is not safe for concurrent use.
type ring struct {
	buf   []any  // length is 0 or a power of two
	head  uint32 // index of the oldest element
	count uint32
}

// push appends v.
func (r *ring) push(v any) {
	if int(r.count) == len(r.buf) {
		r.grow()
	}
	r.buf[int(r.head+r.count)&(len(r.buf)-1)] = v
	r.count++
}

// pop removes and returns the oldest element.
func (r *ring) pop() (v any, ok bool) {
	if r.count == 0 {
		return nil, false
	}
	v = r.buf[r.head]
	r.buf[r.head] = nil // release the message
	r.head = (r.head + 1) & uint32(len(r.buf)-1)
	r.count--
	if r.count == 0 {
		r.idle()
	}
	return v, true
}

// idle gives back what an empty ring does not keep. One that has been longer than
// ringFirst is of an actor that is busy at times, and would grow again.
func (r *ring) idle() {
	switch {
	case len(r.buf) == ringFirst:
		firsts.Put((*[ringFirst]any)(r.buf))
		*r = ring{}
	case len(r.buf) > ringKeep:
		*r = ring{}
	}
}

// at returns the i-th oldest element, 0 <= i < count.
func (r *ring) at(i int) any { return r.buf[(int(r.head)+i)&(len(r.buf)-1)] }

func (r *ring) grow() {
	if r.buf == nil {
		r.buf = firsts.Get().(*[ringFirst]any)[:]
		return
	}
	buf := make([]any, 2*len(r.buf))
	for i := range int(r.count) {
		buf[i] = r.at(i)
	}
	if len(r.buf) == ringFirst {
		clear(r.buf)
		firsts.Put((*[ringFirst]any)(r.buf))
	}
	r.buf, r.head = buf, 0
}
