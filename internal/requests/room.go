package requests

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m/uri"
	"github.com/holdfast-iot/holdfast/messages"
)

// maxEcho is the longest Echo option (RFC 9175 section 2.2.1), in bytes.
const maxEcho = 40

// RoomError says that a server's URI, or a Location, leaves no room for a
// request that it has to carry.
type RoomError struct {
	Request string // "Register", "Bootstrap-Request" or "Update"
	Parts   int    // path segments and query arguments that it has
	Room    int    // how many the longest such request has room for
	Cause   error  // of the codec, a *coap.FormatError
}

// Error names both numbers, or what else does not fit.
func (e *RoomError) Error() string {
	if e.Parts > e.Room {
		return fmt.Sprintf("%d path segments and arguments, where the %s has room for %d", e.Parts, e.Request, e.Room)
	}
	return fmt.Sprintf("the %s cannot be encoded: %v", e.Request, e.Cause)
}

// Unwrap returns the codec's error.
func (e *RoomError) Unwrap() error { return e.Cause }

// CheckManagement tells whether every Register to a server can be sent,
// whatever endpoint name, lifetime and object list it has, in queue mode or not: the
// error is a [*RoomError].
func CheckManagement(server uri.URI, queue bool) error {
	if roomy(server.Path, server.Query) {
		return nil
	}
	return check("Register", Register(server, longestName, "1.1", math.MaxInt64, queue, longestBody), len(server.Path)+len(server.Query))
}

// CheckBootstrap is the same for a bootstrap server and its Bootstrap-Request.
func CheckBootstrap(server uri.URI) error {
	if roomy(server.Path, server.Query) {
		return nil
	}
	preferred := messages.Format(math.MaxUint16)
	return check("Bootstrap-Request", Bootstrap(server, longestName, &preferred), len(server.Path)+len(server.Query))
}

// CheckLocation is the same for a Location and the Update that follows; a
// De-register is shorter.
func CheckLocation(location []string) error {
	if roomy(location) {
		return nil
	}
	lifetime := time.Duration(math.MaxInt64)
	return check("Update", Update(location, &lifetime, Binding("1.1", true), longestBody), len(location))
}

// What is roomy: so few parts, none longer than that, in bytes.
const (
	roomyParts  = 8
	roomyLength = 64
)

// roomy reports whether what a server adds to a request is so little that every
// request has room for it. Almost always it is, and nothing need be composed: an
// account is checked several times before it is used.
func roomy(lists ...[]string) bool {
	parts := 0
	for _, list := range lists {
		for _, part := range list {
			if len(part) > roomyLength {
				return false
			}
		}
		parts += len(list)
	}
	return parts <= roomyParts
}

// longestName is an endpoint name of the greatest length.
var longestName = strings.Repeat("e", MaxEndpoint)

// longestBody is a payload that goes in blocks.
var longestBody = make([]byte, 2*blockSize)

// blockSize is that of the largest block (RFC 7959 section 2.2), in bytes.
const blockSize = 1 << (coap.MaxSZX + 4)

// check tells whether the request can be encoded with all that the message layer
// may add to it; parts is how many of its options are the server's.
func check(name string, r messages.Request, parts int) error {
	msg := longest(r)
	if err := coap.Check(msg); err != nil {
		return &RoomError{Request: name, Parts: parts, Room: coap.MaxOptions - len(msg.Options) + parts, Cause: err}
	}
	return nil
}

// longest returns the longest message that a request becomes: challenged, and
// where it has a payload in blocks.
func longest(r messages.Request) coap.Message {
	r.Echo = make([]byte, maxEcho)
	msg := Message(r)
	msg.MID, msg.Token = math.MaxUint16, make([]byte, coap.MaxTokenLength)
	if len(r.Payload) == 0 { // it may be repeated for the rest of a long answer
		msg.AddBlock(coap.Block2, coap.Block{Num: coap.MaxBlockNumber, SZX: coap.MaxSZX})
		return msg
	}
	msg.AddFormat(coap.ContentFormat, r.ContentFormat)
	msg.AddBlock(coap.Block1, coap.Block{Num: coap.MaxBlockNumber, More: true, SZX: coap.MaxSZX})
	msg.AddUint(coap.Size1, math.MaxUint32)
	msg.Payload = r.Payload[:min(blockSize, len(r.Payload))]
	return msg
}
