package supervisor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/messages"
)

// movable is a session with a Connection ID that nobody has had before: n is its key.
func movable(n, next uint64) dtls.Exported {
	direction := func(with byte) record.Direction {
		key := bytes.Repeat([]byte{with}, 16)
		binary.BigEndian.PutUint64(key, n)
		return record.Direction{Key: key, Salt: bytes.Repeat([]byte{with}, 4), CID: []byte{with}}
	}
	return dtls.Exported{
		Suite: dtls.PSKWithAES128CCM8, Proof: dtls.Proof{Kind: dtls.ProofPSK},
		Record: &record.State{Cipher: record.AES128CCM8, Epoch: 1, Next: next, Sealed: next, Write: direction(1), Read: direction(2)},
	}
}

// secure is a session as network describes it.
func secure(state dtls.Exported, reserved uint64) messages.SecureSession {
	return messages.SecureSession{
		State: state.Encode(), Movable: state.Record != nil, Suite: state.Suite.String(), Since: time.Unix(1_700_000_000, 0), Reserved: reserved,
	}
}

// bearer is the network of a client, and its disk: they know which nonces are used.
type bearer struct {
	*driver
	r     rapid.TB
	fresh uint64                    // sessions so far
	first map[uint64]uint64         // the first number of each that nobody has used
	links map[messages.Epoch]*wired // that have not ended
	post  []any                     // messages on their way to the supervisor
	jobs  []job                     // of the store, in order
	kept  int                       // links that have gone on with a session
	found int                       // of those, with one that was stored
}

// wired is one link.
type wired struct {
	lent     *messages.SecureSession
	up       bool
	over     bool // it has told the owner that it is lost
	session  uint64
	next     uint64
	reserved uint64 // 0 for no bound
	unproven bool
}

// job is a write at the disk. The supervisor may have been told already that it is late.
type job struct {
	save core.Persist
	told bool
}

func newBearer(t *testing.T, r rapid.TB) *bearer {
	b := &bearer{
		driver: newDriver(t, serverAccount(t, server(1), 0)), r: r,
		first: map[uint64]uint64{}, links: map[messages.Epoch]*wired{},
	}
	b.hung, b.place = true, [32]byte{1}
	b.boot()
	return b
}

// boot starts a process on what is stored.
func (b *bearer) boot() {
	config := testConfig()
	config.CID, config.KeepSessions = true, true
	b.machine = New(config)
	b.orders = nil
	b.do(messages.Start{})
	b.reads()
}

// reads answers what the store was asked to read, behind all that it was to write.
func (b *bearer) reads() {
	for len(b.loads) > 0 && b.machine.loader.asked {
		b.atDisk(len(b.jobs))
		b.loaded(nil, nil)
		b.carried()
	}
}

// do gives the machine an input, and has network carry out what follows.
func (b *bearer) do(in any) {
	b.step(in)
	b.carried()
}

func (b *bearer) carried() {
	for _, save := range b.saves {
		b.jobs = append(b.jobs, job{save: save})
	}
	b.saves = nil
	for _, o := range b.orders {
		switch m := o.Message.(type) {
		case messages.Connect:
			b.links[o.Epoch] = &wired{lent: m.Resume}
		case messages.ReserveSequence:
			if w := b.links[o.Epoch]; w.up {
				w.reserved = m.Until
			}
		}
	}
	b.orders = nil
	for epoch, w := range b.links {
		if _, lives := b.live[epoch]; lives {
			continue
		}
		delete(b.links, epoch)
		switch {
		case w.over:
		case slices.Contains(b.keeps, epoch):
			b.left(epoch, w)
		case w.up:
			b.seal(w, 1) // close_notify
		}
	}
}

// left hands back what there is of a link's session.
func (b *bearer) left(epoch messages.Epoch, w *wired) {
	switch {
	case w.up:
		s := secure(movable(w.session, w.next), w.reserved)
		s.Unproven = w.unproven
		b.post = append(b.post, messages.SessionLeft{Epoch: epoch, Session: s})
	case w.lent != nil:
		b.post = append(b.post, messages.SessionLeft{Epoch: epoch, Session: *w.lent})
	}
}

// link returns the present link, if there is one.
func (b *bearer) link() (messages.Epoch, *wired) {
	a := b.machine.accounts.of(server(1))
	if a == nil || a.epoch == 0 || b.links[a.epoch] == nil || b.links[a.epoch].over {
		return 0, nil
	}
	return a.epoch, b.links[a.epoch]
}

