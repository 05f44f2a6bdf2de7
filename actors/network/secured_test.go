package network

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	pion "github.com/pion/dtls/v2"

	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/internal/dtls"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
	"github.com/holdfast-iot/holdfast/messages"
)

// testCID is what the tests' server tells the session by.
var testCID = []byte("which1")

// wanderer is a transport to one server that gives its client a Connection ID: whatever
// socket the client uses leads to it. It knows the records that were sent to it.
type wanderer struct {
	pipes
	far *pipe // the server's end

	mu      sync.Mutex
	hellos  int
	alerts  int
	numbers map[uint64]int // how often each was used
}

// Dial implements Transport.
func (w *wanderer) Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	conn, err := w.pipes.Dial(ctx, remote)
	if err != nil {
		return nil, err
	}
	client := conn.(*pipe)
	client.intercept(w.note)
	if w.far == nil {
		w.far, w.numbers = client.peer, map[uint64]int{}
		go w.serve(w.far)
		return client, nil
	}
	client.peer, w.far.peer = w.far, client
	return client, nil
}

func (w *wanderer) note(datagram []byte) (drop bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := datagram; len(rest) > 0; {
		r, tail, ok := record.Next(rest, len(testCID))
		if !ok {
			return false
		}
		switch rest = tail; {
		case r.Epoch > 0:
			w.numbers[r.Sequence]++
		case r.Content == record.Handshake && r.Body[0] == 1:
			w.hellos++
		case r.Content == record.Alert:
			w.alerts++
		}
	}
	return false
}

// serve sends back what it decrypts.
func (w *wanderer) serve(far *pipe) {
	config := pskServer()
	config.ConnectionIDGenerator = func() []byte { return bytes.Clone(testCID) }
	conn, err := pion.ServerWithContext(context.Background(), far, far.RemoteAddr(), config)
	if err != nil {
		far.Close()
		return
	}
	buffer := make([]byte, 64)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			break
		}
		_, _ = conn.Write(buffer[:n])
	}
	_ = conn.Close()
}

// sent returns how many records were sent, each of which has to have its own number.
func (w *wanderer) sent(t *testing.T) (records int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for number, times := range w.numbers {
		if records += times; times > 1 {
			t.Errorf("number %d was used %d times", number, times)
		}
	}
	return records
}

// goOn asks for a link that goes on with a session; nil for a new one.
func (r *rig) goOn(session *messages.SecureSession) {
	r.tell(messages.Connect{
		Peer: testPeer, Epoch: testEpoch, URI: parse(r.t, "coaps://192.0.2.1"), Credentials: psk(),
		Deadline: time.Now().Add(time.Minute), Resume: session, CID: true, Reserve: true,
	})
}

// left returns what the supervisor was told last that is left of a session.
func (r *rig) left(times int) messages.SecureSession {
	r.t.Helper()
	all, _ := received[messages.SessionLeft](r, core.Supervisor)
	if len(all) != times {
		r.t.Fatalf("%d sessions were left, want %d", len(all), times)
	}
	if times == 0 {
		return messages.SecureSession{}
	}
	return all[times-1].Session
}

// up returns how the newest link has come up.
func (r *rig) up(times int) messages.Progress {
	r.t.Helper()
	var ups []messages.Progress
	all, _ := received[messages.Progress](r, core.Supervisor)
	for _, p := range all {
		if p.Stage == messages.StageUp {
			ups = append(ups, p)
		}
	}
	if len(ups) != times {
		r.t.Fatalf("%d links are up, want %d", len(ups), times)
	}
	return ups[times-1]
}

func (r *rig) wantEcho(times int) {
	r.t.Helper()
	if !r.send("ping") {
		r.t.Error("not sent")
	}
	if data, _ := received[messages.Datagram](r, core.Link); len(data) != times {
		r.t.Errorf("%d datagrams came, want %d", len(data), times)
	}
}

