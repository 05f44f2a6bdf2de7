package dtlstest

import (
	"slices"
)

// FlightKind names a flight of the server.
type FlightKind int

// The flights (RFC 6347, 4.2.4), and what comes after the handshake.
const (
	FlightVerify FlightKind = iota // HelloVerifyRequest
	FlightHello                    // ServerHello to ServerHelloDone
	FlightFinish                   // ChangeCipherSpec and Finished
	FlightResume                   // ServerHello, ChangeCipherSpec and Finished
	FlightData                     // application data and alerts
)

// A Message of a flight: one of the handshake, or the payload of a record of
// another content.
type Message struct {
	Content byte
	Epoch   uint16
	Body    []byte

	// Type and Seq are for the handshake.
	Type byte
	Seq  uint16
	// Silent keeps it out of what the Finished is made over.
	Silent bool
	// Raw is for a payload of handshake records that is no message: it is sent
	// as it is.
	Raw bool

	finished bool // the body is verify_data, made when all before it is known
}

// numbered reports whether it is a handshake message, which has a number.
func (m *Message) numbered() bool { return m.Content == ContentHandshake && !m.Raw }

func handshake(kind byte, body []byte) *Message {
	return &Message{Content: ContentHandshake, Type: kind, Body: body}
}

func changeCipherSpec() *Message { return &Message{Content: ContentCCS, Body: []byte{1}} }

func alert(epoch uint16, level, number byte) *Message {
	return &Message{Content: ContentAlert, Epoch: epoch, Body: []byte{level, number}}
}

func finished() *Message {
	return &Message{Content: ContentHandshake, Epoch: 1, Type: TypeFinished, finished: true}
}

// transcript is the form in which a message counts for the Finished: whole,
// whatever its fragments (RFC 6347, 4.2.6).
func (m *Message) transcript() []byte {
	return m.fragment(0, len(m.Body)).encode()
}

func (m *Message) fragment(from, to int) *Fragment {
	return &Fragment{
		Content: m.Content, Epoch: m.Epoch, Type: m.Type, Seq: m.Seq,
		Length: len(m.Body), Offset: from, Size: to - from, Data: m.Body[from:to],
	}
}

// A Fragment of a handshake message, or a whole Message of another content.
type Fragment struct {
	Content byte
	Epoch   uint16
	Type    byte
	Seq     uint16
	Length  int // of the message, as claimed
	Offset  int
	Size    int // of the fragment, as claimed
	Data    []byte
	Raw     bool // Data is all of it
}

func (f *Fragment) encode() []byte {
	if f.Content != ContentHandshake || f.Raw {
		return f.Data
	}
	return append(u24(u24(u16(u24([]byte{f.Type}, f.Length), int(f.Seq)), f.Offset), f.Size), f.Data...)
}

// A Layout says how flights are cut and packed. The zero value is one message
// in one record, and as many records in a datagram as fit into 1,200 bytes.
type Layout struct {
	MTU       int  // of a datagram; 0 is 1,200
	Overlap   int  // bytes of the fragment before that are sent again in the next
	Reverse   bool // the last datagram first, and in it the last record
	Double    bool // every fragment twice
	Alone     bool // one record in a datagram
	Coalesced bool // several fragments in a record
	Empty     int  // empty fragments ahead of each message
}

const defaultMTU = 1200

func (l Layout) mtu() int {
	if l.MTU == 0 {
		return defaultMTU
	}
	return l.MTU
}

// protection is the room that the cipher may need in a record.
const protection = explicitSize + 16 + 1

// room is what one fragment may carry.
func (l Layout) room() int { return max(1, l.mtu()-recordHeader-messageHeader-protection) }

// cut makes the fragments of a message.
func (l Layout) cut(m *Message) (all []*Fragment) {
	if !m.numbered() {
		return []*Fragment{{Content: m.Content, Epoch: m.Epoch, Data: m.Body, Raw: true}}
	}
	for range l.Empty {
		all = append(all, m.fragment(0, 0))
	}
	for from := 0; ; from += l.room() {
		to := min(len(m.Body), from+l.room())
		all = append(all, m.fragment(max(0, from-l.Overlap), to))
		if to == len(m.Body) {
			break
		}
	}
	if l.Double {
		all = slices.Concat(all, all)
	}
	return all
}

// coalesce puts what may share a record into one payload.
func (l Layout) coalesce(fragments []*Fragment) (all []*Record) {
	for _, f := range fragments {
		b := f.encode()
		if n := len(all) - 1; l.Coalesced && n >= 0 && f.Content == ContentHandshake && all[n].Content == f.Content &&
			all[n].Epoch == f.Epoch && len(all[n].Payload)+len(b) <= l.mtu()-recordHeader-protection {
			all[n].Payload = append(all[n].Payload, b...)
			continue
		}
		all = append(all, &Record{Content: f.Content, Version: VersionDTLS12, Epoch: f.Epoch, Payload: slices.Clone(b), Length: -1})
	}
	return all
}

// pack puts encoded records into datagrams.
func (l Layout) pack(records [][]byte) (all [][]byte) {
	if l.Reverse {
		records = slices.Clone(records)
		slices.Reverse(records)
	}
	for _, r := range records {
		if n := len(all) - 1; n >= 0 && !l.Alone && len(all[n])+len(r) <= l.mtu() {
			all[n] = append(all[n], r...)
			continue
		}
		all = append(all, slices.Clone(r))
	}
	return all
}