// comesUp has the present link come up, on the session that it was lent or a new one.
func (b *bearer) comesUp() {
	epoch, w := b.link()
	if w == nil || w.up {
		return
	}
	origin := messages.SessionNew
	w.up = true
	if w.lent != nil {
		state, err := dtls.ParseExported(w.lent.State)
		if err != nil {
			b.r.Fatal(err)
		}
		origin, w.session = messages.SessionKept, binary.BigEndian.Uint64(state.Record.Write.Key)
		w.next, w.reserved, w.unproven = state.Record.Next, w.lent.Reserved, w.lent.Unproven
		if w.reserved == 0 {
			w.reserved = w.next + messages.SequenceBlock
		}
		b.kept++
		if w.unproven {
			b.found++
		}
	} else {
		b.fresh++
		w.session, w.next, w.reserved = b.fresh, 1, messages.SequenceBlock
	}
	s := secure(movable(w.session, w.next), w.reserved)
	s.Unproven = w.unproven
	b.do(messages.Progress{Epoch: epoch, Stage: messages.StageConnecting})
	b.do(messages.Progress{Epoch: epoch, Stage: messages.StageUp, Origin: origin, Session: &s})
}

// use has the present link send n records, as many as are reserved.
func (b *bearer) use(n uint64) {
	epoch, w := b.link()
	if w == nil || !w.up {
		return
	}
	b.seal(w, n)
	if w.reserved > 0 && w.reserved-min(w.next, w.reserved) <= messages.SequenceBlock/2 {
		b.do(messages.SequenceUsed{Epoch: epoch, Next: w.next})
	}
}

func (b *bearer) seal(w *wired, n uint64) {
	if w.reserved > 0 {
		n = min(n, w.reserved-min(w.next, w.reserved))
	}
	if n > 0 && w.next < b.first[w.session] {
		b.r.Helper()
		b.r.Fatalf("session %d: number %d is used twice: all below %d are used", w.session, w.next, b.first[w.session])
	}
	w.next += n
	b.first[w.session] = max(b.first[w.session], w.next)
}

// accepted has the server accept a Register or an Update.
func (b *bearer) accepted() {
	epoch, w := b.link()
	if w == nil || !w.up {
		return
	}
	b.use(3)
	known := messages.Registration{Location: []string{"rd", "1"}, Version: "1.1", Lifetime: 24 * time.Hour, Accepted: b.now}
	if b.machine.accounts.of(server(1)).stage == stageRegistered {
		b.do(messages.Updated{Epoch: epoch, Registration: known})
		return
	}
	b.do(messages.Registered{Epoch: epoch, Registration: known})
}

// fails ends the present link, or only the patience of its owner.
func (b *bearer) fails(class messages.Class) {
	epoch, w := b.link()
	if w == nil {
		return
	}
	if class != messages.ClassTimeout && class != messages.ClassSilence {
		w.over = true
		if class != messages.ClassClosed {
			b.left(epoch, w)
		}
		b.deliver(len(b.post)) // network says so before the owner can
	}
	b.do(messages.Failed{Failure: messages.Failure{Class: class, Phase: messages.PhaseUpdate, Peer: server(1), Epoch: epoch, Cause: errors.New("on purpose")}})
}

// deliver has messages that are on their way arrive.
func (b *bearer) deliver(n int) {
	for range min(n, len(b.post)) {
		m := b.post[0]
		b.post = b.post[1:]
		b.do(m)
	}
}

// atDisk carries jobs out.
func (b *bearer) atDisk(n int) {
	for range min(n, len(b.jobs)) {
		j := b.jobs[0]
		b.jobs = b.jobs[1:]
		b.store(j.save)
		if !j.told {
			b.do(core.Persisted{Token: j.save.Token})
		}
	}
}

var errDisk = errors.New("the disk is full")

// diskFails refuses the next job; late says that it is carried out all the same, some time.
func (b *bearer) diskFails(late bool) {
	i := slices.IndexFunc(b.jobs, func(j job) bool { return !j.told })
	if i < 0 || !late && i > 0 {
		return
	}
	token := b.jobs[i].save.Token
	if late {
		b.jobs[i].told = true
	} else {
		b.jobs = b.jobs[1:]
	}
	b.do(core.PersistFailed{Token: token, Err: errDisk})
}

