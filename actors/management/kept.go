package management

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/reporting"
	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of waits for the store.
const (
	loadBound   = 30 * time.Second
	writeAgain  = time.Minute // after a write that has failed
	nameRecords = "observations"
)

// timerRecord ends the wait for the record of a server, or for when it is written again.
func timerRecord(peer messages.Peer) core.Timer {
	return core.Timer{Name: nameRecords, Key: peer.Key()}
}

// record is what is known of the durable record of an observer. Nothing is written
// before it has been read, and one write is under way at a time; what is asked for
// meanwhile shares the next.
type record struct {
	read    bool // what there was has been read
	resumed bool // the registration goes on: what is found counts
	found   *reporting.Record
	owed    bool                       // there was one, by the record of state
	lost    bool                       // it cannot be read, or is not there
	absent  bool                       // there was none
	failed  bool                       // it could not be written
	said    *messages.ObservationsKept // nil where that has to be said anew
	onDisk  bool
	writing bool
	dirty   bool
	waiting []core.Effect // for the next write
}

// void drops what was found: it belongs to a registration that is over.
func (r *record) void() { r.found, r.owed, r.lost, r.resumed = nil, false, false, false }

// load reads what outlived the process.
func (m *Machine) load(o *observer) []core.Effect {
	return []core.Effect{
		core.Tell{To: core.Store, Message: messages.LoadRecord{Token: o.peer.Key(), Record: messages.ObservationsRecord(o.peer)}},
		core.SetTimer{Timer: timerRecord(o.peer), After: loadBound},
	}
}

// loaded takes what the store has found.
func (m *Machine) loaded(in messages.RecordLoaded) []core.Effect {
	o := m.observers.of(messages.PeerOfKey(in.Token))
	if o == nil || o.record.read {
		return nil
	}
	r := &o.record
	r.read, r.onDisk = true, in.Stored.Data != nil || in.Stored.Err != nil
	if r.onDisk {
		m.decode(o, in.Stored)
	}
	r.absent = !r.onDisk
	o.numbersRead(r.found)
	effects := []core.Effect{core.StopTimer{Timer: timerRecord(o.peer)}}
	switch {
	case o.epoch != 0 && r.resumed:
		effects = append(effects, m.takeUp(o)...)
	case o.epoch != 0:
		r.void()
	}
	if r.dirty || r.onDisk && !r.resumed && o.epoch != 0 {
		effects = append(effects, m.write(o)...)
	}
	if !r.writing {
		effects = append(effects, m.say(o)...)
	}
	return append(effects, m.flush(o)...)
}

// say tells the supervisor what there is on the disk, where that is news.
func (m *Machine) say(o *observer) []core.Effect {
	kept := messages.ObservationsKept{Peer: o.peer, Record: o.record.onDisk, Behind: o.record.failed}
	if o.record.said != nil && *o.record.said == kept {
		return nil
	}
	o.record.said = &kept
	return []core.Effect{tell(kept)}
}

// decode reads a record that was found. One of another owner cannot belong to a
// registration that goes on.
func (m *Machine) decode(o *observer, stored messages.StoredState) {
	found, err := reporting.DecodeRecord(o.peer, stored.Data)
	if stored.Err != nil || err != nil || found.Owner != m.owners()[o.peer] {
		o.record.lost = true
		return
	}
	o.record.found = &found
}

// takeUp goes on with what was found. What cannot be read leads to a Register: the
// server may count on what we have forgotten.
func (m *Machine) takeUp(o *observer) []core.Effect {
	r := &o.record
	r.resumed = true
	switch {
	case !r.read:
		return nil
	case r.lost, r.owed && r.absent:
		r.lost, r.owed = false, false
		return []core.Effect{tell(messages.ObservationsLost{Epoch: o.epoch})}
	case r.found == nil:
		r.owed = false
		return nil
	}
	m.restore(o, r.found)
	r.found, r.owed = nil, false
	return nil
}

// restore adds what was found to what the server has asked for since.
func (m *Machine) restore(o *observer, found *reporting.Record) {
	o.attributes = merged(o.attributes, found.Attributes)
	for _, spec := range found.Observations {
		if m.observed.Get(spec.Peer, spec.Token) != nil {
			continue
		}
		if ob, _ := m.observed.Begin(spec); ob != nil {
			insert(&m.observations, ob.ID, &observation{Observation: ob, epoch: o.epoch, unsure: true})
			ob.Certain = m.reportsOnly(ob)
			m.schedule(ob) // at once
		}
	}
	m.refreshAll(o)
}

