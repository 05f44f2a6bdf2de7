package wire

import (
	"sync/atomic"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

const anotherCookie = "another cookie"

// forgeries are datagrams that anybody can send in the server's name.
var forgeries = map[string][]byte{
	"a piece of a longer ServerHello": inClear(record.Handshake, handshake.Message{
		Type: handshake.TypeServerHello, Sequence: 1, Body: make([]byte, 500),
	}.AppendFragment(nil, 100, 50)),
	"a ServerHello of another random": inClear(record.Handshake, handshake.Message{
		Type: handshake.TypeServerHello, Sequence: 1,
		Body: append(append([]byte{0xfe, 0xfd}, make([]byte, 32)...), 0, 0xc0, 0xa8, 0),
	}.Append(nil)),
	anotherCookie: inClear(record.Handshake, handshake.Message{
		Type: handshake.TypeHelloVerifyRequest, Body: []byte{0xfe, 0xff, 4, 'f', 'a', 'k', 'e'},
	}.Append(nil)),
	"an alert": inClear(record.Alert, []byte{2, 40}),
}

func inClear(content record.Content, body []byte) []byte {
	return record.AppendPlain(nil, content, 7, body)
}

// ahead delivers a datagram just before the server's first message of a type.
func ahead(of handshake.Type, forged []byte, done *atomic.Bool) road {
	return func(fromServer bool, data []byte) [][]byte {
		if all := fragments(data); fromServer && len(all) > 0 && all[0].Type == of && !done.Swap(true) {
			return [][]byte{forged, data}
		}
		return [][]byte{data}
	}
}

// mostResends is one for the forgery, and what a busy machine may add. That it
// is one is shown where time is virtual: with pion, and in internal/dtls.
const mostResends = 3

// One forged datagram ahead of what the server says costs little.
func TestForgedDatagram(t *testing.T) {
	t.Parallel()
	scenes(t, func(t *testing.T, s *scene) {
		for name, forged := range forgeries {
			for _, of := range []handshake.Type{handshake.TypeHelloVerifyRequest, handshake.TypeServerHello} {
				t.Run(name+" ahead of "+of.String(), func(t *testing.T) {
					t.Parallel()
					var done atomic.Bool
					if l := s.travels(t, ahead(of, forged, &done)); l.resends > mostResends || !done.Load() {
						t.Errorf("%d resends; forged: %v", l.resends, done.Load())
					}
				})
			}
		}
	})
}
