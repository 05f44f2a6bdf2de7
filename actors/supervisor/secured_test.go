package supervisor

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/messages"
)

const block = messages.SequenceBlock

// onSession is a client that is registered on a new session, which is stored.
func onSession(t *testing.T) *bearer {
	t.Helper()
	b := newBearer(t, t)
	b.goesWell()
	b.atDisk(len(b.jobs))
	if b.onDisk() == nil {
		t.Fatal("the session is not stored")
	}
	return b
}

func (b *bearer) account() *account { return b.machine.accounts.of(server(1)) }

// onDisk is the record of the session; nil for none.
func (b *bearer) onDisk() *accounts.Session {
	b.t.Helper()
	data := b.records[messages.SessionRecord(server(1))]
	if data == nil {
		return nil
	}
	s, err := accounts.DecodeSession(data)
	if err != nil {
		b.t.Fatal(err)
	}
	return &s
}

// sessionJobs are the writes to the record of the session that are at the disk.
func (b *bearer) sessionJobs() (n int) {
	for _, j := range b.jobs {
		if j.save.Record == messages.SessionRecord(server(1)) {
			n++
		}
	}
	return n
}

// wantNext demands that the next link goes on with a session, or with none.
func (b *bearer) wantNext(want bool) {
	b.t.Helper()
	if next := b.account().secured.next; (next != nil) != want {
		b.t.Errorf("the next link goes on with %v", next)
	}
}

func TestSessionIsStoredAtTheFirstAnswer(t *testing.T) {
	b := newBearer(t, t)
	b.comesUp()
	b.atDisk(len(b.jobs))
	if b.onDisk() != nil {
		t.Fatal("stored before the server has answered")
	}
	b.accepted()
	b.atDisk(len(b.jobs))
	if s := b.onDisk(); s == nil || s.Reserved != block || s.Place != b.place {
		t.Fatalf("%+v", s)
	}
	b.accepted()
	if b.sessionJobs() > 0 {
		t.Error("an Update costs a write")
	}
}

// Numbers are allowed when the record that says so is durable, and not before.
func TestNumbersAreAllowedWhenTheyAreDurable(t *testing.T) {
	b := onSession(t)
	b.use(9000)
	_, w := b.link()
	if b.sessionJobs() != 1 || w.reserved != block {
		t.Fatalf("%d writes, %d allowed", b.sessionJobs(), w.reserved)
	}
	for range 10 { // a link that has none left asks with every datagram
		b.use(block)
	}
	if b.sessionJobs() != 1 || w.reserved != block {
		t.Fatalf("%d writes, %d allowed, while the disk works", b.sessionJobs(), w.reserved)
	}
	b.atDisk(len(b.jobs))
	if s := b.onDisk(); s.Reserved != 9004+block || w.reserved != s.Reserved {
		t.Fatalf("%d reserved, %d allowed", s.Reserved, w.reserved)
	}
}

// A session whose record could not be written is not stored any more once it may use all
// numbers: what the record would say of them was never true.
func TestFreedSessionIsNotStored(t *testing.T) {
	b := newBearer(t, t)
	b.goesWell()
	for b.sessionJobs() > 1 || b.jobs[0].save.Record != messages.SessionRecord(server(1)) {
		b.atDisk(1)
	}
	b.diskFails(false)
	b.atDisk(len(b.jobs)) // it is removed
	_, w := b.link()
	b.use(9000)
	if w.reserved != 0 {
		t.Fatalf("%d allowed", w.reserved)
	}
	b.use(40000)
	b.accepted()
	b.atDisk(len(b.jobs))
	if s := b.onDisk(); s != nil || w.reserved != 0 {
		t.Fatalf("stored with %d reserved, %d allowed", s.Reserved, w.reserved)
	}
	b.dies(true, 0)
	b.wantNext(false)
}

// A write that fails later on is made up for by the next answer: with the bound that the
// link has by then.
func TestFailedReservationIsMadeUpFor(t *testing.T) {
	b := onSession(t)
	b.use(9000)
	b.atDisk(len(b.jobs))
	_, w := b.link()
	allowed := w.reserved
	b.use(allowed - w.next - 5000)
	b.diskFails(false)
	b.atDisk(len(b.jobs))
	if b.onDisk() != nil || w.reserved != allowed {
		t.Fatalf("%v, %d allowed", b.onDisk(), w.reserved)
	}
	b.do(messages.Updated{Epoch: b.account().epoch, Registration: *b.account().registration})
	b.atDisk(len(b.jobs))
	if s := b.onDisk(); s == nil || s.Reserved != allowed {
		t.Fatalf("%+v; %d allowed", s, allowed)
	}
}

