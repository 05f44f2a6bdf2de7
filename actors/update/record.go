package update

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// recordVersion is that of the records that this package writes.
const recordVersion = 1

// record is what is durable. It is written as JSON: small, and readable for whoever has to
// inspect one that was set aside.
type record struct {
	Version int
	Phase   Phase
	Face    Face
	// Server is the short server ID of the server that has begun the update: what comes of
	// it is reported to that one. 0 for any.
	Server   uint16
	URI      string `json:",omitempty"` // of the image
	Manifest []byte `json:",omitempty"` // DER; what came through object 10252
	// VendorData is what it has for the Installer.
	VendorData []byte `json:",omitempty"`
	Image      string `json:",omitempty"` // identifies the image in the folder
	Size       int64  `json:",omitempty"` // of the image, once all of it is there
	Hash       []byte `json:",omitempty"`
	// Asked says that the machine was to be restarted: the next start is a new version's.
	Asked bool `json:",omitempty"`
	// Until is when what was put off is due; zero when nobody has said when.
	Until time.Time `json:",omitzero"`
	// Period is how long it was to that when it was put off.
	Period time.Duration `json:",omitempty"`
	// Deadline is when a download has failed that brings nothing. It moves with what comes.
	Deadline time.Time `json:",omitzero"`
	// Verdict is why the machine goes back to the version before; nil while it does not.
	Verdict *verdict `json:",omitempty"`
	// Latest is when the installation begins even if it is put off (/5/0/13); zero for never.
	Latest time.Time `json:",omitzero"`

	Result  firmware.Result // of the last update, /10252/0/3
	Object5 int64           // the same as /5/0/5
	Detail  string          `json:",omitempty"` // why it has failed
	Package string          `json:",omitempty"` // version of the last image, /5/0/7
	Name    string          `json:",omitempty"` // SHA-256 of it, hexadecimal
	// Installed is the version that was installed last, where Configured is what the
	// configuration said then: one that says something else now knows better.
	Installed  string `json:",omitempty"`
	Configured string `json:",omitempty"`

	Campaign string    `json:",omitempty"`
	Severity int64     // /5/0/11
	MaxDefer *uint64   `json:",omitempty"` // /5/0/13, seconds
	Changed  time.Time `json:",omitzero"`  // /5/0/12

	Shown   map[string]int64 // by path: what the resources show
	Outbox  []entry          `json:",omitempty"` // oldest first
	Unread  []string         `json:",omitempty"` // paths whose value no server has, and none waits for
	Observe []expectation    `json:",omitempty"` // who observed what, when that was last known
	// Hosts are those of the management servers, by short server ID: an image may be
	// fetched from them.
	Hosts map[uint16]download.Host
}

// entry is a report: a value of a reported resource that no server has yet.
type entry struct {
	Path  string
	Value int64
}

// expectation is that a server observes reported resources.
type expectation struct {
	Server uint16
	Paths  []string
}

// newRecord is that of a client that has never had an update.
func newRecord() record {
	r := record{Version: recordVersion, Result: firmware.ResultNone, Severity: severityDefault, Shown: map[string]int64{}, Hosts: map[uint16]download.Host{}}
	for path, value := range r.values() {
		r.Shown[path.String()] = value
	}
	return r
}

// severityDefault is the value of /5/0/11 where no server has written another: mandatory.
const severityDefault = 1

// values are what the reported resources have to show of this state, when all that came
// before has been delivered.
func (r *record) values() map[lwm2m.Path]int64 {
	return map[lwm2m.Path]int64{
		firmware.PathState: r.Phase.Object5(), firmware.PathResult: r.Object5,
		firmware.PathManifestState: int64(r.Phase.State()), firmware.PathManifestResult: int64(r.Result),
	}
}

// Errors of a record that cannot be used.
var (
	errRecordVersion = errors.New("it is of another version of this program")
	errRecordContent = errors.New("its content makes no sense")
)

func encodeRecord(r *record) ([]byte, error) { return json.Marshal(r) }

// decodeRecord reads a record strictly: one that says something which this version does not
// understand is not used, rather than half of it.
func decodeRecord(data []byte) (record, error) {
	r := record{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return record{}, fmt.Errorf("the record of the firmware update cannot be read: %w", err)
	}
	if r.Version != recordVersion {
		return record{}, errRecordVersion
	}
	if _, err := decoder.Token(); err != io.EOF || !r.sound() {
		return record{}, errRecordContent
	}
	if r.Hosts == nil {
		r.Hosts = map[uint16]download.Host{}
	}
	return r, nil
}

// sound reports whether the machine can go on from a record.
func (r *record) sound() bool {
	unread := !slices.ContainsFunc(r.Unread, func(path string) bool { return !isReported(path) })
	outbox := len(r.Outbox) <= maxOutbox && !slices.ContainsFunc(r.Outbox, func(e entry) bool { return !isReported(e.Path) })
	return r.begun() && r.downloaded() && r.shows() && unread && outbox
}

// begun reports whether there is what an update has that has begun.
func (r *record) begun() bool {
	switch {
	case r.Phase >= phases || r.Face > FaceManifest:
		return false
	case r.Phase == Idle:
		return true
	case r.Face == FaceManifest && slices.Contains(beforeInstall, r.Phase):
		return len(r.Manifest) > 0
	}
	return r.Face != NoFace
}

// downloaded reports whether there is what an image has that has been downloaded.
func (r *record) downloaded() bool {
	switch r.Phase {
	case Idle, Receiving, Processing, AskingDownload, DeferredDownload, Announcing, Downloading:
		return true
	}
	return len(r.Hash) == sha256.Size
}

// shows reports whether there is a value for each reported resource, and nothing else.
func (r *record) shows() bool {
	return len(r.Shown) == len(firmware.Reported()) && !slices.ContainsFunc(firmware.Reported(), func(path lwm2m.Path) bool {
		_, shown := r.Shown[path.String()]
		return !shown
	})
}

func isReported(path string) bool {
	return slices.ContainsFunc(firmware.Reported(), func(p lwm2m.Path) bool { return p.String() == path })
}
