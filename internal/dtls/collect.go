package dtls

import (
	"bytes"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
)

// advance looks whether a flight of the server is whole, and answers it.
func (h *Handshake) advance(now time.Time) error {
	messages := h.collect()
	if messages == nil {
		return nil
	}
	var served []byte
	for _, m := range messages {
		served = m.Append(served)
	}
	if h.exchange != nil && bytes.Equal(served, h.exchange.served) || h.judged == maxJudged {
		return nil
	}
	h.judged++
	if err := h.adopt(now, messages, served); err != nil {
		return h.excuse(now, err)
	}
	return nil
}

// collect returns the messages of the server's flight: from the ServerHello, in
// answer to one of the hellos, to the ServerHelloDone; the ServerHello alone
// when it resumes a session. It is nil as long as one is missing.
func (h *Handshake) collect() []handshake.Message {
	for first := len(h.hellos) - 1; first >= 0; first-- { // the newer hello before the older
		hello, ok := h.inbox.Message(first)
		if !ok || hello.Type != handshake.TypeServerHello || h.hellos[first].Body == nil {
			continue
		}
		messages := []handshake.Message{hello}
		if h.resumes(hello) {
			return messages
		}
		for next := first + 1; ; next++ {
			m, ok := h.inbox.Message(next)
			if !ok {
				return nil
			}
			messages = append(messages, m)
			if m.Type == handshake.TypeServerHelloDone {
				return messages
			}
		}
	}
	return nil
}

// resumes reports whether a ServerHello takes up the session on offer.
func (h *Handshake) resumes(m handshake.Message) bool {
	if h.config.Resume == nil {
		return false
	}
	hello, err := handshake.ReadServerHello(m.Body)
	return err == nil && bytes.Equal(hello.SessionID, h.config.Resume.ID)
}

// adopt accepts a flight and answers it.
func (h *Handshake) adopt(now time.Time, messages []handshake.Message, served []byte) error {
	a, err := h.agree(messages[0])
	if err != nil {
		return err
	}
	hello := h.hellos[messages[0].Sequence]
	x := &exchange{
		agreed: a, served: served, next: messages[len(messages)-1].Sequence + 1,
		transcript: append(hello.Append(nil), served...), sequence: hello.Sequence + 1,
	}
	if a.offeredResume {
		if err := h.resume(x); err != nil {
			return err
		}
		h.accepted(x)
		return nil
	}
	t, err := h.judge(now, a, messages[1:])
	if err != nil {
		return err
	}
	x.proof = t.proof
	items, err := h.answer(x, t)
	if err != nil {
		return err
	}
	h.accepted(x)
	h.progress.Complete = true
	return h.begin(now, items)
}

func (h *Handshake) accepted(x *exchange) {
	h.state, h.exchange, h.alert, h.refused, h.changed = AwaitingFinished, x, nil, nil, false
	h.sealed.Empty()
}
