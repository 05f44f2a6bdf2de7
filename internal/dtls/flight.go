package dtls

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// Resends of a flight (RFC 6347 section 4.2.4.1).
const (
	firstInterval   = time.Second
	longestInterval = 60 * time.Second
	// repeatPause is the least time between two sendings of a flight of which
	// the second answers a repeated flight of the server: a duplicate made by
	// the network does not need an answer.
	repeatPause = 500 * time.Millisecond
	// patience is how long an unprotected alert, and the refusal of a bad
	// flight, are held back for something that contradicts them.
	patience = time.Second
	// largeSendings is how many sendings of a flight use the configured size
	// of datagrams before the path is suspected of losing them for their size.
	largeSendings = 3
)

// item is one message of a flight, or its ChangeCipherSpec.
type item struct {
	change  bool
	sealed  bool
	message handshake.Message
}

// flight is what the client has sent last, to be sent again.
type flight struct {
	items    []item
	sendings int
	begun    time.Time // the first sending
	sent     time.Time // the last sending
	interval time.Duration
	wake     time.Time
}

// begin sends a new flight.
func (h *Handshake) begin(now time.Time, items []item) error {
	h.flight = flight{items: items, begun: now, interval: firstInterval}
	return h.transmit(now)
}

// repeat sends the flight again because the server has repeated its own, unless
// it was sent just now. The timer goes on as it was.
func (h *Handshake) repeat(now time.Time) error {
	if now.Sub(h.flight.sent) < repeatPause {
		return nil
	}
	wake := h.flight.wake
	err := h.transmit(now)
	h.flight.wake = wake
	return err
}

// overdue sends the flight again because nothing has come, and waits twice as
// long.
func (h *Handshake) overdue(now time.Time) error {
	h.flight.interval = min(2*h.flight.interval, longestInterval)
	return h.transmit(now)
}

func (h *Handshake) transmit(now time.Time) error {
	f := &h.flight
	p := packer{mtu: h.config.MTU, sequence: &h.sequence}
	if f.sendings++; f.sendings > largeSendings {
		p.mtu = min(p.mtu, cautiousMTU)
	}
	if h.exchange != nil {
		p.protector = h.exchange.protector
	}
	datagrams, err := p.pack(f.items)
	if err != nil {
		return &RefusalError{Alert: alertInternalError, Err: err}
	}
	h.out.Send = append(h.out.Send, datagrams...)
	f.sent, f.wake = now, now.Add(f.interval)
	return nil
}

// packer cuts the messages of a flight and puts them into datagrams.
type packer struct {
	mtu       int
	sequence  *uint64           // of the next record of epoch 0
	protector *record.Protector // of epoch 1
	done      [][]byte
	current   []byte
}

// leastPiece is the smallest part of a message that is worth a record of its
// own at the end of a datagram, in bytes.
const leastPiece = 64

func (p *packer) pack(items []item) ([][]byte, error) {
	for _, it := range items {
		if it.change {
			p.reserve(record.HeaderSize + 1)
			p.plain(record.ChangeCipherSpec, []byte{1})
			continue
		}
		if err := p.message(it); err != nil {
			return nil, err
		}
	}
	p.flush()
	return p.done, nil
}

// message adds one message, in as many fragments as it takes.
func (p *packer) message(it item) error {
	overhead := record.HeaderSize + handshake.HeaderSize
	if it.sealed {
		overhead = p.protector.Overhead() + handshake.HeaderSize
	}
	body := it.message.Body
	for offset := 0; ; {
		p.reserve(overhead + min(len(body)-offset, leastPiece))
		piece := max(min(len(body)-offset, p.mtu-len(p.current)-overhead), min(len(body)-offset, 1))
		if err := p.fragment(it, offset, piece); err != nil {
			return err
		}
		if offset += piece; offset == len(body) {
			return nil
		}
	}
}

func (p *packer) fragment(it item, offset, length int) (err error) {
	content := it.message.AppendFragment(nil, offset, length)
	if it.sealed {
		p.current, err = p.protector.Seal(p.current, record.Handshake, content)
		return err
	}
	p.plain(record.Handshake, content)
	return nil
}

func (p *packer) plain(content record.Content, body []byte) {
	p.current = record.AppendPlain(p.current, content, *p.sequence, body)
	*p.sequence++
}

// reserve begins a new datagram when the present one has no room for n bytes.
func (p *packer) reserve(n int) {
	if len(p.current)+n > p.mtu {
		p.flush()
	}
}

func (p *packer) flush() {
	if len(p.current) > 0 {
		p.done, p.current = append(p.done, p.current), nil
	}
}
