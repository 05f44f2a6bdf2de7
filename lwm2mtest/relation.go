package lwm2mtest

import (
	"context"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// ObserveRelation is what the server observes at a client (RFC 7641, LwM2M Core section
// 6.4). It belongs to the registration during which it began: it goes on after an
// Update, from whatever address that came, and ends with the registration.
type ObserveRelation struct {
	Endpoint string
	Paths    []string // one, or those of an Observe-Composite

	server  *Server
	request Request
	token   string
	queue   chan Notification

	// The server's lock guards the rest.
	registration *registration
	begun        bool // the client has accepted it
	cancelling   bool
	ignoring     bool
	treat        func(Notification) Treatment // nil acknowledges all
	sequence     uint32                       // of the freshest notification
	fresh        time.Time
	fetching     context.CancelFunc // ends the fetching of a notification's further blocks; may be nil
	counts       ObservationCounts
	cause        error // why it has ended; nil while it has not
}

// Notification is what a client has told of an observation: a value, or, with the code of an
// error, that the observation has ended.
type Notification struct {
	Response
	Time        time.Time // when it arrived, or its first block
	Sequence    uint32    // the value of the Observe option
	Confirmable bool
}

// ObservationCounts says what became of the notifications of an observation.
type ObservationCounts struct {
	Delivered  int // put on the channel
	Dropped    int // of these, taken off again for want of room
	Stale      int // had been overtaken by a fresher one
	Ignored    int // arrived while the server was told to ignore them
	Incomplete int // their further blocks could not be fetched, or a fresher one came first
}

// notificationQueue is how many notifications wait for whoever observes.
const notificationQueue = 256

// Observe observes an object, object instance, resource or resource instance. The
// observation is nil when the client answers, but does not agree to it; it is there with an
// error when only the rest of the first answer could not be had. Query goes with
// the request; LwM2M uses none before 1.2. For errors, see [Server.Do]; there is
// also ErrTooManyObservations.
func (s *Server) Observe(ctx context.Context, endpoint, path string, accept lwm2m.Format, query ...string) (*ObserveRelation, Response, error) {
	r := Request{Method: lwm2m.CodeGET, Path: path, Accept: &accept, Query: query}
	return s.observe(ctx, endpoint, r, []string{path})
}

// ObserveComposite observes what paths name, of any objects, as [Server.ReadComposite] reads
// them and [Server.Observe] observes.
func (s *Server) ObserveComposite(ctx context.Context, endpoint string, accept lwm2m.Format, paths ...string) (*ObserveRelation, Response, error) {
	r, err := composite(accept, paths)
	if err != nil {
		return nil, Response{}, err
	}
	return s.observe(ctx, endpoint, r, paths)
}

// Observations returns the observations of an endpoint, in no order.
func (s *Server) Observations(endpoint string) []*ObserveRelation {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*ObserveRelation
	if r := s.endpoints[endpoint]; r != nil {
		for _, o := range r.observations {
			all = append(all, o)
		}
	}
	return all
}

func (s *Server) observe(ctx context.Context, endpoint string, r Request, paths []string) (*ObserveRelation, Response, error) {
	r.Observe = new(uint32(0))
	o := &ObserveRelation{Endpoint: endpoint, Paths: paths, server: s, request: r, queue: make(chan Notification, notificationQueue)}
	p, err := s.admitObservation(o)
	if err != nil {
		return nil, Response{}, err
	}
	answer, err := p.do(ctx, r, o)
	if s.settle(o) {
		return o, answer, err
	}
	return nil, answer, err
}

// admitObservation makes room for an observation, before anything of it can arrive.
func (s *Server) admitObservation(o *ObserveRelation) (*peer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.endpoints[o.Endpoint]
	switch {
	case r == nil:
		return nil, ErrNotRegistered
	case len(r.observations) >= s.opts.MaxObservations:
		return nil, ErrTooManyObservations
	}
	o.registration, o.token = r, string(r.peer.token())
	r.observations[o.token], s.observations[o.token] = o, o
	return r.peer, nil
}

// settle reports whether the client has accepted an observation, and forgets one that it
// has not.
func (s *Server) settle(o *ObserveRelation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !o.begun {
		o.end(ErrObservationEnded)
	}
	return o.begun
}

// Notifications returns the channel of what the client notifies, without the first answer, in
// the order of RFC 7641 section 3.4: what arrives behind a fresher one is left out. When
// nobody reads, the oldest are dropped. It is closed when the observation ends; then
// [ObserveRelation.Err] says why.
func (o *ObserveRelation) Notifications() <-chan Notification { return o.queue }

// Err returns why the observation has ended, ErrCancelled, ErrObservationEnded, ErrRegistrationEnded or ErrClosed;
// nil while it has not.
func (o *ObserveRelation) Err() error {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	return o.cause
}

// Token returns the token of the request that began the observation, which all of its
// notifications carry.
func (o *ObserveRelation) Token() []byte { return []byte(o.token) }

// Counts returns what became of the notifications so far.
func (o *ObserveRelation) Counts() ObservationCounts {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	return o.counts
}

// Ignore makes the server take notifications from now on as if they had not arrived: it
// does not acknowledge them. With false it listens again.
func (o *ObserveRelation) Ignore(yes bool) {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	o.ignoring = yes
}

// Forget ends the observation without telling the client, which learns it from the RST
// that answers its next notification.
func (o *ObserveRelation) Forget() {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	o.end(ErrCancelled)
}

// Cancel asks the client to end the observation (Observe 1), and ends it when that
// answers. What arrives before is still delivered. For errors, see [Server.Do]; one that has ended before
// returns its cause.
func (o *ObserveRelation) Cancel(ctx context.Context) (Response, error) {
	p, err := o.beginCancel()
	if err != nil {
		return Response{}, err
	}
	r := o.request
	r.Observe = new(uint32(1))
	answer, err := p.do(ctx, r, o)
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	o.cancelling = false
	if err == nil {
		o.end(ErrCancelled)
	}
	return answer, err
}

func (o *ObserveRelation) beginCancel() (*peer, error) {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	if o.cause != nil {
		return nil, o.cause
	}
	o.cancelling = true
	return o.registration.peer, nil
}

// tokenOr returns the token of all requests of an observation; of none, another.
func (o *ObserveRelation) tokenOr(other func() []byte) []byte {
	if o == nil {
		return other()
	}
	return []byte(o.token)
}

// isCancelling is false for no observation. The lock is held.
func (o *ObserveRelation) isCancelling() bool { return o != nil && o.cancelling }

// observationOf finds the observation that a message belongs to: of the registration
// that this peer has. The lock is held.
func (p *peer) observationOf(m coap.Message) *ObserveRelation {
	o := p.server.observations[string(m.Token)]
	if o == nil || o.registration.peer != p || m.Type == coap.ACK {
		return nil
	}
	return o
}

// begin takes the answer to the request that observes; nil and others are fine. The
// lock is held.
func (o *ObserveRelation) begin(m coap.Message) {
	if o == nil || o.begun || o.cancelling || o.cause != nil {
		return
	}
	sequence, observed := m.Uint(coap.Observe)
	if !observed || !m.Code.IsSuccess() {
		return
	}
	o.begun, o.sequence, o.fresh = true, sequence, time.Now()
}

// receive takes a notification. The lock is held.
func (o *ObserveRelation) receive(b *batch, p *peer, m coap.Message) {
	defer o.server.notify()
	switch treatment := o.treatment(m); {
	case o.ignoring, treatment == TreatIgnore:
		o.counts.Ignored++
		return
	case treatment == TreatReset:
		o.counts.Ignored++
		p.refuseResponse(b, m)
		o.end(ErrCancelled)
		return
	}
	p.accept(b, m)
	o.news(b, p, m)
}

// news takes a notification that is acknowledged. The lock is held.
func (o *ObserveRelation) news(b *batch, p *peer, m coap.Message) {
	sequence, observed := m.Uint(coap.Observe)
	switch {
	case !observed || !m.Code.IsSuccess():
		o.deliver(m, m.Payload, time.Now())
		o.end(ErrObservationEnded)
	case !o.isFresh(sequence):
		o.counts.Stale++
	default:
		o.sequence, o.fresh = sequence, time.Now()
		o.take(b, p, m)
	}
}

// staleFor is the age beyond which any notification is fresher (RFC 7641 section 3.4).
const staleFor = 128 * time.Second

// isFresh is the comparison of RFC 7641 section 3.4, of numbers of 24 bits that
// wrap around.
func (o *ObserveRelation) isFresh(sequence uint32) bool {
	ahead := (sequence - o.sequence) & (1<<24 - 1)
	return ahead != 0 && ahead < 1<<23 || time.Since(o.fresh) > staleFor
}

// take delivers a notification, at once or when its further blocks are there. Those of
// an older one are not the client's any more.
func (o *ObserveRelation) take(b *batch, p *peer, m coap.Message) {
	if o.fetching != nil {
		o.fetching()
	}
	block, blocks := m.Block(coap.Block2)
	if !blocks || !block.More {
		o.deliver(m, m.Payload, o.fresh)
		return
	}
	ctx, cancel := context.WithCancel(o.server.ctx)
	o.fetching = cancel
	arrived := o.fresh
	o.server.afterwards(b, func() {
		defer cancel()
		body, err := p.downBlocks(ctx, o.request, m)
		o.complete(m, body, arrived, err)
	})
}

// complete delivers a notification whose blocks have been fetched.
func (o *ObserveRelation) complete(m coap.Message, body []byte, arrived time.Time, err error) {
	o.server.mu.Lock()
	defer o.server.mu.Unlock()
	defer o.server.notify()
	if sequence, _ := m.Uint(coap.Observe); err != nil || o.cause != nil || sequence != o.sequence {
		o.counts.Incomplete++
		return
	}
	o.deliver(m, body, arrived)
}

func (o *ObserveRelation) notification(m coap.Message, body []byte, arrived time.Time) Notification {
	sequence, _ := m.Uint(coap.Observe)
	return Notification{Response: response(m, body), Time: arrived, Sequence: sequence, Confirmable: m.Type == coap.CON}
}

// deliver puts a notification on the channel, and makes room for it if need be. The
// lock is held, and so nobody else does.
func (o *ObserveRelation) deliver(m coap.Message, body []byte, arrived time.Time) {
	n := o.notification(m, body, arrived)
	o.counts.Delivered++
	o.collectNotification(m, body)
	if len(o.queue) == cap(o.queue) {
		select {
		case <-o.queue:
			o.counts.Dropped++
		default: // whoever observes was faster
		}
	}
	o.queue <- n
}

// end ends the observation, once. The lock is held.
func (o *ObserveRelation) end(cause error) {
	if o.cause != nil {
		return
	}
	o.cause = cause
	if o.fetching != nil {
		o.fetching()
	}
	delete(o.server.observations, o.token)
	if o.registration != nil {
		delete(o.registration.observations, o.token)
	}
	close(o.queue)
	o.server.notify()
}
