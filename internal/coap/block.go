package coap

import "fmt"

// Limits of a block option (RFC 7959 section 2.2).
const (
	MaxBlockNumber = 1<<20 - 1 // NUM has 20 bits
	MaxSZX         = 6         // 1024 bytes
	ReservedSZX    = 7         // BERT on TCP (RFC 8323); an error on UDP
)

// Block is the value of a Block1 or Block2 option (RFC 7959 section 2.2).
type Block struct {
	Num  uint32 // block number, 0 to MaxBlockNumber
	More bool   // M: more blocks follow
	SZX  uint8  // size exponent, 0 to 6 for 16 to 1024 bytes; 7 is reserved
}

// Size returns the block size in bytes, 2^(SZX+4).
func (b Block) Size() int { return 1 << (b.SZX + 4) }

// Offset returns where in the body the block begins, in bytes.
func (b Block) Offset() int { return int(b.Num) << (b.SZX + 4) }

// At returns the block of size exponent szx that begins at offset, which must
// be a multiple of that size. It is not ok when NUM would exceed 20 bits.
func At(offset int, more bool, szx uint8) (b Block, ok bool) {
	num := offset >> (szx + 4)
	if num > MaxBlockNumber {
		return Block{}, false
	}
	return Block{Num: uint32(num), More: more, SZX: szx}, true
}

// SZXForSize returns the largest size exponent whose block is not larger than
// size bytes; 0 for anything below 16.
func SZXForSize(size int) uint8 {
	szx := uint8(MaxSZX)
	for szx > 0 && 1<<(szx+4) > size {
		szx--
	}
	return szx
}

// String returns NUM/M/size as RFC 7959 writes it.
func (b Block) String() string {
	more := 0
	if b.More {
		more = 1
	}
	return fmt.Sprintf("%d/%d/%d", b.Num, more, b.Size())
}

func (b Block) value() uint32 {
	v := b.Num<<4 | uint32(b.SZX&7)
	if b.More {
		v |= 8
	}
	return v
}

func parseBlock(v uint32) Block {
	return Block{Num: v >> 4, More: v&8 != 0, SZX: uint8(v & 7)}
}
