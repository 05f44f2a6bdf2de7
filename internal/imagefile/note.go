package imagefile

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
)

// Bounds, in bytes.
const (
	MaxID   = 64
	MaxETag = 1024 // CoAP has at most 8 (RFC 7252 section 5.10.6), HTTP no bound
	maxBoot = 64
)

// note is what is known of the image in the folder. It is kept as a record of the store,
// which has a checksum of its own.
type note struct {
	id         string
	etag       []byte
	size       int64             // of the whole image; 0 while that is not known
	limit      int64             // that it may have
	checkpoint int64             // so many bytes are on the medium
	sum        [sha256.Size]byte // of the bytes before the checkpoint
	complete   bool              // nothing follows the checkpoint
	boot       string            // when the bytes beyond the checkpoint were written
}

// The layout of a note, integers in network byte order:
//
//	offset  bytes  content
//	0       1      version, 1
//	1       1      1 when the image is complete, else 0
//	2       8      size
//	10      8      limit
//	18      8      checkpoint
//	26      32     SHA-256 of the bytes before the checkpoint
//	58      2 + n  ID, after its length
//	        2 + n  entity tag, likewise
//	        2 + n  boot ID, likewise
const (
	noteVersion = 1
	noteHeader  = 58
)

func (n *note) encode() []byte {
	b := make([]byte, 0, noteHeader+6+len(n.id)+len(n.etag)+len(n.boot))
	b = append(b, noteVersion, 0)
	if n.complete {
		b[1] = 1
	}
	b = binary.BigEndian.AppendUint64(b, uint64(n.size))
	b = binary.BigEndian.AppendUint64(b, uint64(n.limit))
	b = binary.BigEndian.AppendUint64(b, uint64(n.checkpoint))
	b = append(b, n.sum[:]...)
	b = appendText(b, n.id)
	b = appendText(b, string(n.etag))
	return appendText(b, n.boot)
}

func appendText(b []byte, text string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}

var errNote = errors.New("what is noted of the image makes no sense")

// decodeNote reads what encode wrote; anything else is errNote.
func decodeNote(b []byte) (note, error) {
	if len(b) < noteHeader || b[0] != noteVersion || b[1] > 1 {
		return note{}, errNote
	}
	n := note{
		complete: b[1] == 1, sum: [sha256.Size]byte(b[26:noteHeader]),
		size: number(b[2:]), limit: number(b[10:]), checkpoint: number(b[18:]),
	}
	id, rest, idFits := cutText(b[noteHeader:], MaxID)
	etag, rest, etagFits := cutText(rest, MaxETag)
	boot, rest, bootFits := cutText(rest, maxBoot)
	n.id, n.etag, n.boot = string(id), etag, string(boot)
	if !idFits || !etagFits || !bootFits || len(rest) > 0 || !n.sensible() {
		return note{}, errNote
	}
	return n, nil
}

func (n *note) sensible() bool {
	return n.id != "" && n.size >= 0 && n.limit > 0 && n.checkpoint >= 0 && n.checkpoint <= n.limit
}

// number reads 8 bytes; what is beyond the numbers of files is below 0.
func number(b []byte) int64 {
	v := binary.BigEndian.Uint64(b)
	if v > math.MaxInt64 {
		return -1
	}
	return int64(v)
}

// cutText takes a text with its length from the beginning of b; nil for none.
func cutText(b []byte, longest int) (text, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	length := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if length > longest || length > len(b) {
		return nil, nil, false
	}
	if length == 0 {
		return nil, b, true
	}
	return b[:length:length], b[length:], true
}
