package dtls

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// Exported is a session as a value: with it, and nothing else, the session goes on over
// another socket or in another process. It holds secrets and prints none of them.
// Exactly one of Record and Resume is set.
type Exported struct {
	Suite SuiteID
	Proof Proof
	// Record is the protection of a session that the server finds by its Connection ID
	// (RFC 9146), wherever the datagrams come from: it goes on without a handshake.
	Record *record.State
	// Resume is what an abbreviated handshake takes, where there is no Connection ID.
	Resume *Resumption
}

// Format implements fmt.Formatter: whatever the verb, no secret is printed.
func (s Exported) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "dtls.Exported("+s.Suite.String()+", secrets not shown)")
}

// Proof is what has proven that the server is the right one.
type Proof struct {
	Kind ProofKind
	// Digest is the SHA-256 hash of what the server has shown: of its certificate, or its
	// SubjectPublicKeyInfo; zero with a pre-shared key.
	Digest [sha256.Size]byte
	// Ends is when the certificate expires, in whole seconds; zero without one. A session
	// proves nothing beyond that.
	Ends time.Time
}

// Beyond returns the state of a movable session for whoever does not know what has been
// sealed and opened since it was exported, only that no number from reserved on was used:
// none below it is used again. Which records have come is not known either, so that none
// of those that were sent by now can be told from a repeated one by its number.
func (s Exported) Beyond(reserved uint64) Exported {
	r := *s.Record
	r.Sealed += max(reserved, r.Next) - r.Next
	r.Next = max(reserved, r.Next)
	r.WindowSeen = math.MaxUint64
	s.Record = &r
	return s
}

// ProofKind is a way to prove who one is.
type ProofKind uint8

// The ways.
const (
	ProofPSK         ProofKind = iota + 1 // the server knows the pre-shared key
	ProofCertificate                      // its certificate was verified, and it has the key
	ProofRawKey                           // it has the key that was expected (RFC 7250)
)

// exportVersion is the first byte of an encoded session.
const exportVersion = 1

// maxExported bounds an encoded session, in bytes: two Connection IDs of 255, keys, and
// some room.
const maxExported = 1 << 10

// usualExported is the length of most encoded sessions.
const usualExported = 160

// The kinds of an encoded session, by what follows.
const (
	kindRecord uint8 = iota + 1
	kindResume
)

// errExported says that something is no encoded session, and nothing of what is in it.
var errExported = errors.New("dtls: not the encoding of a session")

// Encode returns the state as [ParseExported] reads it: version, suite, proof, then
// either the record protection or what a resumption takes, in the notation of TLS
// (RFC 8446 section 3). It panics on a state that no session has exported.
func (s Exported) Encode() []byte {
	b := cryptobyte.NewBuilder(make([]byte, 0, usualExported))
	b.AddUint8(exportVersion)
	b.AddUint16(uint16(s.Suite))
	b.AddUint8(uint8(s.Proof.Kind))
	b.AddBytes(s.Proof.Digest[:])
	b.AddUint64(seconds(s.Proof.Ends))
	if r := s.Record; r != nil {
		b.AddUint8(kindRecord)
		b.AddUint16(r.Epoch)
		for _, n := range numbers(r) {
			b.AddUint64(*n)
		}
		addDirection(b, &r.Write)
		addDirection(b, &r.Read)
	} else {
		b.AddUint8(kindResume)
		addBytes(b, s.Resume.ID)
		addBytes(b, s.Resume.Master)
	}
	return b.BytesOrPanic()
}

// numbers are the counters of a protection in the order of the encoding.
func numbers(r *record.State) []*uint64 {
	return []*uint64{&r.Next, &r.Sealed, &r.Forged, &r.WindowNext, &r.WindowSeen}
}

func addBytes(b *cryptobyte.Builder, data []byte) {
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(data) })
}

func addDirection(b *cryptobyte.Builder, d *record.Direction) {
	addBytes(b, d.Key)
	addBytes(b, d.Salt)
	addBytes(b, d.CID)
}

// seconds is an instant since 1970; 0 for none.
func seconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(max(t.Unix(), 0))
}

// ParseExported reads what [Exported.Encode] has written, and nothing else. It keeps no
// reference to data.
func ParseExported(data []byte) (Exported, error) {
	in := cryptobyte.String(data)
	var (
		s             Exported
		version, kind uint8
		proof         uint8
		digest        []byte
		ends          uint64
	)
	ok := len(data) <= maxExported && in.ReadUint8(&version) && version == exportVersion &&
		in.ReadUint16((*uint16)(&s.Suite)) && suiteOf(s.Suite) != nil &&
		in.ReadUint8(&proof) && in.ReadBytes(&digest, sha256.Size) && in.ReadUint64(&ends) && in.ReadUint8(&kind)
	if !ok {
		return Exported{}, errExported
	}
	s.Proof = Proof{Kind: ProofKind(proof), Digest: [sha256.Size]byte(digest)}
	if ends > 0 {
		s.Proof.Ends = time.Unix(int64(ends&(1<<62-1)), 0)
	}
	switch kind {
	case kindRecord:
		s.Record, ok = readRecord(&in, suiteOf(s.Suite).cipher)
	case kindResume:
		s.Resume, ok = readResumption(&in, s.Suite)
	default:
		ok = false
	}
	if !ok || !in.Empty() || !s.Proof.fits(s.Suite) || string(s.Encode()) != string(data) {
		return Exported{}, errExported
	}
	if s.Resume != nil {
		s.Resume.Proof = s.Proof
	}
	return s, nil
}

// fits reports whether a session with the suite can have been proven so.
func (p Proof) fits(id SuiteID) bool {
	switch p.Kind {
	case ProofPSK:
		return suiteOf(id).psk && p.Digest == [sha256.Size]byte{} && p.Ends.IsZero()
	case ProofRawKey:
		return !suiteOf(id).psk && p.Ends.IsZero()
	case ProofCertificate:
		return !suiteOf(id).psk
	}
	return false
}

func readBytes(in *cryptobyte.String, least, most int) ([]byte, bool) {
	var out cryptobyte.String
	ok := in.ReadUint8LengthPrefixed(&out) && len(out) >= least && len(out) <= most
	return slices.Clone([]byte(out)), ok
}

func readRecord(in *cryptobyte.String, c record.Cipher) (*record.State, bool) {
	r := &record.State{Cipher: c}
	ok := in.ReadUint16(&r.Epoch)
	for _, n := range numbers(r) {
		ok = ok && in.ReadUint64(n)
	}
	if !ok || !readDirection(in, &r.Write, c) || !readDirection(in, &r.Read, c) || len(r.Write.CID) == 0 {
		return nil, false
	}
	_, err := record.Restore(*r)
	return r, err == nil
}

func readDirection(in *cryptobyte.String, d *record.Direction, c record.Cipher) (ok bool) {
	if d.Key, ok = readBytes(in, c.KeySize(), c.KeySize()); !ok {
		return false
	}
	if d.Salt, ok = readBytes(in, c.SaltSize(), c.SaltSize()); !ok {
		return false
	}
	d.CID, ok = readBytes(in, 0, 255)
	return ok
}

func readResumption(in *cryptobyte.String, suite SuiteID) (r *Resumption, ok bool) {
	r = &Resumption{Suite: suite}
	if r.ID, ok = readBytes(in, 1, 32); !ok {
		return nil, false
	}
	r.Master, ok = readBytes(in, masterSecretSize, masterSecretSize)
	return r, ok
}
