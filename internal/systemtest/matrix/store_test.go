package matrix_test

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/store"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/systemtest/matrix"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// Code 4: no packet leaves with unusable credentials; a person is needed, and
// the client looks again by the policy. A client with credentials from a
// bootstrap goes on with those.
func playUnusableCredentials(s *scene) {
	var mend func()
	if s.stored == matrix.Provisioned {
		mend = s.emptyFactory()
	} else {
		mend = s.nameKeyFile(func(string) error { return nil }) // it is missing
	}
	s.playUnusableStart(mend)
}

// Code 17: what the store or a named file holds cannot be read. The previous
// good generation, or what else there is, is used; nothing is overwritten.
func playUnreadableCredentials(s *scene) {
	switch s.stored {
	case matrix.Fresh:
		// A regular file whose content cannot be read, whoever asks.
		s.playUnusableStart(s.nameKeyFile(func(path string) error { return os.Symlink("/proc/self/mem", path) }))
	case matrix.Provisioned:
		s.playUnusableStart(s.damage(messages.RecordFactory))
	default:
		s.playDamagedCredentials()
	}
}

// playUnusableStart plays two looks in vain and one that helps.
func (s *scene) playUnusableStart(mend func()) {
	before, packets := s.records(), len(s.Network.Packets())
	s.launch()
	var last holdfast.Event
	for n := range uint64(2) {
		e := s.expectError()
		retry, announced := e.RetryIn()
		if !announced || retry != systemtest.Delay(5*time.Second, n) || e.Attempt != n+1 || e.Phase != "store" {
			s.T.Errorf("%+v", e)
		}
		last = e
	}
	s.sameRecords(before)
	stored := s.stored == matrix.Bootstrapped
	if n := len(s.Network.Packets()) - packets; n != 0 && !stored {
		s.T.Errorf("%d packets left", n)
	}
	mend()
	if !stored {
		retry, _ := last.RetryIn()
		at := last.Time.Add(retry)
		if e := s.client.Next(holdfast.EventRegistered); !e.Time.Equal(at) {
			s.T.Errorf("registered at %v, want %v", e.Time, at)
		}
	}
	s.patient()
	s.finish()
}

// playDamagedCredentials plays a record of a bootstrap that is damaged: it is
// kept as evidence, and the client bootstraps from the factory's account.
func (s *scene) playDamagedCredentials() {
	content := systemtest.FlipByte(s.T, s.cfg.StateDir)
	s.launch()
	if e := s.expectError(); e.Phase != "store" {
		s.T.Errorf("%+v", e)
	}
	s.client.Next(holdfast.EventBootstrapped)
	s.client.Next(holdfast.EventRegistered)
	if !systemtest.Evidence(s.T, s.cfg.StateDir, content) {
		s.T.Error("the damaged record is gone")
	}
	s.finish()
}

// nameKeyFile makes the configuration name a file for the key of its account,
// spoils it, and returns what corrects it.
func (s *scene) nameKeyFile(spoil func(path string) error) (mend func()) {
	path := filepath.Join(s.T.TempDir(), "psk")
	account, key := s.cfg.Server, systemtest.Key
	if account == nil {
		account, key = s.cfg.Bootstrap, systemtest.BootstrapKey
	}
	account.PSKKey, account.PSKKeyFile = nil, path
	if err := spoil(path); err != nil {
		s.T.Fatal(err)
	}
	return func() {
		_ = os.Remove(path) // it may be missing
		if err := os.WriteFile(path, []byte(hex.EncodeToString(key)), 0o600); err != nil {
			s.T.Fatal(err)
		}
	}
}

// emptyFactory replaces the provisioned record by one without an account.
func (s *scene) emptyFactory() (mend func()) {
	empty := s.T.TempDir()
	opened, err := store.Open(s.T.Context(), store.Options{Dir: empty})
	if err != nil {
		s.T.Fatal(err)
	}
	_, err = opened.Save(messages.RecordFactory, accounts.Encode(lwm2m.NewTree()))
	if err := errors.Join(err, opened.Close()); err != nil {
		s.T.Fatal(err)
	}
	return s.exchange(messages.RecordFactory, func(string) []byte { return s.read(recordFile(s.T, empty, messages.RecordFactory)) })
}

// damage flips a byte of a record.
func (s *scene) damage(record string) (mend func()) {
	return s.exchange(record, func(file string) []byte {
		data := s.read(file)
		data[len(data)/2] ^= 1
		return data
	})
}

// exchange replaces the content of a record's file and returns what puts the
// former content back.
func (s *scene) exchange(record string, content func(file string) []byte) (mend func()) {
	file := recordFile(s.T, s.cfg.StateDir, record)
	former := s.read(file)
	s.write(file, content(file))
	return func() { s.write(file, former) }
}

func (s *scene) read(file string) []byte {
	data, err := os.ReadFile(file)
	if err != nil {
		s.T.Fatal(err)
	}
	return data
}

func (s *scene) write(file string, data []byte) {
	if err := os.WriteFile(file, data, 0o600); err != nil {
		s.T.Fatal(err)
	}
}

// Code 10 at the start: more accounts are stored than limits.accounts allows,
// since it was lowered. Those with the lowest short server IDs are used, the
// others are kept, and all are used again when the limit is raised.
func playTooManyAccounts(s *scene) {
	s.storeAccounts(3)
	before := s.records()
	s.cfg.Limits.Accounts = 1
	s.launch()
	e := s.expectError()
	if e.Phase != "store" || e.Action != holdfast.ActionUser || !strings.Contains(e.Detail, "limits.accounts") || !strings.Contains(e.Detail, "IDs 2, 3 are kept") {
		s.T.Errorf("%+v", e)
	}
	s.client.Next(holdfast.EventRegistered)
	s.demandServers(1)
	s.sameRecords(before)
	s.finish()

	s.cfg.Limits.Accounts = 3
	s.launch()
	for range 3 {
		s.client.Next(holdfast.EventRegistered)
	}
	s.demandServers(3)
	s.sameRecords(before)
	s.finish()
}

// storeAccounts has a bootstrap store n accounts of the management server.
func (s *scene) storeAccounts(n int) {
	s.delivers = matrix.Former
	s.deliverWrites(s.accountWrites(n), nil)
	c := s.Start(s.cfg)
	c.Next(holdfast.EventRegistered)
	if err := c.Bootstrap(context.Background()); err != nil {
		s.T.Fatal(err)
	}
	c.Next(holdfast.EventBootstrapped)
	for range n {
		c.Next(holdfast.EventRegistered)
	}
	c.ExpectClose(nil)
}

func (s *scene) accountWrites(n int) (writes []lwm2mtest.BootstrapWrite) {
	account := s.account()
	for i := range uint16(n) {
		account.SecurityInstance, account.ServerInstance, account.ShortServerID = i+1, i, i+1
		writes = append(writes, account.Writes()...)
	}
	return writes
}

// demandServers demands that so many management accounts are in use, registered.
func (s *scene) demandServers(n int) {
	s.T.Helper()
	registered := 0
	for _, c := range s.client.Status().Connections {
		if c.State == holdfast.Registered {
			registered++
		}
	}
	if registered != n {
		s.T.Errorf("%d accounts are registered, want %d: %+v", registered, n, s.client.Status().Connections)
	}
}
