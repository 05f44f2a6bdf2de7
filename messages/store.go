package messages

import (
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Records of the store.
const (
	// RecordCredentials holds objects 0, 1 and 2 as a bootstrap delivered them.
	RecordCredentials = "credentials"
	// RecordFactory holds objects 0 and 1 as the factory provisioned them.
	RecordFactory = "factory"
	// RecordServer holds objects 1 and 2 of the factory's accounts as management servers
	// have written them; what they write to an account that a bootstrap delivered is
	// in RecordCredentials.
	RecordServer = "server"
	// RecordStates begins the names of the records of state, one for each
	// management account.
	RecordStates = "state-"
	// RecordEnrolments begins the names of the records of certificates that were enrolled
	// for, and of their keys, one for each management account that has one.
	RecordEnrolments = "enrolment-"
	// RecordsOfObservations begins the names of the records of what management
	// servers observe, one for each management account.
	RecordsOfObservations = "observations-"
	// RecordsOfSessions begins the names of the records of DTLS sessions, one for each
	// management account.
	RecordsOfSessions = "session-"
)

// SessionRecord returns the name of the record of a management server's session.
func SessionRecord(p Peer) string { return RecordsOfSessions + strconv.Itoa(int(p.ID)) }

// StateRecord returns the name of the record of state of a management server.
func StateRecord(p Peer) string { return RecordStates + strconv.Itoa(int(p.ID)) }

// EnrolmentRecord returns the name of the record of the certificate of an account.
func EnrolmentRecord(p Peer) string { return RecordEnrolments + strconv.Itoa(int(p.ID)) }

// EnrolmentOf returns the short server ID of the account whose certificate a record has,
// by the record's name; ok is false for any other record.
func EnrolmentOf(record string) (id uint16, ok bool) {
	number, found := strings.CutPrefix(record, RecordEnrolments)
	n, err := strconv.ParseUint(number, 10, 16)
	return uint16(n), found && err == nil && record == RecordEnrolments+strconv.FormatUint(n, 10)
}

// ObservationsRecord returns the name of the record of what a management server
// observes.
func ObservationsRecord(p Peer) string { return RecordsOfObservations + strconv.Itoa(int(p.ID)) }

// LoadRecord reads one record. Management to store.
type LoadRecord struct {
	Token  uint64 // chosen by the asker; returned in the answer
	Record string
}

// RecordLoaded answers [LoadRecord].
type RecordLoaded struct {
	Token  uint64
	Stored StoredState // nothing where there is no such record
}

// LoadAccounts reads everything that accounts come from, anew each time: what a
// bootstrap has stored, and the factory's account of the configuration, with
// every file that it names, or of a provisioned store. Supervisor to store.
type LoadAccounts struct {
	Token  uint64 // chosen by the asker; returned in the answer
	States bool   // the records of state are asked for too
}

// StoredState is a record beside the credentials as it was found.
type StoredState struct {
	Data []byte
	// Err says why the newest generation cannot be used; Data is nil then. A
	// record of state that a later version has written is no error: it is not there.
	Err error
	// Unread says that the cause may pass: reading again can find it gone.
	Unread bool
}

// AccountsLoaded answers [LoadAccounts].
type AccountsLoaded struct {
	Token uint64
	// Stored is the record of credentials; nil when there is none.
	Stored []byte
	// FellBack says that the newest generation could not be used and that
	// Stored is one before it; the bad files stay as evidence. Cause says what
	// is wrong with the newest; nil unless FellBack.
	FellBack bool
	Cause    error
	// Unread says that the newest generation is not damaged but could not be
	// read: another time it may be.
	Unread bool
	// StoredErr says why no generation of the record can be used.
	StoredErr error
	// Held says why Stored is in memory only; nil when it is on the disk.
	Held error
	// Refused is the newest content that is intact, where StoredErr is about
	// what it says: its bootstrap account may still serve. Nil for none.
	Refused []byte
	// Factory holds objects 0 and 1 of those of the factory's accounts that
	// can be used; nil when none could be read. FactoryCause says what is wrong
	// with the newest provisioned record where Factory is one before it.
	Factory      *lwm2m.Tree
	FactoryCause error
	// FactoryErr says what is wrong with the others, and FactoryClass what kind
	// of failure that is: ClassBadCredentials or ClassStoreRead.
	FactoryErr   error
	FactoryClass Class
	// Written is the record of what management servers have written to the
	// factory's accounts; nothing when there is none.
	Written StoredState
	// States are the records of state and of enrolments by name, where they were asked for.
	States map[string]StoredState
	// Sessions are the records of sessions by name, where those of state were asked for.
	// They have been claimed: nobody else goes on with what the client may go on with.
	Sessions map[string][]byte
	// Place is where the records are, for those of sessions; zero where that cannot be
	// told: then none may be stored.
	Place [32]byte
}

// ForgetCredentials removes the stored credentials, so that the factory's
// account counts again, and before them all that servers have left: the records of
// state, and what they have written. Supervisor to store.
type ForgetCredentials struct{ Token uint64 }

// CredentialsForgotten answers [ForgetCredentials].
type CredentialsForgotten struct {
	Token uint64
	Err   error
}

// Save writes one record, whole, as a new generation, or removes it. Shell of any
// actor to store, which answers core.Persisted or core.PersistFailed with the
// same token.
type Save struct {
	Token  uint64 // chosen by the shell; no two in a process are the same
	Record string
	Data   []byte // nil removes the record; one of state may come back after a power loss
	Hold   bool   // core.Persist has it, too; for RecordCredentials only
}

// SetAside keeps a record from being read again, without destroying it: for a
// state that crashes whoever uses it, or that whoever uses it does not understand. Supervisor
// and update to store, which does not answer.
type SetAside struct{ Record string }