// A record that cannot be removed is removed later, and until then nothing is allowed.
func TestRecordThatStays(t *testing.T) {
	b := onSession(t)
	_, w := b.link()
	b.use(9000)
	for range 3 {
		b.diskFails(false)
		if b.use(2048); w.reserved != block {
			t.Fatalf("%d allowed", w.reserved)
		}
	}
	b.atDisk(len(b.jobs))
	if b.use(1); b.onDisk() != nil || w.reserved != 0 {
		t.Fatalf("%v, %d allowed", b.onDisk(), w.reserved)
	}
}

// What the store says of a link that has been replaced is not about the present one.
func TestReservationAfterTheLinkWasReplaced(t *testing.T) {
	b := onSession(t)
	b.use(9000)
	b.fails(messages.ClassUnreachable)
	b.goesWell()
	_, w := b.link()
	if b.kept != 1 || w.reserved != block {
		t.Fatalf("%d kept, %d allowed", b.kept, w.reserved)
	}
	for b.sessionJobs() > 1 {
		b.atDisk(1)
	}
	if w.reserved != block {
		t.Fatalf("%d allowed", w.reserved)
	}
	b.use(9000)
	b.atDisk(len(b.jobs))
	if s := b.onDisk(); w.reserved > s.Reserved || s.Reserved < w.next {
		t.Fatalf("%d reserved, %d allowed, next is %d", s.Reserved, w.reserved, w.next)
	}
}

// Nor are numbers that were reserved for another session.
func TestReservationOfAnotherSession(t *testing.T) {
	b := onSession(t)
	b.use(9000)
	b.fails(messages.ClassSilence)
	b.comesUp()
	_, w := b.link()
	b.atDisk(len(b.jobs))
	if b.fresh != 2 || w.reserved != block {
		t.Fatalf("%d sessions, %d allowed", b.fresh, w.reserved)
	}
}

// Without a place where a session could be stored it uses all its numbers.
func TestSessionWithoutAPlace(t *testing.T) {
	b := newBearer(t, t)
	b.place = accounts.Digest{}
	b.dies(true, 0)
	b.goesWell()
	b.use(9000)
	if _, w := b.link(); b.sessionJobs() > 0 || w.reserved != 0 {
		t.Fatalf("%d writes, %d allowed", b.sessionJobs(), w.reserved)
	}
}

// What comes of an older link than the last one, twice, or when another one is up, is left.
func TestLateSessionsAreLeft(t *testing.T) {
	b := onSession(t)
	old, _ := b.link()
	b.step(messages.CallRequest{Call: messages.CallPause})
	left := messages.SessionLeft{Epoch: old, Session: secure(movable(1, 4), block)}
	b.step(messages.CallRequest{Call: messages.CallResume}) // before the link has said what is left
	b.carried()
	b.post = nil
	b.step(left)
	b.wantNext(true) // for the next link, should this one not come up
	b.comesUp()
	b.wantNext(false)
	for _, epoch := range []messages.Epoch{old, old, 0, 99} {
		left.Epoch = epoch
		b.step(left)
		b.wantNext(false)
	}
	b.fails(messages.ClassUnreachable)
	epoch, w := b.link()
	if w == nil || w.lent == nil {
		b.pass()
		epoch, w = b.link()
	}
	if w.lent == nil || epoch == old {
		t.Fatal("nothing was lent")
	}
	left.Epoch = old
	b.step(left)
	b.wantNext(false)
}

// What is done about a session whose link fails before the server has answered on it.
func TestFailuresOfKeptSessions(t *testing.T) {
	for class, want := range map[messages.Class]struct{ atOnce, kept, stored bool }{
		messages.ClassTimeout:     {atOnce: true, kept: true, stored: true},
		messages.ClassSilence:     {atOnce: true, kept: true, stored: true},
		messages.ClassClosed:      {atOnce: true},
		messages.ClassRefused:     {},
		messages.ClassUnreachable: {kept: true, stored: true},
	} {
		b := onSession(t)
		b.fails(messages.ClassUnreachable)
		for w := (*wired)(nil); w == nil; _, w = b.link() {
			b.pass()
		}
		b.comesUp()
		before, errorsBefore := len(b.begun), len(b.errors())
		b.fails(class)
		b.atDisk(len(b.jobs))
		b.deliver(len(b.post))
		if got := len(b.begun) == before+1; got != want.atOnce || (len(b.errors()) == errorsBefore) != want.atOnce {
			t.Errorf("%s: goes on at once: %v, with %d errors", class, got, len(b.errors())-errorsBefore)
		}
		if _, w := b.link(); w != nil && w.lent != nil {
			t.Errorf("%s: goes on with the same session", class)
		}
		if got := b.account().secured.next != nil; got != want.kept {
			t.Errorf("%s: kept: %v", class, got)
		}
		if got := b.onDisk() != nil; got != want.stored {
			t.Errorf("%s: stored: %v", class, got)
		}
	}
}

