package accounts

import (
	"bytes"
	"crypto/x509"
	"slices"

	"github.com/holdfast-iot/holdfast/messages"
)

// Pair is a certificate that was enrolled for, and its key, which was made on this device.
type Pair struct {
	Key   messages.Secret // PKCS #8, DER
	Chain [][]byte        // DER, the certificate first
}

// Enrolled is what is durable of the certificate of an account with security mode 4 (EST):
// the pair that is in use, and one that no server has accepted yet, if there is one. Both are
// in one record, so that at any moment there is one that can be used.
type Enrolled struct {
	Endpoint string // whom it is about, and
	Server   string // the URI of the management server, in its normal form
	Present  Pair
	Next     *Pair // nil for none
}

// MaxEnrolled bounds the record of an enrolment, in bytes.
const MaxEnrolled = 64 << 10

// The record "enrolment-N" of the management account with short server ID N is one CBOR array
// (RFC 8949, core deterministic encoding), in CDDL:
//
//	enrolled = [version: 1, endpoint: tstr, server: tstr, present: pair, next: [? pair]]
//	pair = [key: bstr, chain: [1*10 bstr]]
const enrolledVersion = 1

// EnrolledReason says why a record of an enrolment was refused.
type EnrolledReason string

// The reasons of an [EnrolledError].
const (
	EnrolledTooLarge  EnrolledReason = "larger than 64 KiB"
	EnrolledMalformed EnrolledReason = "not the CBOR of a record of an enrolment"
	EnrolledContent   EnrolledReason = "holds an impossible value"
	EnrolledForm      EnrolledReason = "not in the form in which it is written"
)

// EnrolledError is the error of [DecodeEnrolled] and [EncodeEnrolled]. It repeats nothing of
// the content.
type EnrolledError struct{ Reason EnrolledReason }

// Error implements error.
func (e *EnrolledError) Error() string { return "record of an enrolment: " + string(e.Reason) }

type enrolledCBOR struct {
	_        struct{} `cbor:",toarray"`
	Version  uint64
	Endpoint string
	Server   string
	Present  pairCBOR
	Next     []pairCBOR
}

type pairCBOR struct {
	_     struct{} `cbor:",toarray"`
	Key   []byte
	Chain [][]byte
}

// EncodeEnrolled makes the content of a record. It refuses what [DecodeEnrolled] would.
func EncodeEnrolled(e Enrolled) ([]byte, error) {
	c := enrolledCBOR{Version: enrolledVersion, Endpoint: e.Endpoint, Server: e.Server, Present: pairOf(e.Present), Next: []pairCBOR{}}
	if e.Next != nil {
		c.Next = append(c.Next, pairOf(*e.Next))
	}
	data, err := encMode.Marshal(c)
	if err != nil {
		panic(err) // no type here can fail to encode
	}
	_, err = DecodeEnrolled(data)
	return data, err
}

func pairOf(p Pair) pairCBOR { return pairCBOR{Key: p.Key, Chain: slices.Clone(p.Chain)} }

// DecodeEnrolled reads what [EncodeEnrolled] has written, and nothing else. The key of a pair
// fits its certificate. The error is an [*EnrolledError].
func DecodeEnrolled(data []byte) (Enrolled, error) {
	if len(data) > MaxEnrolled {
		return Enrolled{}, &EnrolledError{EnrolledTooLarge}
	}
	var c enrolledCBOR
	if decMode.Unmarshal(data, &c) != nil {
		return Enrolled{}, &EnrolledError{EnrolledMalformed}
	}
	if !c.possible() {
		return Enrolled{}, &EnrolledError{EnrolledContent}
	}
	if again, _ := encMode.Marshal(c); !bytes.Equal(again, data) {
		return Enrolled{}, &EnrolledError{EnrolledForm}
	}
	e := Enrolled{Endpoint: c.Endpoint, Server: c.Server, Present: c.Present.pair()}
	if len(c.Next) > 0 {
		e.Next = new(c.Next[0].pair())
	}
	return e, nil
}

func (c *enrolledCBOR) possible() bool {
	return c.Version == enrolledVersion && c.Endpoint != "" && c.Server != "" && len(c.Next) <= 1 &&
		c.Present.possible() && !slices.ContainsFunc(c.Next, func(p pairCBOR) bool { return !p.possible() })
}

// possible reports whether a pair can be used.
func (p pairCBOR) possible() bool {
	if len(p.Chain) == 0 || len(p.Chain) > maxCertificates {
		return false
	}
	for _, der := range p.Chain {
		if _, err := x509.ParseCertificate(der); err != nil {
			return false
		}
	}
	leaf, err := x509.ParseCertificate(p.Chain[0])
	if err != nil {
		return false
	}
	public, ok := parsePrivateKey(p.Key)
	_, held := HeldOutside(p.Key)
	return ok && !held && public.Equal(leaf.PublicKey)
}

func (p pairCBOR) pair() Pair { return Pair{Key: p.Key, Chain: p.Chain} }
