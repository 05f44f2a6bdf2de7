package dtls

import (
	"bytes"
	"crypto/hmac"
	"io"
	"time"

	"github.com/holdfast-iot/holdfast/internal/dtls/handshake"
	"github.com/holdfast-iot/holdfast/internal/dtls/record"
)

// maxJudged bounds how many different flights of the server one handshake
// verifies. More than one exists only if somebody forges.
const maxJudged = 4

// State is how far a handshake has come.
type State uint8

// The states of a handshake.
//
//	        Start                the server's flight is whole and accepted
//	(none) ------> AwaitingFlight -------------------------------------.
//	                 |   ^    |                                        v
//	                 |   '----' HelloVerifyRequest: hello again  AwaitingFinished
//	                 |          flight contradictory: dropped       |  |  ^  |
//	                 v                                              |  |  '--' another flight
//	               Failed <-----------------------------------------'  |
//	                  a refusal, or an alert that nothing contradicts  v
//	                                                              Established
//
// A resumed session goes the same way, with a ServerHello for the flight. Only
// the caller's deadline ends the wait for a server that is silent.
const (
	AwaitingFlight State = iota
	AwaitingFinished
	Established
	Failed
)

// String returns the state's name, for logs and test failures.
func (s State) String() string {
	names := [...]string{"awaiting flight", "awaiting finished", "established", "failed"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// Output is what a handshake wants done.
type Output struct {
	// Send has datagrams to be sent now, in this order.
	Send [][]byte
	// Wake is when Expire is to be called, unless something comes before. It
	// is zero when the handshake is over.
	Wake time.Time
	// Session is set when the handshake has succeeded.
	Session *Session
	// Err is set when it has failed: an *AlertError or a *RefusalError.
	Err error
}

// Handshake is one handshake of a client. See the package comment. It is not
// safe for concurrent use.
type Handshake struct {
	config Config
	state  State

	random   [handshake.RandomSize]byte
	hellos   [2]handshake.Message // without a cookie, and with one
	next     *handshake.Message   // with another cookie, for a later resend
	insisted bool                 // that cookie has come twice
	sequence uint64               // of the next record of epoch 0
	flight   flight

	verify   handshake.Inbox // of HelloVerifyRequests
	inbox    handshake.Inbox // of the server's flight
	sealed   handshake.Inbox // of messages of epoch 1
	exchange *exchange       // the flight that was answered last
	judged   int
	excused  bool // a contradictory flight was dropped
	refused  *refused
	changed  bool // the server's ChangeCipherSpec came

	alert    *AlertError // in clear, and not contradicted yet
	believed time.Time   // when alert and refusal are, if nothing contradicts them
	progress Progress
	out      Output
}

// Start checks a configuration and begins a handshake with a ClientHello. The
// error is a *ConfigError, or of the source of randomness.
func Start(config Config, now time.Time) (*Handshake, Output, error) {
	if err := config.check(); err != nil {
		return nil, Output{}, err
	}
	h := &Handshake{config: config}
	if err := h.draw(h.random[:]); err != nil {
		return nil, Output{}, err
	}
	h.hellos[0] = h.clientHello(0, nil)
	if err := h.begin(now, []item{{message: h.hellos[0]}}); err != nil {
		return nil, Output{}, err
	}
	return h, h.output(), nil
}

func (h *Handshake) draw(b []byte) error {
	if _, err := io.ReadFull(h.config.Random, b); err != nil {
		return &RefusalError{Alert: alertInternalError, Err: err}
	}
	return nil
}

// State returns how far the handshake has come.
func (h *Handshake) State() State { return h.state }

// Progress returns what is known of a handshake that has not ended.
func (h *Handshake) Progress() Progress { return h.progress }

// Alert returns the alert in clear that has come and that nothing has
// contradicted yet; nil for none.
func (h *Handshake) Alert() *AlertError { return h.alert }

// Receive takes one datagram from the server's address. It decrypts in place.
func (h *Handshake) Receive(now time.Time, datagram []byte) Output {
	h.progress.note(datagram)
	for rest := datagram; len(rest) > 0 && !h.over(); {
		r, tail, ok := record.Next(rest, len(h.config.CID))
		if !ok {
			break // what follows cannot be found
		}
		rest = tail
		h.check(h.take(now, r))
	}
	return h.output()
}

// Expire is called when the instant of the last Output's Wake has come.
func (h *Handshake) Expire(now time.Time) Output {
	switch {
	case h.over():
	case h.doubted() && !now.Before(h.believed):
		h.believe()
	case !now.Before(h.flight.wake):
		h.changeCookie()
		h.check(h.overdue(now))
	}
	return h.output()
}

// wake is when Expire has something to do.
func (h *Handshake) wake() time.Time {
	if h.doubted() && h.believed.Before(h.flight.wake) {
		return h.believed
	}
	return h.flight.wake
}

// changeCookie takes up another cookie while no flight has come, if the server
// insists on it. From then on it is open which of the hellos the server answers,
// and so whether both sides hash the same.
func (h *Handshake) changeCookie() {
	if h.next == nil || !h.insisted || h.state != AwaitingFlight {
		return
	}
	h.hellos[1], h.flight.items = *h.next, []item{{message: *h.next}}
	h.next, h.insisted, h.progress.Contradicted = nil, false, true
}

func (h *Handshake) over() bool { return h.state == Established || h.state == Failed }

// output returns what has accumulated.
func (h *Handshake) output() Output {
	out := h.out
	if !h.over() {
		out.Wake = h.wake()
	}
	h.out.Send = nil
	return out
}

// check ends the handshake on an error. A refusal of this side is told to the
// server.
func (h *Handshake) check(err error) {
	if err == nil {
		return
	}
	h.state = Failed
	if alert, ok := err.(*AlertError); ok {
		h.out.Err = alert
		return
	}
	r := asRefusal(err, alertInternalError)
	h.out.Err = r
	h.tell(r.Alert)
}

// tell sends a fatal alert, protected where the client's records already are.
func (h *Handshake) tell(alert uint8) {
	body := []byte{levelFatal, alert}
	if h.exchange == nil || h.exchange.protector == nil {
		h.out.Send = append(h.out.Send, record.AppendPlain(nil, record.Alert, h.sequence, body))
		h.sequence++
		return
	}
	if sealed, err := h.exchange.protector.Seal(nil, record.Alert, body); err == nil {
		h.out.Send = append(h.out.Send, sealed)
	}
}

// take handles one record. An unexpected one is dropped.
func (h *Handshake) take(now time.Time, r record.Record) error {
	switch {
	case r.Plain():
		return h.takePlain(now, r)
	case r.Epoch == 1 && h.state == AwaitingFinished:
		return h.takeSealed(now, r)
	}
	return nil
}

func (h *Handshake) takePlain(now time.Time, r record.Record) error {
	switch r.Content {
	case record.Handshake:
		return h.takeFragments(now, r.Body)
	case record.Alert:
		h.note(now, r.Body)
	case record.ChangeCipherSpec:
		if h.state == AwaitingFinished && bytes.Equal(r.Body, []byte{1}) {
			h.changed = true
			return h.conclude(now)
		}
	}
	return nil
}

// proven reports whether what the server does next is its answer to the
// client's proof, as far as anybody can tell.
func (h *Handshake) proven() bool { return h.progress.Complete && !h.progress.Contradicted }

func (h *Handshake) takeFragments(now time.Time, content []byte) error {
	for rest := content; len(rest) > 0 && !h.over(); {
		f, tail, ok := handshake.NextFragment(rest)
		if !ok {
			return nil
		}
		rest = tail
		if err := h.takeFragment(now, f); err != nil {
			return err
		}
	}
	return nil
}

func (h *Handshake) takeFragment(now time.Time, f handshake.Fragment) error {
	if f.Type == handshake.TypeHelloVerifyRequest {
		return h.takeVerify(now, f)
	}
	news := h.inbox.Add(f)
	if news {
		h.refused = nil // the flight was another one
	}
	h.progress.ServerHello = h.progress.ServerHello || f.Type == handshake.TypeServerHello && int(f.Sequence) <= 1
	h.progress.Contradicted = h.progress.Contradicted || h.inbox.Contradicted()
	if news {
		return h.advance(now)
	}
	if h.state == AwaitingFinished && f.Type == handshake.TypeServerHelloDone && f.Sequence+1 == h.exchange.next {
		return h.repeat(now)
	}
	return nil
}

// takeVerify answers a HelloVerifyRequest with the hello and its cookie. Another
// cookie waits for the next resend, and for coming twice: the server may be about
// to answer the first one, and both sides have to hash the same hello. A server
// that does not take the first says so in answer to the first hello and to the
// second; one forged datagram does not. The hello keeps its number however often
// the cookie changes: to a server, which remembers nothing yet, it is its second.
func (h *Handshake) takeVerify(now time.Time, f handshake.Fragment) error {
	h.verify.Add(f)
	m, ok := h.verify.Message(int(f.Sequence))
	if h.state != AwaitingFlight || !ok {
		return nil
	}
	h.verify.Empty()
	cookie, err := handshake.ReadHelloVerifyRequest(m.Body)
	if err != nil {
		return nil // anybody can send it; the server's own may come yet
	}
	hello := h.clientHello(1, cookie)
	if bytes.Equal(hello.Body, h.hellos[1].Body) {
		return h.repeat(now)
	}
	h.alert = nil
	items := []item{{message: hello}}
	if h.hellos[1].Body != nil {
		h.insisted = h.next != nil && bytes.Equal(h.next.Body, hello.Body)
		h.next = &hello
		return nil
	}
	h.hellos[1] = hello
	return h.begin(now, items)
}

// takeSealed handles a record under the server's keys. One that does not
// authenticate is dropped: it may be anybody's.
func (h *Handshake) takeSealed(now time.Time, r record.Record) error {
	content, plain, err := h.exchange.protector.Open(r)
	if err != nil {
		return nil
	}
	switch content {
	case record.Alert:
		return h.authenticAlert(plain)
	case record.Handshake:
		for rest := plain; len(rest) > 0; {
			f, tail, ok := handshake.NextFragment(rest)
			if !ok {
				return refusal(alertDecodeError, "a malformed handshake message")
			}
			rest = tail
			h.sealed.Add(f)
		}
		return h.conclude(now)
	}
	return nil // application data before the server's Finished does not count
}

func (h *Handshake) authenticAlert(body []byte) error {
	if len(body) != 2 || body[0] != levelFatal && body[1] != alertCloseNotify {
		return nil
	}
	return &AlertError{Number: body[1], Authenticated: true, Answered: true}
}

// conclude verifies the server's Finished once it and the ChangeCipherSpec are
// there, in either order, and ends the handshake.
func (h *Handshake) conclude(now time.Time) error {
	x := h.exchange
	m, ok := h.sealed.Message(int(x.next))
	if !ok || !h.changed {
		return nil
	}
	if m.Type != handshake.TypeFinished {
		return refusal(alertUnexpectedMessage, "%s in the place of the server's Finished", m.Type)
	}
	expected := verifyData(x.agreed.suite.hash, x.master, serverFinished, x.transcript)
	if !hmac.Equal(m.Body, expected) {
		return refusal(alertDecryptError, "the server's Finished does not fit this handshake")
	}
	var last []item
	if x.agreed.offeredResume {
		last = h.concludeResumed(x, m)
		if err := h.begin(now, last); err != nil {
			return err
		}
	}
	h.state = Established
	h.out.Session = h.session(x, last)
	return nil
}
