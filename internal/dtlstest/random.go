package dtlstest

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
)

// newRandom is randomness that a seed decides.
func newRandom(seed uint64) io.Reader {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}

// NewRand is the same for choices.
func NewRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)) }
