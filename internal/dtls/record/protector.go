package record

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// MaxSealed is how many records are sealed under one key. It is the
	// bound of RFC 9147 section 4.5.3 for AES-CCM with the longest records;
	// that of AES-GCM is greater.
	MaxSealed uint64 = 1 << 23
	// MaxForged is how many records may fail to authenticate under one key.
	// RFC 9147 section 4.5.3 allows AES-GCM 2^36. For CCM it counts on
	// records of 16 KiB; with those of at most 8 KiB that are read here 2^36
	// leaves a chance below 2^-28 even with tags of 8 bytes. A lower bound
	// would let a flood of forged records end a session.
	MaxForged uint64 = 1 << 36

	// overheadMax bounds what protection adds to a content, Connection ID
	// not counted: header, explicit nonce, inner type, tag.
	overheadMax = HeaderSize + explicitSize + 1 + 16

	// maxCID is the greatest length of a Connection ID (RFC 9146 section 3).
	maxCID = 255
	// additionalMax is the length of the additional data with the longest
	// Connection ID (RFC 9146 section 5.3).
	additionalMax = 8 + 1 + 1 + 1 + 2 + 8 + maxCID + 2
)

// Why a record is dropped or cannot be sealed. None of the first three says
// anything about the peer: anybody can send such records (RFC 6347 section
// 4.1.2.7).
var (
	// ErrForeign: not a record of this epoch, version or Connection ID.
	ErrForeign = errors.New("record: not of this association")
	// ErrReplayed: its sequence number was seen, or is too old to tell.
	ErrReplayed = errors.New("record: replayed")
	// ErrForged: it does not authenticate.
	ErrForged = errors.New("record: not authentic")
	// ErrMalformed: it is authentic, but has no content type, an empty or a
	// too long content.
	ErrMalformed = errors.New("record: authentic but malformed")
	// ErrExhausted: the sequence numbers, or the permitted uses of the key,
	// are used up; the session has to be replaced by a new one.
	ErrExhausted = errors.New("record: the key must not be used any further")
	// ErrTooLong: the content to seal exceeds [MaxPlaintext].
	ErrTooLong = errors.New("record: content above 16384 bytes")
)

// Direction is the secrets of one direction of an association.
type Direction struct {
	Key  []byte // of Cipher.KeySize bytes
	Salt []byte // of Cipher.SaltSize bytes
	CID  []byte // of the records in this direction; nil for none
}

// Protector seals and opens the records of one epoch. See the package comment.
type Protector struct {
	cipher Cipher
	epoch  uint16
	write  half
	read   half

	next   uint64 // sequence number of the next record to seal
	sealed uint64 // records sealed under the write key
	forged uint64 // records that did not authenticate
	window window
}

// half is one direction with its scratch space.
type half struct {
	Direction
	aead       cipher.AEAD
	nonce      [nonceSize]byte
	additional []byte
}

// NewProtector returns the protector of an epoch, from 1, whose numbers begin
// at 0. It keeps the slices.
func NewProtector(c Cipher, epoch uint16, write, read Direction) (*Protector, error) {
	w, err := newHalf(c, write)
	if err != nil {
		return nil, err
	}
	r, err := newHalf(c, read)
	if err != nil {
		return nil, err
	}
	if epoch == 0 {
		return nil, errors.New("record: epoch 0 is never protected")
	}
	return &Protector{cipher: c, epoch: epoch, write: w, read: r}, nil
}

func newHalf(c Cipher, d Direction) (half, error) {
	if c.KeySize() == 0 || len(d.Key) != c.KeySize() || len(d.Salt) != saltSize || len(d.CID) > maxCID {
		return half{}, fmt.Errorf("record: lengths of key %d, salt %d, Connection ID %d do not go with %s",
			len(d.Key), len(d.Salt), len(d.CID), c)
	}
	aead, err := c.aead(d.Key)
	h := half{Direction: d, aead: aead, additional: make([]byte, 0, additionalMax-maxCID+len(d.CID))}
	copy(h.nonce[:], d.Salt)
	return h, err
}

// Overhead returns how many bytes Seal adds to a content, at most.
func (p *Protector) Overhead() int { return overheadMax + len(p.write.CID) }

// NextSequence returns the sequence number of the next record to seal.
func (p *Protector) NextSequence() uint64 { return p.next }

