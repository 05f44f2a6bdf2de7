package messages

// RecordCredentials is the store record that holds objects 0 and 1.
const RecordCredentials = "credentials"

// Load reads one record. Anyone to store.
type Load struct {
	Token  uint64 // chosen by the asker; returned in the answer
	Record string
}

// Loaded answers [Load]. Data is nil when there is no such record.
type Loaded struct {
	Token      uint64
	Record     string
	Data       []byte
	Generation uint64
	// FellBack says that the newest generation was damaged and that Data is
	// the one before; Damaged names the bad files, which stay as evidence.
	FellBack bool
	Damaged  []string
	Err      error
}

// Save writes one record, whole, as a new generation. Anyone to store, which
// answers core.Persisted or core.PersistFailed with the same token.
type Save struct {
	Token  uint64
	Record string
	Data   []byte
}
