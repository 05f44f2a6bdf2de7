package dtlstest

import (
	"crypto/ecdh"
	"io"
)

// Curves that the server speaks (RFC 8422, 5.1.1).
const (
	CurveP256   = 23
	CurveP384   = 24
	CurveP521   = 25
	CurveX25519 = 29
)

// curves are in the server's order of preference.
var curves = []uint16{CurveX25519, CurveP256, CurveP384}

func curveByID(id uint16) ecdh.Curve {
	switch id {
	case CurveP256:
		return ecdh.P256()
	case CurveP384:
		return ecdh.P384()
	case CurveP521:
		return ecdh.P521()
	}
	return ecdh.X25519()
}

// scalarSize is how many bytes a private key of a curve has.
func scalarSize(id uint16) int {
	switch id {
	case CurveP384:
		return 48
	case CurveP521:
		return 66
	}
	return 32
}

// newKey makes an ephemeral key. GenerateKey would not take its randomness from
// the given source.
func newKey(random io.Reader, id uint16) *ecdh.PrivateKey {
	for {
		scalar := draw(random, scalarSize(id))
		if id == CurveP521 {
			scalar[0] &= 1
		}
		if key, err := curveByID(id).NewPrivateKey(scalar); err == nil {
			return key
		}
	}
}

// draw reads n bytes of randomness.
func draw(random io.Reader, n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		panic("dtlstest: no randomness: " + err.Error())
	}
	return b
}