// CIDLength returns the length of the Connection ID that the peer's records
// carry, for [Next].
func (p *Protector) CIDLength() int { return len(p.read.CID) }

// Seal appends a record with the content to dst. content must not share memory
// with dst's free capacity. The errors are [ErrExhausted] and [ErrTooLong].
func (p *Protector) Seal(dst []byte, content Content, payload []byte) ([]byte, error) {
	if len(payload) > MaxPlaintext {
		return dst, ErrTooLong
	}
	if p.next > MaxSequence || p.sealed >= MaxSealed {
		return dst, ErrExhausted
	}
	sequence := p.next
	p.next++
	p.sealed++
	h := &p.write
	outer, inner := content, len(payload)
	if len(h.CID) > 0 {
		outer, inner = ConnectionID, inner+1
	}
	dst = appendHeader(dst, outer, p.epoch, sequence, h.CID, explicitSize+inner+h.aead.Overhead())
	explicit := h.nonce[saltSize:]
	binary.BigEndian.PutUint64(explicit, uint64(p.epoch)<<48|sequence)
	dst = append(dst, explicit...)
	start := len(dst)
	dst = append(dst, payload...)
	if outer == ConnectionID {
		dst = append(dst, byte(content)) // the inner type; no padding
	}
	h.bind(outer, p.epoch, sequence, inner)
	return h.aead.Seal(dst[:start], h.nonce[:], dst[start:], h.additional), nil
}

// Open authenticates and decrypts a record of this epoch in place, and returns
// its real content type and its content, a view of the record. Every error but
// [ErrExhausted] means that the record is to be dropped in silence.
func (p *Protector) Open(r Record) (Content, []byte, error) {
	h := &p.read
	if err := p.admit(&r); err != nil {
		return 0, nil, err
	}
	copy(h.nonce[saltSize:], r.Body)
	sealed := r.Body[explicitSize:]
	h.bind(r.Content, r.Epoch, r.Sequence, len(sealed)-h.aead.Overhead())
	opened, err := h.aead.Open(sealed[:0], h.nonce[:], sealed, h.additional)
	if err != nil {
		p.forged++
		return 0, nil, ErrForged
	}
	p.window.accept(r.Sequence)
	return unwrap(r.Content, opened)
}

// admit checks what can be checked without the key.
func (p *Protector) admit(r *Record) error {
	h := &p.read
	expected := r.Content
	if len(h.CID) > 0 {
		expected = ConnectionID // RFC 9146 section 3: then every record has it
	}
	foreign := r.Epoch != p.epoch || r.Version != Version || r.Content != expected ||
		r.Content == ConnectionID && (len(h.CID) == 0 || string(r.CID) != string(h.CID)) ||
		len(r.Body) < explicitSize+h.aead.Overhead()
	switch {
	case p.forged >= MaxForged:
		return ErrExhausted
	case foreign:
		return ErrForeign
	case !p.window.fresh(r.Sequence):
		return ErrReplayed
	}
	return nil
}

// unwrap finds the content type: behind the content and in front of the padding
// of a record with a Connection ID (RFC 9146 section 4), in the header
// otherwise.
func unwrap(outer Content, opened []byte) (Content, []byte, error) {
	if outer == ConnectionID {
		end := len(opened)
		for end > 0 && opened[end-1] == 0 {
			end--
		}
		if end == 0 {
			return 0, nil, ErrMalformed
		}
		outer, opened = Content(opened[end-1]), opened[:end-1]
	}
	if len(opened) == 0 || len(opened) > MaxPlaintext {
		return 0, nil, ErrMalformed
	}
	return outer, opened, nil
}

// bind composes the additional data: RFC 5246 section 6.2.3.3, and with a
// Connection ID RFC 9146 section 5.3. length is that of the plaintext.
func (h *half) bind(content Content, epoch uint16, sequence uint64, length int) {
	number := uint64(epoch)<<48 | sequence
	a := h.additional[:0]
	if content == ConnectionID {
		a = append(a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, byte(content), byte(len(h.CID)))
		a = append(a, byte(content))
		a = binary.BigEndian.AppendUint16(a, Version)
		a = binary.BigEndian.AppendUint64(a, number)
		a = append(a, h.CID...)
	} else {
		a = binary.BigEndian.AppendUint64(a, number)
		a = append(a, byte(content))
		a = binary.BigEndian.AppendUint16(a, Version)
	}
	h.additional = binary.BigEndian.AppendUint16(a, uint16(length))
}
