package accounts

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/messages"
)

// Session is what is durable of the DTLS session of a server account: what the next
// process goes on with. It is a cache: losing it costs a handshake. It is void on the
// least doubt, since two that went on with the same session would use its nonces twice.
type Session struct {
	// Owner is whose session it is, and Proof what binds it to the credentials with which
	// it was made, those that are secret included.
	Owner StateOwner
	Proof Digest
	// Place is where it was stored: a copy of the directory is another place.
	Place Digest
	// Since is when its full handshake ended, in whole seconds, and Reserved the first
	// sequence number that nobody has used before the record was written, however far he
	// has come; 0 of a session that is to be resumed.
	Since    time.Time
	Reserved uint64
	State    messages.Secret // of package dtls
}

// The record "session-N" of the management account with short server ID N is one CBOR
// array (RFC 8949, core deterministic encoding), in CDDL:
//
//	session = [version: 1, endpoint: tstr, server: tstr, identity: bstr .size 32,
//	           proof: bstr .size 32, place: bstr .size 32, since: int, reserved: uint,
//	           state: bstr]
const sessionVersion = 1

type sessionCBOR struct {
	_        struct{} `cbor:",toarray"`
	Version  uint64
	Endpoint string
	Server   string
	Identity []byte
	Proof    []byte
	Place    []byte
	Since    int64
	Reserved uint64
	State    []byte
}

// maxSession bounds a record of a session, in bytes.
const maxSession = 4 << 10

// ErrSession says that a record is not that of a session which can be gone on with.
var ErrSession = errors.New("record of a session: not in the form in which it is written")

// EncodeSession makes the content of a record.
func EncodeSession(s Session) []byte {
	data, err := encMode.Marshal(sessionCBOR{
		Version: sessionVersion, Endpoint: s.Owner.Endpoint, Server: s.Owner.Server, Identity: s.Owner.Identity[:],
		Proof: s.Proof[:], Place: s.Place[:], Since: s.Since.Unix(), Reserved: s.Reserved, State: s.State,
	})
	if err != nil {
		panic(err) // no type here can fail to encode
	}
	return data
}

// DecodeSession reads what [EncodeSession] has written, and nothing else.
func DecodeSession(data []byte) (Session, error) {
	s, _, err := decodeSession(data)
	return s, err
}

func decodeSession(data []byte) (Session, dtls.Exported, error) {
	var c sessionCBOR
	if len(data) > maxSession || decMode.Unmarshal(data, &c) != nil || c.Version != sessionVersion {
		return Session{}, dtls.Exported{}, ErrSession
	}
	state, err := dtls.ParseExported(c.State)
	if err != nil || len(c.Identity) != sha256.Size || len(c.Proof) != sha256.Size || len(c.Place) != sha256.Size ||
		!reservable(&state, c.Reserved) {
		return Session{}, dtls.Exported{}, ErrSession
	}
	if again, _ := encMode.Marshal(c); !bytes.Equal(again, data) {
		return Session{}, dtls.Exported{}, ErrSession
	}
	return Session{
		Owner: StateOwner{Endpoint: c.Endpoint, Server: c.Server, Identity: Digest(c.Identity)},
		Proof: Digest(c.Proof), Place: Digest(c.Place), Since: time.Unix(c.Since, 0), Reserved: c.Reserved, State: c.State,
	}, state, nil
}

// reservable reports whether what is reserved fits the session.
func reservable(state *dtls.Exported, reserved uint64) bool {
	if state.Record == nil {
		return reserved == 0
	}
	return reserved >= state.Record.Next && reserved > 0 && reserved < 1<<48
}

// ClaimSession returns what a process may go on with that has found the record, and what
// has to be stored in its place before: with it nobody after that process uses a sequence
// number that it may use. ok is false where the record is of no use, or has been made in
// another place.
func ClaimSession(data []byte, place Digest) (claimed, instead []byte, ok bool) {
	s, state, err := decodeSession(data)
	if err != nil || place == (Digest{}) || s.Place != place {
		return nil, nil, false
	}
	if state.Record == nil {
		return data, data, true
	}
	from := s.Reserved
	s.Reserved += messages.SequenceBlock
	if !reservable(&state, s.Reserved) {
		return nil, nil, false
	}
	instead = EncodeSession(s)
	s.State = state.Beyond(from).Encode()
	return EncodeSession(s), instead, true
}

// Secure returns the session as network goes on with it, in the process that has claimed
// it.
func (s *Session) Secure() messages.SecureSession {
	state, err := dtls.ParseExported(s.State)
	if err != nil {
		return messages.SecureSession{}
	}
	movable := state.Record != nil
	return messages.SecureSession{
		State: s.State, Movable: movable, Suite: state.Suite.String(), Since: s.Since, Ends: state.Proof.Ends,
		Reserved: s.Reserved, Unproven: movable,
	}
}

// ProofOf binds a session to the account's address and credentials, also to what is secret
// in them: other ones have another digest. Who does not have the session's own secrets
// learns nothing about theirs.
func ProofOf(a *messages.Account, session messages.Secret) Digest {
	state, err := dtls.ParseExported(session)
	if err != nil {
		return Digest{}
	}
	key := state.Resume.Secret()
	if state.Record != nil {
		key = state.Record.Write.Key
	}
	mac := hmac.New(sha256.New, key)
	for _, part := range []any{a.URI.String(), a.Credentials} {
		if err := encMode.NewEncoder(mac).Encode(part); err != nil {
			panic(err) // no type here can fail to encode
		}
	}
	return Digest(mac.Sum(nil))
}
