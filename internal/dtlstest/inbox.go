package dtlstest

// inbox puts the client's messages together, in the order of their numbers.
type inbox struct {
	next  uint16
	parts map[uint16]*part
}

// part is a message of which some bytes are known.
type part struct {
	message *Message
	have    []bool
	missing int
}

const (
	maxMessage = 1 << 17 // more than any honest client sends
	maxAhead   = 16      // messages ahead of the next
)

func newInbox() inbox { return inbox{parts: map[uint16]*part{}} }

// parseFragments takes the fragments of a record, up to the first that is
// malformed.
func parseFragments(payload []byte) (all []*Fragment) {
	r := reader{rest: payload}
	for len(r.rest) > 0 {
		f := &Fragment{Content: ContentHandshake, Type: byte(r.u8()), Length: r.u24(), Seq: uint16(r.u16()), Offset: r.u24(), Size: r.u24()}
		f.Data = r.vec(f.Size)
		if r.bad || f.Length > maxMessage || f.Offset+f.Size > f.Length {
			break
		}
		all = append(all, f)
	}
	return all
}

// add takes a fragment. It reports whether its message has been before.
func (in *inbox) add(f *Fragment) (again bool) {
	if f.Seq < in.next {
		return true
	}
	if f.Seq > in.next+maxAhead {
		return false
	}
	p := in.parts[f.Seq]
	if p == nil {
		p = &part{message: &Message{Content: ContentHandshake, Type: f.Type, Seq: f.Seq, Body: make([]byte, f.Length)}}
		p.have, p.missing = make([]bool, f.Length), f.Length
		in.parts[f.Seq] = p
	}
	p.fill(f)
	return false
}

func (p *part) fill(f *Fragment) {
	if f.Length != len(p.have) || f.Type != p.message.Type {
		return
	}
	for i, b := range f.Data {
		if at := f.Offset + i; !p.have[at] {
			p.have[at], p.message.Body[at] = true, b
			p.missing--
		}
	}
}

// pop returns the next message once it is whole, else nil.
func (in *inbox) pop() *Message {
	p := in.parts[in.next]
	if p == nil || p.missing > 0 {
		return nil
	}
	delete(in.parts, in.next)
	in.next++
	return p.message
}
