package record

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// State is a [Protector] as a value, to be stored or moved. It holds keys and
// prints none of them.
type State struct {
	Cipher Cipher
	Epoch  uint16
	Write  Direction
	Read   Direction
	// Next is the sequence number of the next record to seal. If sealing went
	// on after a State was stored, Next has to be raised before it is restored:
	// a number must never be used twice.
	Next uint64
	// Sealed and Forged count towards [MaxSealed] and [MaxForged].
	Sealed, Forged uint64
	// WindowNext and WindowSeen are the replay window: one above the highest
	// number seen, and the 64 below it, from bit 0 downwards.
	WindowNext, WindowSeen uint64
}

// Format implements fmt.Formatter: whatever the verb, no key is printed.
func (s State) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "record.State("+s.Cipher.String()+", keys not shown)")
}

// Format implements fmt.Formatter: whatever the verb, no key is printed.
func (d Direction) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "record.Direction(key not shown)")
}

// Export returns a copy of everything that the protector consists of.
func (p *Protector) Export() State {
	return State{
		Cipher: p.cipher, Epoch: p.epoch, Write: p.write.copy(), Read: p.read.copy(),
		Next: p.next, Sealed: p.sealed, Forged: p.forged,
		WindowNext: p.window.next, WindowSeen: p.window.seen,
	}
}

func (h *half) copy() Direction {
	return Direction{Key: slices.Clone(h.Key), Salt: slices.Clone(h.Salt), CID: slices.Clone(h.CID)}
}

// Restore makes a protector from an exported state, which it keeps.
func Restore(s State) (*Protector, error) {
	if s.Next > MaxSequence+1 || s.WindowNext > MaxSequence+1 {
		return nil, errors.New("record: a sequence number above 2^48-1")
	}
	p, err := NewProtector(s.Cipher, s.Epoch, s.Write, s.Read)
	if err != nil {
		return nil, err
	}
	p.next, p.sealed, p.forged = s.Next, s.Sealed, s.Forged
	p.window = window{next: s.WindowNext, seen: s.WindowSeen}
	return p, nil
}