// A session moves from socket to socket, with one handshake in all. The server is told
// nothing, and no number is used twice; nothing is sent on the old link any more.
func TestSessionMovesFromLinkToLink(t *testing.T) {
	w := &wanderer{}
	inBubble(t, w, func(r *rig) {
		r.goOn(nil)
		first := r.up(1)
		if s := first.Session; first.Origin != messages.SessionNew || !s.Movable || s.Reserved != messages.SequenceBlock || s.Unproven {
			t.Fatalf("%+v", first)
		}
		r.wantEcho(1)
		for i := range 3 {
			r.tell(messages.LeaveSession{Epoch: testEpoch})
			r.tell(messages.LeaveSession{Epoch: testEpoch})
			left := r.left(i + 1)
			if r.send("late") {
				t.Error("sent on a link whose session has been handed on")
			}
			r.spawn(w)
			r.goOn(&left)
			up := r.up(i + 2)
			if up.Origin != messages.SessionKept || up.Session.Reserved != left.Reserved || !up.Session.Since.Equal(first.Session.Since) {
				t.Fatalf("%+v", up)
			}
			r.wantEcho(i + 2)
		}
		if n := w.sent(t); n != 5 || w.hellos != 2 || w.alerts != 0 { // Finished, and four datagrams
			t.Errorf("%d records, %d ClientHellos, %d alerts", n, w.hellos, w.alerts)
		}
		r.stop(r.pid)
		synctest.Wait()
		if n := w.sent(t); n != 6 {
			t.Errorf("%d records: close_notify is missing", n)
		}
		w.wantClosed(t)
		r.left(3)
	})
}

// What a link fails of does not end its session, unless the server has ended it.
func TestWhatIsLeftOfALinkThatFails(t *testing.T) {
	for name, test := range map[string]struct {
		fail func(w *wanderer, r *rig)
		left int
	}{
		"refused":  {func(w *wanderer, _ *rig) { w.clients[0].failRead(syscall.ECONNREFUSED) }, 1},
		"no route": {func(w *wanderer, r *rig) { w.clients[0].failWrites(syscall.ENETUNREACH); r.send("x") }, 1},
		"moved":    {func(_ *wanderer, r *rig) { r.tell(messages.CheckLink{Epoch: testEpoch, Anew: true}) }, 1},
		"ended":    {func(w *wanderer, _ *rig) { close(w.far.ending) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := &wanderer{}
			inBubble(t, w, func(r *rig) {
				r.goOn(nil)
				r.up(1)
				test.fail(w, r)
				synctest.Wait()
				if losses, _ := received[messages.LinkLost](r, core.Owner); len(losses) != 1 {
					t.Errorf("%d losses", len(losses))
				}
				r.left(test.left)
				w.far.Close()
			})
		})
	}
}

// lentSession is one that a link can go on with.
func lentSession(t *testing.T, next, reserved uint64) messages.SecureSession {
	t.Helper()
	direction := func(with byte) record.Direction {
		return record.Direction{Key: bytes.Repeat([]byte{with}, 16), Salt: bytes.Repeat([]byte{with}, 4), CID: testCID}
	}
	state := dtls.Exported{
		Suite: dtls.PSKWithAES128CCM8, Proof: dtls.Proof{Kind: dtls.ProofPSK},
		Record: &record.State{Cipher: record.AES128CCM8, Epoch: 1, Next: next, Sealed: next, Write: direction(1), Read: direction(2)},
	}
	return messages.SecureSession{
		State: state.Encode(), Movable: true, Suite: state.Suite.String(), Since: now, Reserved: reserved,
	}
}

// A session that was lent to a link comes back as it was when the link is never up, and
// nothing of it is sent, however the dialling ends afterwards.
func TestLentSessionComesBack(t *testing.T) {
	for name, test := range map[string]struct {
		dials func(ctx context.Context, p *pipes) (net.Conn, error)
		act   func(r *rig)
		lost  int
	}{
		"dialling fails": {func(context.Context, *pipes) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}
		}, nil, 1},
		"retired while dialling": {func(ctx context.Context, _ *pipes) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, func(r *rig) { r.tell(messages.LeaveSession{Epoch: testEpoch}) }, 0},
		"retired while dialling, which succeeds": {func(ctx context.Context, p *pipes) (net.Conn, error) {
			<-ctx.Done()
			return p.Dial(ctx, server)
		}, func(r *rig) { r.tell(messages.LeaveSession{Epoch: testEpoch}) }, 0},
		"dialling never ends": {func(ctx context.Context, p *pipes) (net.Conn, error) {
			time.Sleep(10 * time.Minute)
			return p.Dial(ctx, server)
		}, func(*rig) { time.Sleep(time.Hour) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pipes{}
			transport := fakeTransport{dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) { return test.dials(ctx, p) }}
			inBubble(t, transport, func(r *rig) {
				lent := lentSession(t, 7, 100)
				r.goOn(&lent)
				if test.act != nil {
					test.act(r)
				}
				synctest.Wait()
				if left := r.left(1); !bytes.Equal(left.State, lent.State) || left.Reserved != 100 {
					t.Errorf("%+v", left)
				}
				if losses, _ := received[messages.LinkLost](r, core.Owner); len(losses) != test.lost {
					t.Errorf("%d losses", len(losses))
				}
				p.wantClosed(t)
				for _, c := range p.clients {
					if n := len(c.peer.in); n > 0 {
						t.Errorf("%d datagrams were sent", n)
					}
				}
			})
		})
	}
}

