package storage

import (
	"errors"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of what a disk that hangs can pile up.
const (
	maxAtDisk  = 4  // jobs at the disk, each with a goroutine
	maxWaiting = 64 // jobs that wait for it
)

// ErrBusy is the error of a job that is refused because too many wait for the
// disk.
var ErrBusy = errors.New("too many jobs wait for the disk")

// asked is the input that a job makes.
type asked struct {
	job     uint64
	request any
}

// ended is the input that the end of a job at the disk makes.
type ended struct {
	job    uint64
	answer any
}

// start takes a job to the disk.
type start struct {
	core.Marker
	job     uint64
	request any
}

// reply answers whoever has asked for a job.
type reply struct {
	core.Marker
	job    uint64
	answer any
}

// machine is the pure core. It implements core.Machine.
type machine struct {
	atDisk  []asked
	waiting []asked // in the order in which they came
}

// Step implements core.Machine.
func (m *machine) Step(_ time.Time, in any) []core.Effect {
	switch in := in.(type) {
	case asked:
		if len(m.waiting) == maxWaiting {
			return []core.Effect{reply{job: in.job, answer: failed(in.request, ErrBusy)}}
		}
		m.waiting = append(m.waiting, in)
		return m.begin()
	case ended:
		m.atDisk = slices.DeleteFunc(m.atDisk, func(a asked) bool { return a.job == in.job })
		return append([]core.Effect{reply{job: in.job, answer: in.answer}}, m.begin()...)
	}
	return nil
}

// begin takes the jobs to the disk that no other job on the same record precedes.
func (m *machine) begin() []core.Effect {
	var effects []core.Effect
	var waiting []asked
	for _, next := range m.waiting {
		if len(m.atDisk) == maxAtDisk || concerns(m.atDisk, next) || concerns(waiting, next) {
			waiting = append(waiting, next)
			continue
		}
		m.atDisk = append(m.atDisk, next)
		effects = append(effects, start{job: next.job, request: next.request})
	}
	m.waiting = waiting
	return effects
}

// concerns reports whether one of the jobs must not be under way beside next: it
// is on the same record, or one of the two is on all of them.
func concerns(jobs []asked, next asked) bool {
	record := recordOf(next.request)
	return slices.ContainsFunc(jobs, func(a asked) bool {
		other := recordOf(a.request)
		return record == other || record == everyRecord || other == everyRecord
	})
}

// everyRecord stands for all records; it is the name of none.
const everyRecord = "*"

// recordOf returns the record that a job changes, or must not see half changed.
// Records of state are read beside their writing: either generation will do.
func recordOf(request any) string {
	switch request := request.(type) {
	case messages.Save:
		if request.Record == messages.RecordServer { // read with the credentials, as they are at one time
			return messages.RecordCredentials
		}
		return request.Record
	case messages.SetAside:
		return request.Record
	case messages.LoadRecord:
		return request.Record
	case messages.ForgetCredentials:
		return everyRecord
	}
	return messages.RecordCredentials
}

// failed answers a job that could not be done.
func failed(request any, err error) any {
	switch request := request.(type) {
	case messages.LoadAccounts:
		return messages.AccountsLoaded{
			Token: request.Token, StoredErr: err, FactoryErr: err, FactoryClass: messages.ClassStoreRead,
		}
	case messages.LoadRecord:
		return messages.RecordLoaded{Token: request.Token, Stored: messages.StoredState{Err: err, Unread: true}}
	case messages.ForgetCredentials:
		return messages.CredentialsForgotten{Token: request.Token, Err: err}
	case messages.Save:
		return core.PersistFailed{Token: request.Token, Err: err}
	}
	return nil
}
