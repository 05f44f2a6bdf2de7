package storage

import (
	"errors"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/admission"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// Records is what the actor needs of a store. *store.Store implements it.
type Records interface {
	Load(name string) (store.Record, error)
	Save(name string, data []byte) (generation uint64, err error)
	Delete(name string) error
	Drop(name string) error
	SetAside(name string) error
	Names(prefix string) ([]string, error)
}

// Sources are what the actor reads from and writes to.
type Sources struct {
	Records Records
	// Factory reads the factory's accounts anew: the configuration with its
	// files, or the provisioned record. Beside an error it returns what can be
	// used all the same, nil for nothing. An error that has a method
	// Code() messages.ErrorCode is classified by it; one that has a method
	// FellBack() bool that says yes is about a newer record, and all that an
	// older one holds is returned beside it.
	Factory func() (*lwm2m.Tree, error)
	// Places are those of all clients of the process; nil for as many as there are jobs.
	Places *admission.Places

	held *held
}

// perform does one job at the disk.
func (s Sources) perform(request any) any {
	switch request := request.(type) {
	case messages.LoadAccounts:
		return s.load(request)
	case messages.LoadRecord:
		return messages.RecordLoaded{Token: request.Token, Stored: s.beside(request.Record)}
	case messages.ForgetCredentials:
		return messages.CredentialsForgotten{Token: request.Token, Err: s.forget()}
	case messages.SetAside:
		_ = s.Records.SetAside(request.Record) // what stays is refused by whoever reads it, or crashes it again
	case messages.Save:
		err := s.save(request)
		switch {
		case err == nil && request.Record == messages.RecordCredentials:
			s.held.drop()
		case err != nil && s.held.keep(request, err):
			return core.Persisted{Token: request.Token, Held: err}
		case err != nil:
			return failed(request, err)
		}
		return core.Persisted{Token: request.Token}
	}
	return nil
}

func (s Sources) save(request messages.Save) error {
	if request.Data == nil {
		return s.remove(request.Record)
	}
	_, err := s.Records.Save(request.Record, request.Data)
	return err
}

// remove does not wait for the medium where a record of state is removed: that one
// may come back, and costs an Update and a Register then. One of observations that
// comes back costs notifications that the server rejects.
func (s Sources) remove(record string) error {
	if strings.HasPrefix(record, messages.RecordStates) || strings.HasPrefix(record, messages.RecordsOfObservations) {
		return s.Records.Drop(record)
	}
	return s.Records.Delete(record)
}

// forget goes back to the factory's accounts.
func (s Sources) forget() error {
	err := Forget(s.Records)
	if err == nil {
		s.held.drop()
	}
	return err
}

// Forget removes what a bootstrap and servers have left: the credentials last, to
// which the rest belongs. It serves a directory without a client, too.
func Forget(records Records) error {
	names, err := namesOf(records, messages.RecordStates, messages.RecordsOfObservations, messages.RecordsOfSessions, messages.RecordEnrolments)
	for i := 0; i < len(names) && err == nil; i++ {
		err = records.Delete(names[i])
	}
	for _, name := range []string{messages.RecordServer, messages.RecordCredentials} {
		if err == nil {
			err = records.Delete(name)
		}
	}
	return err
}

// namesOf lists the records whose names begin with one of the prefixes.
func namesOf(records Records, prefixes ...string) (names []string, err error) {
	for _, prefix := range prefixes {
		found, failed := records.Names(prefix)
		names, err = append(names, found...), errors.Join(err, failed)
	}
	return names, err
}

// states reads the records of state. A directory that cannot be read has none: the
// record of credentials says so.
func (s Sources) states(names []string) map[string]messages.StoredState {
	states := map[string]messages.StoredState{}
	for _, name := range names {
		if !strings.HasPrefix(name, messages.RecordStates) && !strings.HasPrefix(name, messages.RecordEnrolments) {
			continue
		}
		if state := s.beside(name); state.Data != nil || state.Err != nil && !accounts.IsNewer(state.Err) {
			states[name] = state
		}
	}
	return states
}

// Newest returns the latest instant that has passed, by the records that can be read:
// a server accepted something, or a stored certificate became valid; zero for none.
// built is when this program was built.
func Newest(records Records, built time.Time) time.Time {
	var accepted []time.Time
	names, _ := records.Names(messages.RecordStates)
	for _, name := range names {
		record, err := records.Load(name)
		if err != nil {
			continue
		}
		if state, err := accounts.DecodeState(record.Data); err == nil {
			accepted = append(accepted, state.Accepted)
		}
	}
	return validity.Later(accounts.Newest(accepted, built), newestStored(records))
}

// newestStored returns when the newest certificate that a bootstrap has delivered
// became valid.
func newestStored(records Records) (newest time.Time) {
	record, err := records.Load(messages.RecordCredentials)
	if err != nil {
		return newest
	}
	tree, err := accounts.Decode(record.Data)
	if err != nil {
		return newest
	}
	delivered, _ := accounts.FromTree(tree)
	return accounts.NewestCertificate(delivered)
}

// beside reads a record that stands beside the credentials; nothing when there is
// none. A generation before the newest does not do: since then Locations have
// changed, message IDs have been used, and servers have been told that what they
// wrote is durable.
func (s Sources) beside(name string) messages.StoredState {
	record, err := s.Records.Load(name)
	if err == nil && record.FellBack {
		err = record.Cause
	}
	switch {
	case errors.Is(err, store.ErrNotExist):
		return messages.StoredState{}
	case err != nil:
		return messages.StoredState{Err: err, Unread: passing(err)}
	}
	return messages.StoredState{Data: record.Data}
}

// passing reports whether what is wrong with a record may pass: not what was read,
// and is damaged.
func passing(err error) bool {
	var damage store.Damage
	return !errors.As(err, &damage)
}

func (s Sources) load(request messages.LoadAccounts) messages.AccountsLoaded {
	answer := messages.AccountsLoaded{Token: request.Token}
	answer.Place = s.place()
	if request.States {
		names, _ := s.Records.Names("") // the directory is read once
		answer.States, answer.Sessions = s.states(names), s.sessions(names, answer.Place)
	}
	if answer.Stored, answer.Held = s.held.settle(s.Records); answer.Held == nil {
		s.credentials(&answer)
	}
	answer.Written = s.beside(messages.RecordServer)
	s.factory(&answer)
	return answer
}

// credentials reads the record of credentials.
func (s Sources) credentials(answer *messages.AccountsLoaded) {
	record, err := s.Records.Load(messages.RecordCredentials)
	if !errors.Is(err, store.ErrNotExist) {
		answer.Stored, answer.StoredErr = record.Data, err
		answer.FellBack, answer.Cause = record.FellBack, record.Cause
		answer.Unread = record.FellBack && passing(record.Cause)
	}
	var unusable *store.ReadError
	if errors.As(err, &unusable) {
		answer.Refused = unusable.Refused
	}
}

// factory reads the factory's accounts.
func (s Sources) factory(answer *messages.AccountsLoaded) {
	var err error
	answer.Factory, err = s.Factory()
	var older interface{ FellBack() bool }
	switch {
	case errors.As(err, &older) && older.FellBack():
		answer.FactoryCause = err
	case err != nil:
		answer.FactoryErr, answer.FactoryClass = err, classOf(err)
	}
}

// classOf tells a file that could not be read from one that cannot be used.
func classOf(err error) messages.Class {
	var coded interface{ Code() messages.ErrorCode }
	if errors.As(err, &coded) && coded.Code() == messages.ConnectorFailedToReadCredentials {
		return messages.ClassStoreRead
	}
	return messages.ClassBadCredentials
}