// A link that is retired after its socket is ready and before anybody knows of it hands its
// session back, once: the input that it is up comes too late.
func TestRetiredBeforeTheLinkIsUp(t *testing.T) {
	lent := lentSession(t, 7, 100)
	m := New(testPeer, testEpoch)
	m.Step(now, connect(t, "coaps://192.0.2.1", func(c *messages.Connect) { c.Credentials, c.Resume = psk(), &lent }))
	wantState(t, m, Connecting)
	effects := m.Step(now, messages.LeaveSession{Epoch: testEpoch})
	if end := found[shut](t, effects); !end.keep || end.lent == nil || !bytes.Equal(end.lent.State, lent.State) {
		t.Fatalf("%+v", end)
	}
	for _, late := range []any{
		connected{epoch: testEpoch, origin: messages.SessionKept}, messages.LeaveSession{Epoch: testEpoch},
		broken{epoch: testEpoch, err: errLeft}, messages.ReserveSequence{Epoch: testEpoch, Until: 1 << 20}, sequenceLow{epoch: testEpoch},
	} {
		if effects := m.Step(now, late); len(effects) > 0 {
			t.Errorf("%T: %v", late, effects)
		}
	}
}

// Whichever comes first, that the session is ready or that the link is closed: it is handed
// on by one of the two at most, and nothing is sent.
func TestReadyAndRetiredAtOnce(t *testing.T) {
	for range 300 {
		client, remote := newEnds()
		lent := lentSession(t, 7, 100)
		terms := newTerms(messages.Connect{Resume: &lent}, times{now: now})
		run := newRunner(testEpoch, dialling(client), func(any) {}, func(any) {})
		var group sync.WaitGroup
		group.Go(func() {
			run.connect(context.Background(), open{remote: server, security: &security{}, terms: terms, deadline: time.Now().Add(time.Minute)})
		})
		handed := 0
		group.Go(func() {
			run.closed.Store(true)
			if _, ok := run.leave(); ok {
				handed++
			}
			run.close()
		})
		group.Wait()
		if _, again := run.leave(); again || handed > 1 || len(remote.in) > 0 || !client.isClosed() {
			t.Fatalf("handed on %d times, again: %v; %d datagrams; closed: %v", handed, again, len(remote.in), client.isClosed())
		}
	}
}

// A session that is ready between the question of what is left and the end of the link is
// not said farewell: whoever has lent it has it back, and goes on with the same numbers.
func TestReadyAfterItWasAskedFor(t *testing.T) {
	lent, remote := onSocket(t, 7, 100, false)
	run := newRunner(testEpoch, nil, func(any) {}, func(any) {})
	run.closed.Store(true)
	if _, ok := run.leave(); ok {
		t.Fatal("there is no session yet")
	}
	var made session = lent
	run.session.Store(&made)
	run.close()
	if n := len(remote.in); n > 0 {
		t.Errorf("%d datagrams were sent", n)
	}
	if next := lent.nonces(); next != 7 {
		t.Errorf("the next number is %d, want 7", next)
	}
}

// onSocket is a session on a socket of its own, which is allowed the numbers below reserved.
func onSocket(t *testing.T, next, reserved uint64, reserve bool) (s *dtlsSession, remote *pipe) {
	t.Helper()
	client, remote := newPipe(t)
	lent := lentSession(t, next, reserved)
	made, err := goOn(client, *newTerms(messages.Connect{Resume: &lent, Reserve: reserve}, times{now: now}))
	if err != nil {
		t.Fatal(err)
	}
	return made.(*dtlsSession), remote
}

