package reporting

import "github.com/holdfast-iot/holdfast/messages"

// sequenceBlock is how many numbers of the Observe option are reserved with one write
// to the disk. A restart goes on behind the block, so it skips so many at most: even
// with a restart each second the numbers stay below half of their range within the
// 128 s in which they are compared (RFC 7641 section 3.4).
const sequenceBlock = 1 << 15

// Sequence counts the notifications to one server, for the Observe option. It goes on
// rising when the client is started anew, whatever the clock says. The zero value
// begins at 0, with no numbers reserved.
type Sequence struct {
	next, reserved uint32 // reserved is the first number that is not
}

// RestoredSequence goes on behind the numbers that had been reserved.
func RestoredSequence(reserved uint32) Sequence { return Sequence{next: reserved, reserved: reserved} }

// Next returns a number higher than all before, in the sense of RFC 7641: after the
// highest comes 0.
func (s *Sequence) Next() uint32 {
	n := s.next
	s.next = (n + 1) & messages.MaxSequence
	return n
}

// Reserve returns up to where numbers are reserved, for the record, and whether that
// has been moved: in time, when half of a block is left.
func (s *Sequence) Reserve() (reserved uint32, moved bool) {
	if left := (s.reserved - s.next) & messages.MaxSequence; left > sequenceBlock/2 && left <= sequenceBlock {
		return s.reserved, false
	}
	s.reserved = (s.next + sequenceBlock) & messages.MaxSequence
	return s.reserved, true
}
