package accounts

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// State is what is durable of a server account beside its credentials: what the
// server knew of us when we last heard, or that it wants to hear nothing for a while. It is a cache: a state that is lost, or
// out of date, costs an Update that is refused, or a Register.
type State struct {
	Owner    StateOwner
	Location []string // Location-Path, verbatim
	Version  string   // LwM2M version that the server accepted
	Lifetime time.Duration
	Queue    bool // in queue mode, as last told
	// Accepted is when the server last accepted a Register or Update, by the
	// wall clock, in whole seconds. Unwritten is for how long after that more
	// Updates may have been accepted of which nothing was written.
	Accepted  time.Time
	Unwritten time.Duration
	Objects   Digest // of the objects as last told
	// NextMID is a message ID such that none from it on had been used when this
	// was written, as far ahead as IDs are reserved: a link that begins with it
	// repeats none of those before.
	NextMID uint16
	// Disabled is set of an account that its server has disabled: then it has been
	// de-registered, and there is no Location.
	Disabled Disabled
	// Observed says that there was a record of what the server observes: where it is not
	// there any more, the server counts on what nobody knows.
	Observed bool
}

// Disabled is a pause that a server has asked for by /1/x/4. The zero value is none.
type Disabled struct {
	Until time.Time     // by the wall clock, in whole seconds
	For   time.Duration // the whole pause: 1 s to a week, whole seconds
}

// longestBuild is how long a build is in use at most. A record of later than that
// was written when the clock was wrong.
const longestBuild = 20 * 365 * 24 * time.Hour

// Newest returns when a server last accepted something, of what several states have
// as Accepted; zero for none. A clock that stands before that is wrong. One that was once far in
// the future must not make every other clock wrong: what lies decades after the
// program was built does not count. built is zero where that is not known.
func Newest(accepted []time.Time, built time.Time) (newest time.Time) {
	for _, at := range accepted {
		if built.IsZero() || at.Before(built.Add(longestBuild)) {
			newest = validity.Later(newest, at)
		}
	}
	return newest
}

// StateOwner says whose state it is. One that belongs to another endpoint name,
// server or identity is void.
type StateOwner struct {
	Endpoint string
	Server   string // URI, in its normal form
	Identity Digest // of the credentials, without what is secret in them
}

// Digest is a SHA-256 hash.
type Digest [sha256.Size]byte

// The record "state-N" of the management account with short server ID N is one
// CBOR array (RFC 8949, core deterministic encoding), in CDDL:
//
//	state = [version: 3, endpoint: tstr, server: tstr, identity: bstr .size 32,
//	         location: [*16 tstr], lwm2m: tstr, lifetime: uint,
//	         accepted: int, unwritten: uint, objects: bstr .size 32,
//	         next-mid: uint16, queue: bool, disabled-until: int,
//	         disabled-for: uint, observed: bool]
//
// Times are in seconds, accepted and disabled-until since 1970. The location is empty
// of an account that is disabled, and disabled-for is 0 of any other. The version comes
// first in every version of the format; version 1, which ends with next-mid, and version
// 2, which ends with disabled-for, are read and not written any more.
const stateVersion = 3

// MaxState bounds a record of state, in bytes.
const MaxState = 8 << 10

// maxStateSeconds bounds the durations in a state, such that they fit into a
// time.Duration.
const maxStateSeconds = 1 << 33

// StateReason says why a state was refused.
type StateReason string

// The reasons of a [StateError].
const (
	StateTooLarge  StateReason = "larger than 8 KiB"
	StateMalformed StateReason = "not the CBOR of a record of state"
	StateNewer     StateReason = "written by a later version"
	StateContent   StateReason = "holds an impossible value"
	StateForm      StateReason = "not in the form in which it is written"
)

// StateError is the error of [DecodeState] and [EncodeState].
type StateError struct{ Reason StateReason }

// Error implements error.
func (e *StateError) Error() string { return "record of state: " + string(e.Reason) }

// firstCBOR is version 1 of a record, and the first part of the later ones.
type firstCBOR struct {
	_         struct{} `cbor:",toarray"`
	Version   uint64
	Endpoint  string
	Server    string
	Identity  []byte
	Location  []string
	LwM2M     string
	Lifetime  uint64
	Accepted  int64
	Unwritten uint64
	Objects   []byte
	NextMID   uint16
}