// What an attempt reports is why its handshake has failed, and not that a session of before
// was not answered.
func TestAttemptReportsTheHandshake(t *testing.T) {
	b := onSession(t)
	b.fails(messages.ClassUnreachable)
	for w := (*wired)(nil); w == nil; _, w = b.link() {
		b.pass()
	}
	b.comesUp()
	b.fails(messages.ClassTimeout)
	b.fails(messages.ClassHandshakeTimeout)
	if last := b.account().outage.last; last.Class != messages.ClassHandshakeTimeout {
		t.Errorf("%v", last)
	}
}

// After silence the handshake comes first; when it fails, too, the session is tried again.
func TestSilenceBeginsWithAHandshake(t *testing.T) {
	b := onSession(t)
	b.fails(messages.ClassSilence)
	_, w := b.link()
	if w == nil || w.lent != nil {
		t.Fatalf("%+v", w)
	}
	b.deliver(len(b.post))
	b.fails(messages.ClassHandshakeTimeout)
	b.pass()
	if _, w = b.link(); w == nil || w.lent == nil {
		t.Errorf("%+v", w)
	}
}

// resumable is a session that an abbreviated handshake goes on with.
func resumable() *messages.SecureSession {
	s := secure(dtls.Exported{
		Suite: dtls.PSKWithAES128CCM8, Proof: dtls.Proof{Kind: dtls.ProofPSK},
		Resume: &dtls.Resumption{ID: []byte{1}, Suite: dtls.PSKWithAES128CCM8, Master: bytes.Repeat([]byte{3}, 48)},
	}, 0)
	return &s
}

// A server that cannot stand to be asked for a session is reached by every second attempt,
// which asks for none; where the network was why, the session is still there.
func TestResumptionThatIsNotAnswered(t *testing.T) {
	b := newBearer(t, t)
	epoch, _ := b.link()
	b.do(messages.Progress{Epoch: epoch, Stage: messages.StageUp, Origin: messages.SessionNew, Session: resumable()})
	b.fails(messages.ClassUnreachable)
	var asked []bool
	for range 5 {
		for w := (*wired)(nil); w == nil; _, w = b.link() {
			b.pass()
		}
		_, w := b.link()
		asked = append(asked, w.lent != nil)
		b.fails(messages.ClassHandshakeTimeout)
	}
	plain, resumed := 0, 0
	for _, is := range asked {
		if is {
			resumed++
		} else {
			plain++
		}
	}
	if !asked[0] || plain < 2 || resumed < 2 {
		t.Errorf("asked for the session: %v", asked)
	}
}

// replaceKey gives the account another key, which is read at once.
func (b *bearer) replaceKey() {
	b.t.Helper()
	other := serverAccount(b.t, server(1), 0)
	other.Credentials.Key = messages.Secret("another key, 16 B")
	b.factory = accounts.ToTree([]messages.Account{other})
	b.do(core.Expired{Timer: timerLoad})
	b.reads()
	if !bytes.Equal(b.account().Credentials.Key, other.Credentials.Key) {
		b.t.Fatal("the key is not in use")
	}
}

// A link that began with credentials which have been replaced since keeps its session to
// itself, whether it was up by then or not, and uses all numbers of it.
func TestSessionOfReplacedCredentials(t *testing.T) {
	for name, up := range map[string]bool{"up": true, "connecting": false} {
		t.Run(name, func(t *testing.T) {
			b := newBearer(t, t)
			if up {
				b = onSession(t)
			}
			b.replaceKey()
			b.comesUp()
			b.accepted()
			b.atDisk(len(b.jobs))
			if b.onDisk() != nil {
				t.Error("what the old key has proven is stored for the new one")
			}
			b.use(9000)
			if _, w := b.link(); w.reserved != 0 {
				t.Errorf("%d allowed: nobody reserves more", w.reserved)
			}
			b.fails(messages.ClassUnreachable)
			b.wantNext(false)
			b.goesWell() // with the new key
			b.atDisk(len(b.jobs))
			if b.kept != 0 || b.onDisk() == nil {
				t.Errorf("%d kept, stored: %v", b.kept, b.onDisk() != nil)
			}
		})
	}
}