// dies ends the process, or only the supervisor: all links are gone, and of what the disk was to
// do the first so many jobs are done.
func (b *bearer) dies(process bool, done int) {
	b.live, b.timers, b.links, b.post = map[messages.Epoch]messages.Peer{}, map[core.Timer]time.Time{}, map[messages.Epoch]*wired{}, nil
	for i := range b.jobs {
		b.jobs[i].told = true
	}
	b.jobs = b.jobs[:done]
	if process {
		b.atDisk(len(b.jobs))
		b.boot()
		return
	}
	b.machine = Resume(*b.machine.config, b.machine.memory)
	b.do(messages.Start{})
	b.reads()
}

// reset goes back to the factory's account, which may have another key by now.
func (b *bearer) reset(r *rapid.T) {
	if rapid.Bool().Draw(r, "other key") {
		other := serverAccount(b.t, server(1), 0)
		other.Credentials.Key = messages.Secret("another key, 16 B")
		b.factory = accounts.ToTree([]messages.Account{other})
	}
	b.do(messages.CallRequest{Call: messages.CallFactoryReset})
	b.atDisk(len(b.jobs))
	clear(b.records)
	if rapid.Bool().Draw(r, "meanwhile") {
		b.accepted()
	}
	b.do(messages.CredentialsForgotten{Token: b.resets[len(b.resets)-1].Token})
	b.reads()
}

// pass lets time pass to the next timer.
func (b *bearer) pass() {
	if timer, at := b.soonest(); !at.IsZero() {
		b.now = later(b.now, at)
		delete(b.timers, timer)
		b.do(core.Expired{Timer: timer})
		b.reads()
	}
}

// goesWell brings the client to where it is registered, without the disk.
func (b *bearer) goesWell() {
	b.do(messages.CallRequest{Call: messages.CallResume})
	b.deliver(len(b.post))
	for range 10 {
		if _, w := b.link(); w != nil {
			break
		}
		b.pass()
	}
	b.comesUp()
	b.accepted()
}

func (b *bearer) act(r *rapid.T) {
	switch rapid.SampledFrom([]string{
		"well", "well", "well", "up", "accepted", "use", "use", "use", "fail", "deliver", "disk", "disk", "disk fails", "disk fails", "disk is late",
		"pass", "kill", "crash", "pause", "moved", "hint", "reset",
	}).Draw(r, "act") {
	case "well":
		b.goesWell()
	case "up":
		b.comesUp()
	case "accepted":
		b.accepted()
	case "use":
		b.use(rapid.SampledFrom([]uint64{9000, 40000}).Draw(r, "records"))
	case "fail":
		b.fails(rapid.SampledFrom([]messages.Class{
			messages.ClassTimeout, messages.ClassSilence, messages.ClassClosed, messages.ClassRefused, messages.ClassUnreachable, messages.ClassHandshakeTimeout,
		}).Draw(r, "class"))
	case "moved":
		b.fails(messages.ClassMoved)
	case "deliver":
		b.deliver(1)
	case "disk":
		b.atDisk(2)
	case "disk fails":
		b.diskFails(false)
	case "disk is late":
		b.diskFails(true)
	case "pass":
		b.pass()
	case "kill":
		b.dies(true, rapid.IntRange(0, len(b.jobs)).Draw(r, "done"))
	case "crash":
		b.dies(false, rapid.IntRange(0, len(b.jobs)).Draw(r, "done"))
	case "pause":
		b.do(messages.CallRequest{Call: messages.CallPause})
	case "hint":
		b.do(messages.NetworkUp{})
	case "reset":
		b.reset(r)
	}
}

// Whatever happens to links, to the disk and to the process, in whatever order: no session
// is at two places, and none of its sequence numbers is used twice.
func TestNoNonceTwiceInAnyOrder(t *testing.T) {
	kept, found := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		b := newBearer(t, r)
		for range rapid.SampledFrom([]int{10, 30, 100}).Draw(r, "acts") {
			b.act(r)
		}
		for range 3 { // however it ends: what is stored has to be right
			b.comesUp()
			b.use(1)
			b.dies(true, len(b.jobs))
		}
		kept, found = kept+b.kept, found+b.found
	})
	if t.Log(kept, "sessions were gone on with,", found, "of them stored"); found == 0 || kept == found {
		t.Error("that says nothing")
	}
}