// secondCBOR is version 2 of a record.
type secondCBOR struct {
	_         struct{} `cbor:",toarray"`
	Version   uint64
	Endpoint  string
	Server    string
	Identity  []byte
	Location  []string
	LwM2M     string
	Lifetime  uint64
	Accepted  int64
	Unwritten uint64
	Objects   []byte
	NextMID   uint16

	Queue         bool
	DisabledUntil int64
	DisabledFor   uint64
}

type stateCBOR struct {
	_         struct{} `cbor:",toarray"`
	Version   uint64
	Endpoint  string
	Server    string
	Identity  []byte
	Location  []string
	LwM2M     string
	Lifetime  uint64
	Accepted  int64
	Unwritten uint64
	Objects   []byte
	NextMID   uint16

	Queue         bool
	DisabledUntil int64
	DisabledFor   uint64
	Observed      bool
}

// EncodeState makes the content of a record. It refuses what [DecodeState] would
// not read as the same state.
func EncodeState(s State) ([]byte, error) {
	c := stateCBOR{
		Version: stateVersion, Endpoint: s.Owner.Endpoint, Server: s.Owner.Server, Identity: s.Owner.Identity[:],
		Location: append([]string{}, s.Location...), LwM2M: s.Version, Lifetime: seconds(s.Lifetime), Accepted: s.Accepted.Unix(),
		Unwritten: seconds(s.Unwritten), Objects: s.Objects[:], NextMID: s.NextMID,
		Queue: s.Queue, DisabledFor: seconds(s.Disabled.For), Observed: s.Observed,
	}
	if !s.Disabled.Until.IsZero() {
		c.DisabledUntil = s.Disabled.Until.Unix()
	}
	data, err := encMode.Marshal(c)
	if err != nil {
		panic(err) // no type here can fail to encode
	}
	if _, err := DecodeState(data); err != nil {
		return nil, err
	}
	return data, nil
}

// seconds returns whole seconds; a negative duration makes an impossible value.
func seconds(d time.Duration) uint64 { return uint64(d / time.Second) }

// DecodeState reads what [EncodeState] has written, and nothing else. The error is
// a [*StateError].
func DecodeState(data []byte) (State, error) {
	if len(data) > MaxState {
		return State{}, &StateError{StateTooLarge}
	}
	version, known := versionOf(data)
	switch {
	case known && version == 1:
		return decodeAs(data, new(firstCBOR), (*firstCBOR).now)
	case known && version == 2:
		return decodeAs(data, new(secondCBOR), (*secondCBOR).now)
	case known && version > stateVersion && decMode.Wellformed(data) == nil:
		return State{}, &StateError{StateNewer}
	}
	return decodeAs(data, new(stateCBOR), func(c *stateCBOR) *stateCBOR { return c })
}

// decodeAs reads one version of a record into c, of which now makes the present one.
func decodeAs[T any](data []byte, c *T, now func(*T) *stateCBOR) (State, error) {
	if decMode.Unmarshal(data, c) != nil {
		return State{}, &StateError{StateMalformed}
	}
	form := now(c)
	switch again, _ := encMode.Marshal(c); {
	case !form.possible():
		return State{}, &StateError{StateContent}
	case !bytes.Equal(again, data):
		return State{}, &StateError{StateForm}
	}
	return form.state(), nil
}

// now returns a record of version 1 as the present one has it: nobody was disabled.
func (c *firstCBOR) now() *stateCBOR {
	return &stateCBOR{
		Version: c.Version, Endpoint: c.Endpoint, Server: c.Server, Identity: c.Identity, Location: c.Location,
		LwM2M: c.LwM2M, Lifetime: c.Lifetime, Accepted: c.Accepted, Unwritten: c.Unwritten, Objects: c.Objects,
		NextMID: c.NextMID,
	}
}

// now returns a record of version 2 as the present one has it: nothing was observed.
func (c *secondCBOR) now() *stateCBOR {
	return &stateCBOR{
		Version: c.Version, Endpoint: c.Endpoint, Server: c.Server, Identity: c.Identity, Location: c.Location,
		LwM2M: c.LwM2M, Lifetime: c.Lifetime, Accepted: c.Accepted, Unwritten: c.Unwritten, Objects: c.Objects,
		NextMID: c.NextMID, Queue: c.Queue, DisabledUntil: c.DisabledUntil, DisabledFor: c.DisabledFor,
	}
}