// keep makes durable what a server has asked for; then is carried out when it is. A
// write that fails holds up nothing: it is done again.
func (m *Machine) keep(o *observer, then ...core.Effect) []core.Effect {
	r := &o.record
	r.waiting = append(r.waiting, then...)
	r.dirty = true
	if !r.read || r.writing {
		return nil
	}
	return m.write(o)
}

// write writes the record, or removes it where there is nothing to say.
func (m *Machine) write(o *observer) []core.Effect {
	r := &o.record
	then := r.waiting
	r.waiting, r.dirty = nil, false
	data, ok := m.encode(o)
	if !ok || data == nil && !r.onDisk {
		return then
	}
	r.writing, r.onDisk = true, data != nil
	return append([]core.Effect{core.Persist{Token: o.peer.Key(), Record: messages.ObservationsRecord(o.peer), Data: data}}, then...)
}

// encode makes the content of the record; nil for nothing to say. ok is false where it
// cannot be written: the server is no account of the model that we know.
func (m *Machine) encode(o *observer) (data []byte, ok bool) {
	observations, ending := m.observed.Of(o.peer), o.outbox.ending()
	if len(observations) == 0 && len(ending) == 0 && o.attributes.Len() == 0 && o.record.found == nil {
		return nil, true
	}
	owner, known := m.owners()[o.peer]
	if !known {
		return nil, false
	}
	reserved, _ := o.sequence.Reserve()
	content := reporting.Record{Owner: owner, Sequence: reserved, Attributes: o.attributes, Observations: ending}
	for _, ob := range observations {
		content.Observations = append(content.Observations, ob.Spec)
	}
	content = o.record.withFound(content)
	if data, err := reporting.EncodeRecord(content); err == nil {
		return data, true
	}
	return unwritable, m.config.Endpoint != ""
}

// withFound adds to a record what was found and is not taken up yet: a request has overtaken
// the announcement of the session, which says whether that goes on. The process may end before
// it comes.
func (r *record) withFound(content reporting.Record) reporting.Record {
	if r.found == nil {
		return content
	}
	content.Attributes = merged(content.Attributes, r.found.Attributes)
	for _, spec := range r.found.Observations {
		same := func(other reporting.Spec) bool { return other.Token == spec.Token }
		if !slices.ContainsFunc(content.Observations, same) {
			content.Observations = append(content.Observations, spec)
		}
	}
	return content
}

// merged is a table with what another has where it has nothing.
func merged(table, other reporting.Table) (all reporting.Table) {
	for _, path := range slices.Concat(table.Paths(), other.Paths()) {
		a := table.At(path)
		if a.IsZero() {
			a = other.At(path)
		}
		_ = all.Put(path, a) // a table that was full is not fuller now
	}
	return all
}

// unwritable takes the place of a record that is too large: it cannot be read, which
// leads to a Register, while a record of before would be taken for what there is.
var unwritable = []byte{0}

// persisted goes on behind a write.
func (m *Machine) persisted(token uint64, failed bool) []core.Effect {
	o := m.observers.of(messages.PeerOfKey(token))
	if o == nil {
		return nil
	}
	r := &o.record
	r.writing, r.failed = false, failed
	again := r.dirty
	if failed {
		r.dirty, r.onDisk = true, true // of the former content, something may be there
	}
	effects := m.say(o)
	switch {
	case again:
		return append(effects, m.write(o)...)
	case failed:
		return append(effects, core.SetTimer{Timer: timerRecord(o.peer), After: writeAgain})
	}
	return effects
}

// recordExpired ends the wait for a record that the store has not read, or writes one
// again.
func (m *Machine) recordExpired(peer messages.Peer) []core.Effect {
	o := m.observers.of(peer)
	switch {
	case o == nil:
		return nil
	case !o.record.read:
		return m.loaded(messages.RecordLoaded{Token: peer.Key(), Stored: messages.StoredState{Err: errNotRead, Unread: true}})
	case o.record.dirty && !o.record.writing:
		return m.write(o)
	}
	return nil
}

// owners returns whose the records are: it is asked for too rarely to be kept, and not
// while there is no record.
func (m *Machine) owners() map[messages.Peer]accounts.StateOwner {
	if len(m.observers) == 0 {
		return nil
	}
	owners := map[messages.Peer]accounts.StateOwner{}
	found, _ := accounts.FromTree(m.model)
	for _, a := range found {
		owners[a.Peer] = accounts.OwnerOf(m.config.Endpoint, a)
	}
	return owners
}
