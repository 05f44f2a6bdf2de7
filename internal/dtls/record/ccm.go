package record

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"math"
)

const (
	blockSize = 16
	// nonceSize is that of every cipher here, in bytes.
	nonceSize = 12
)

// errAuthentication says that a ciphertext is not authentic, or none.
var errAuthentication = errors.New("record: not authentic")

// ccm is AES-CCM (RFC 3610, NIST SP 800-38C). It implements cipher.AEAD. The
// standard library has no CCM, and the one of pion allocates five times for a
// record, which is why this mode is ours, over the standard library's AES.
//
// Its scratch blocks make it unsafe for concurrent use, and free of
// allocations.
type ccm struct {
	block     cipher.Block
	tagSize   int
	nonceSize int

	mac     [blockSize]byte
	counter [blockSize]byte
	stream  [blockSize]byte
	scratch [blockSize]byte
}

// newCCM takes tags of 4 to 16 bytes, and nonces of 11 to 13: the records have
// 12, the vectors of RFC 3610 have 13. 15 less the length of the nonce is that
// of the length field, L.
func newCCM(block cipher.Block, tagSize, nonceSize int) *ccm {
	return &ccm{block: block, tagSize: tagSize, nonceSize: nonceSize}
}

func (c *ccm) NonceSize() int { return c.nonceSize }

// longest returns the length of the longest plaintext, in bytes.
func (c *ccm) longest() int {
	return int(min(uint64(1)<<(8*(15-c.nonceSize))-1, math.MaxInt))
}

func (c *ccm) Overhead() int { return c.tagSize }

// Seal appends the ciphertext and tag of plaintext to dst. plaintext may be
// exactly where the ciphertext comes to stand. It panics, as the interface
// demands, on a nonce of another length or a plaintext that is too long.
func (c *ccm) Seal(dst, nonce, plaintext, additional []byte) []byte {
	if len(nonce) != c.nonceSize || len(plaintext) > c.longest() {
		panic("record: CCM with a nonce or a plaintext of the wrong length")
	}
	c.authenticate(nonce, plaintext, additional)
	sealed, out := extend(dst, len(plaintext)+c.tagSize)
	c.begin(nonce)
	tag := out[len(plaintext):]
	c.keyStream()
	subtle.XORBytes(tag, c.mac[:c.tagSize], c.stream[:c.tagSize])
	c.xor(out[:len(plaintext)], plaintext)
	return sealed
}

// Open appends the plaintext of sealed to dst. It may stand exactly where the
// ciphertext is. Nothing is left of the plaintext when sealed is not authentic.
func (c *ccm) Open(dst, nonce, sealed, additional []byte) ([]byte, error) {
	length := len(sealed) - c.tagSize
	if len(nonce) != c.nonceSize || length < 0 || length > c.longest() {
		return nil, errAuthentication
	}
	var tag [blockSize]byte
	copy(tag[:], sealed[length:])
	opened, out := extend(dst, length)
	c.begin(nonce)
	c.keyStream()
	subtle.XORBytes(tag[:], tag[:], c.stream[:])
	c.xor(out, sealed[:length])
	c.authenticate(nonce, out, additional)
	if subtle.ConstantTimeCompare(tag[:c.tagSize], c.mac[:c.tagSize]) != 1 {
		clear(out)
		return nil, errAuthentication
	}
	return opened, nil
}

// begin puts the counter at 0, whose block encrypts the tag.
func (c *ccm) begin(nonce []byte) {
	c.counter = [blockSize]byte{0: byte(14 - c.nonceSize)}
	copy(c.counter[1:], nonce)
}

// keyStream fills stream with the block of the counter, and counts.
func (c *ccm) keyStream() {
	c.block.Encrypt(c.stream[:], c.counter[:])
	tail := c.counter[blockSize-4:] // the nonce's last byte and more may be in it, and are not reached
	binary.BigEndian.PutUint32(tail, binary.BigEndian.Uint32(tail)+1)
}

func (c *ccm) xor(out, in []byte) {
	for len(in) > 0 {
		c.keyStream()
		n := subtle.XORBytes(out, in, c.stream[:])
		out, in = out[n:], in[n:]
	}
}

// authenticate leaves the CBC-MAC of RFC 3610 section 2.2 in mac.
func (c *ccm) authenticate(nonce, plaintext, additional []byte) {
	flags := byte((c.tagSize-2)/2<<3 | (14 - c.nonceSize))
	if len(additional) > 0 {
		flags |= 1 << 6
	}
	c.mac = [blockSize]byte{0: flags}
	binary.BigEndian.PutUint32(c.mac[blockSize-4:], uint32(len(plaintext)))
	copy(c.mac[1:], nonce)
	c.block.Encrypt(c.mac[:], c.mac[:])
	if len(additional) > 0 {
		c.scratch = [blockSize]byte{}
		binary.BigEndian.PutUint16(c.scratch[:], uint16(len(additional)))
		n := copy(c.scratch[2:], additional)
		c.chain(c.scratch[:])
		c.chain(additional[n:])
	}
	c.chain(plaintext)
}

// chain adds data to the CBC-MAC, filled up with zeros.
func (c *ccm) chain(data []byte) {
	for len(data) > 0 {
		n := subtle.XORBytes(c.mac[:], c.mac[:], data[:min(len(data), blockSize)])
		c.block.Encrypt(c.mac[:], c.mac[:])
		data = data[n:]
	}
}

// extend returns dst with n more bytes, and these.
func extend(dst []byte, n int) (whole, added []byte) {
	total := len(dst) + n
	if total > cap(dst) {
		whole = make([]byte, total)
		copy(whole, dst)
	} else {
		whole = dst[:total]
	}
	return whole, whole[len(dst):]
}