// versionOf returns the version of a record, in whatever form the rest is: it is the
// first item of an array. The rest is not decoded, as that of each record that is written.
func versionOf(data []byte) (version uint64, ok bool) {
	const array, items, short = 4 << 5, 1<<5 - 1, 24 // RFC 8949 section 3
	if len(data) == 0 || data[0]&^items != array || data[0]&items >= short {
		return 0, false
	}
	_, err := decMode.UnmarshalFirst(data[1:], &version)
	return version, err == nil
}

func (c *stateCBOR) possible() bool {
	about := c.registration
	if c.DisabledFor > 0 {
		about = c.disabled
	}
	return c.Version >= 1 && c.Endpoint != "" && c.Server != "" && about() &&
		len(c.Identity) == sha256.Size && len(c.Objects) == sha256.Size &&
		c.Lifetime <= maxStateSeconds && c.Unwritten <= maxStateSeconds
}

// registration reports whether a record may be that of a registration.
func (c *stateCBOR) registration() bool {
	return c.LwM2M != "" && usableLocation(c.Location) && c.DisabledUntil == 0
}

// disabled reports whether a record may be that of an account which is disabled.
func (c *stateCBOR) disabled() bool {
	return c.Location != nil && len(c.Location) == 0 && c.LwM2M == "" && c.Lifetime == 0 && !c.Queue && !c.Observed && c.DisabledFor <= maxHoldOff
}

// Limits of a Location-Path, as registration has them.
const (
	maxLocationSegments = 16
	maxLocationBytes    = 1024
)

func usableLocation(path []string) bool {
	total := 0
	for _, segment := range path {
		total += len(segment)
	}
	return len(path) > 0 && len(path) <= maxLocationSegments && total <= maxLocationBytes && requests.CheckLocation(path) == nil
}

func (c *stateCBOR) state() State {
	s := State{
		Owner:    StateOwner{Endpoint: c.Endpoint, Server: c.Server, Identity: Digest(c.Identity)},
		Location: c.Location, Version: c.LwM2M, Lifetime: time.Duration(c.Lifetime) * time.Second,
		Accepted: time.Unix(c.Accepted, 0), Unwritten: time.Duration(c.Unwritten) * time.Second,
		Objects: Digest(c.Objects), NextMID: c.NextMID, Queue: c.Queue, Observed: c.Observed,
	}
	if c.DisabledFor > 0 {
		s.Disabled = Disabled{Until: time.Unix(c.DisabledUntil, 0), For: time.Duration(c.DisabledFor) * time.Second}
		s.Location = nil
	}
	return s
}

// CheckState says what is wrong with the content of a record of state, if anything
// is. The error is a [*StateError].
func CheckState(data []byte) error {
	_, err := DecodeState(data)
	return err
}

// IsNewer reports whether a record of state was refused because a later version
// wrote it: then it is not damaged.
func IsNewer(err error) bool {
	var refused *StateError
	return errors.As(err, &refused) && refused.Reason == StateNewer
}

// OwnerOf returns whose the states of an account are. The pre-shared key is left
// out: servers know a client by the identity, and the digest of a weak key would
// give it away.
func OwnerOf(endpoint string, a messages.Account) StateOwner {
	c := a.Credentials
	parts := [][]byte{{byte(c.Mode)}, []byte(c.Identity)}
	parts = append(parts, c.Certificate...)
	return StateOwner{Endpoint: endpoint, Server: a.URI.String(), Identity: digest(parts...)}
}

// DigestObjects returns the digest of an object list.
func DigestObjects(objects []messages.ObjectEntry) Digest {
	var parts [][]byte
	for _, o := range objects {
		part := binary.BigEndian.AppendUint16([]byte(o.Version), o.ID)
		for _, id := range o.Instances {
			part = binary.BigEndian.AppendUint16(part, id)
		}
		parts = append(parts, binary.BigEndian.AppendUint32(nil, uint32(len(o.Version))), part)
	}
	return digest(parts...)
}

// digest hashes parts so that their borders count.
func digest(parts ...[]byte) Digest {
	hash := sha256.New()
	for _, part := range parts {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		hash.Write(part)
	}
	return Digest(hash.Sum(nil))
}