// Without a number that may be used a datagram is lost, as in the network; the link is told
// that few are left, and goes on when there are more.
func TestDatagramWithoutANumberIsLost(t *testing.T) {
	s, remote := onSocket(t, 0, 2, true)
	var made session = s
	asked := 0
	s.watch(func(uint64) { asked++ })
	r := newRunner(testEpoch, nil, func(in any) { t.Errorf("the link was told %v", in) }, nil)
	r.session.Store(&made)
	for range 2 {
		if !r.write([]byte("x")) {
			t.Error("not sent")
		}
	}
	before := asked
	for range 3 {
		if r.write([]byte("x")) {
			t.Error("sent without a number")
		}
	}
	if len(remote.in) != 2 || asked != before+3 {
		t.Errorf("%d datagrams, asked %d times", len(remote.in), asked-before)
	}
	if r.reserve(3); !r.write([]byte("x")) || r.write([]byte("x")) || len(remote.in) != 3 {
		t.Errorf("%d datagrams with one number more", len(remote.in))
	}
	if r.close(); len(remote.in) != 3 {
		t.Error("close_notify has used a number that is not reserved")
	}
}

// More numbers are asked for at half of a block, and again while there are none.
func TestScarceNumbersAreAskedFor(t *testing.T) {
	s, remote := onSocket(t, 0, messages.SequenceBlock, true)
	var asked []uint64
	s.watch(func(next uint64) { asked = append(asked, next) })
	for i := range uint64(messages.SequenceBlock + 2) {
		err := s.Write(nil)
		if (err == nil) != (i < messages.SequenceBlock) || err != nil && err != errNoRoom {
			t.Fatalf("number %d: %v", i, err)
		}
		for len(remote.in) > 0 {
			<-remote.in
		}
	}
	if got, want := fmt.Sprint(asked), "[8192 10240 12288 14336 16384 16384 16384]"; got != want {
		t.Errorf("asked at %s, want %s", got, want)
	}
	s.reserve(0)
	before := len(asked)
	for range 5000 {
		if err := s.Write(nil); err != nil {
			t.Fatal(err)
		}
		<-remote.in
	}
	if len(asked) != before {
		t.Error("asked for more than all")
	}
}

// A session of which no record could be kept may be kept on its next link.
func TestFreedSessionIsBoundAgain(t *testing.T) {
	for reserve, want := range map[bool]uint64{true: 40000 + messages.SequenceBlock, false: 0} {
		s, _ := onSocket(t, 40000, 0, reserve)
		if s.is.Reserved != want || s.session.Reserved() != want {
			t.Errorf("%d reserved, and said to be %d; want %d", s.session.Reserved(), s.is.Reserved, want)
		}
	}
}

// What cannot be gone on with, or not any more, costs a handshake and nothing else.
func TestUselessSessionsAreLeftAside(t *testing.T) {
	for name, spoil := range map[string]func(*messages.SecureSession){
		"unreadable": func(s *messages.SecureSession) { s.State = s.State[1:] },
		"empty":      func(s *messages.SecureSession) { s.State = nil },
		"expired":    func(s *messages.SecureSession) { s.Ends = time.Now().Add(-time.Hour) },
		"mistaken":   func(s *messages.SecureSession) { s.Movable = false },
	} {
		t.Run(name, func(t *testing.T) {
			lent := lentSession(t, 7, 100)
			spoil(&lent)
			terms := newTerms(messages.Connect{Resume: &lent, CID: true}, times{now: time.Now()})
			if terms.movable() || terms.resume != nil || !terms.cid {
				t.Errorf("%+v", terms)
			}
		})
	}
}

// Nothing that is handed about shows a key.
func TestTermsAndSessionsShowNoKey(t *testing.T) {
	lent := lentSession(t, 7, 100)
	terms := newTerms(messages.Connect{Resume: &lent}, times{now: now})
	key := bytes.Repeat([]byte{1}, 16)
	for _, v := range []any{
		lent, &lent, terms, &terms, shut{keep: true, lent: &lent}, connected{session: &lent}, open{terms: terms}, *terms.resume, *terms.resume.Record,
		messages.SessionLeft{Session: lent}, messages.Progress{Session: &lent}, messages.Connect{Resume: &lent},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			text := fmt.Sprintf(verb, v)
			for _, shown := range []string{fmt.Sprintf("%x", key), strings.Trim(fmt.Sprint(key), "[]"), fmt.Sprintf("%#v", key)[7:40]} {
				if strings.Contains(text, shown) {
					t.Errorf("%T with %s: %s", v, verb, text)
				}
			}
		}
	}
}