// The session of a link that comes up with replaced credentials is not resumed either.
func TestResumptionOfReplacedCredentials(t *testing.T) {
	b := newBearer(t, t)
	epoch, _ := b.link()
	b.replaceKey()
	b.do(messages.Progress{Epoch: epoch, Stage: messages.StageUp, Origin: messages.SessionNew, Session: resumable()})
	b.wantNext(false)
}

// Records of sessions with servers that are none of ours any more are secrets that nobody
// needs.
func TestSessionsOfStrangersAreRemoved(t *testing.T) {
	b := onSession(t)
	data := b.records[messages.SessionRecord(server(1))]
	b.records["session-9"] = data
	b.dies(true, 0)
	b.atDisk(len(b.jobs))
	if b.records["session-9"] != nil || b.onDisk() == nil {
		t.Errorf("of a stranger: %v, of ours: %v", b.records["session-9"] != nil, b.onDisk() != nil)
	}
}

// A stop that leaves leaves no session, and one that could not leave keeps it.
func TestStopAndSessions(t *testing.T) {
	b := onSession(t)
	epoch, _ := b.link()
	b.do(messages.Stop{Deadline: b.now.Add(time.Minute)})
	b.do(messages.Deregistered{Epoch: epoch})
	b.atDisk(len(b.jobs))
	if b.onDisk() != nil || len(b.keeps) > 0 {
		t.Errorf("stored: %v; kept %v", b.onDisk() != nil, b.keeps)
	}
	b = onSession(t)
	b.fails(messages.ClassUnreachable)
	b.do(messages.Stop{Deadline: b.now.Add(time.Minute)})
	b.atDisk(len(b.jobs))
	if b.onDisk() == nil {
		t.Error("the registration lives, and its session is gone")
	}
}

// A record that cannot be used, or that nothing is registered with, is removed.
func TestDoubtfulRecordsAreRemoved(t *testing.T) {
	for name, doubt := range map[string]func(b *bearer){
		"no registration": func(b *bearer) { delete(b.records, stateRecord) },
		"another key": func(b *bearer) {
			other := serverAccount(t, server(1), 0)
			other.Credentials.Identity = "other"
			b.factory = accounts.ToTree([]messages.Account{other})
		},
		"damaged": func(b *bearer) { b.records[messages.SessionRecord(server(1))] = []byte{1} },
	} {
		b := onSession(t)
		doubt(b)
		b.dies(true, 0)
		b.atDisk(len(b.jobs))
		if _, w := b.link(); w.lent != nil || b.onDisk() != nil {
			t.Errorf("%s: lent %v, stored %v", name, w.lent != nil, b.onDisk() != nil)
		}
	}
}

// A supervisor that crashes leaves no session in memory, and what its store says later is
// nobody's.
func TestCrashDropsTheSession(t *testing.T) {
	b := onSession(t)
	b.use(9000)
	token := b.jobs[len(b.jobs)-1].save.Token
	b.dies(false, 0)
	b.wantNext(false)
	_, w := b.link()
	for w == nil {
		b.pass()
		_, w = b.link()
	}
	if w.lent != nil {
		t.Fatal("the session is lent")
	}
	b.comesUp()
	for _, in := range []any{core.Persisted{Token: token}, core.PersistFailed{Token: token, Err: errors.New("late")}} {
		b.do(in)
		if w.reserved != block {
			t.Errorf("%T: %d allowed", in, w.reserved)
		}
	}
}

// No event and no snapshot shows what a session consists of.
func TestSessionsAreNotShown(t *testing.T) {
	b := onSession(t)
	key := string(movable(1, 1).Record.Write.Key)
	if s := b.account().secured.shown; s == nil || s.State != nil || strings.Contains(s.Suite, key) {
		t.Errorf("%v", s)
	}
}

// Of any number of starts in a row none begins where another did, whether the record of state
// was moved in between or not: as far apart as the decision record says.
func TestMessageIDsOfStartsAreApart(t *testing.T) {
	for starts, want := range map[uint64]uint64{5: 595, 13: 232, 120: 30, 247: 11, idsSkipped: 1} {
		least := uint64(idsSkipped)
		for apart := uint64(1); apart < starts; apart++ {
			least = min(least, apart*idsStep%idsSkipped, idsSkipped-apart*idsStep%idsSkipped)
		}
		if least < want {
			t.Errorf("of %d starts in a row two begin %d message IDs apart, want %d", starts, least, want)
		}
	}
	for claim := range uint64(idsSkipped) {
		if got := skipped(claim * messages.SequenceBlock); got != claim*idsStep%idsSkipped {
			t.Fatalf("claim %d skips %d", claim, got)
		}
	}
	if idsSkipped >= idsLow {
		t.Error("more is skipped than the record has reserved for sure")
	}
}
