package lwm2mtest

import (
	"context"
	"crypto/rand"
	"io/fs"
	mathrand "math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// ServerOptions configures a [Server]. The zero value is usable.
type ServerOptions struct {
	// Seed seeds message IDs, tokens and the random factor of resends.
	Seed int64
	// Versions are the LwM2M versions that a Register may offer; others are
	// answered 4.12. Nil means 1.0, 1.1 and 1.2.
	Versions []string
	// Location makes the Location-Path of the n-th registration, n from 1, one
	// element for each option. Nil means "rd" and 13 characters that nobody can
	// guess, also after a restart; see [NumberedLocation].
	Location func(endpoint string, n int) []string
	// Roaming accepts an Update without DTLS from any address, and so from anybody
	// who knows the Location. Otherwise it has to come from the IP address that
	// registered, on whatever port, or is answered 4.04.
	Roaming bool
	// BlockSize is the size of the server's blocks in bytes, a power of two
	// from 16 to 1024. 0 means 1024.
	BlockSize int
	// NewTokenPerBlock gives every block of a Block1 transfer a token of its
	// own, as some servers do, instead of one for all.
	NewTokenPerBlock bool
	// MaxBody is the largest request or response body that is reassembled, in
	// bytes. 0 means 1 MiB.
	MaxBody int
	// AckTimeout is CoAP's ACK_TIMEOUT. 0 means 2 s.
	AckTimeout time.Duration
	// MaxRetransmit is CoAP's MAX_RETRANSMIT. 0 means 4, negative means none.
	MaxRetransmit int
	// MaxHistory bounds the history, and the bootstraps that are remembered: at
	// least so many of the newest are kept, at most twice as many, and all are counted. 0 means all, as a test wants it.
	MaxHistory int
	// MaxObservations bounds the observations of one endpoint at a time. 0 means 4096.
	MaxObservations int
	// AwakeWindow is how long a client in queue mode listens after its last message. 0
	// means 93 s, CoAP's MAX_TRANSMIT_WAIT.
	AwakeWindow time.Duration
	// HandshakeTimeout bounds a DTLS handshake. 0 means 60 s.
	HandshakeTimeout time.Duration
}

func (o ServerOptions) withDefaults() ServerOptions {
	if o.Versions == nil {
		o.Versions = []string{"1.0", "1.1", "1.2"}
	}
	if o.Location == nil {
		o.Location = func(string, int) []string { return []string{"rd", rand.Text()[:13]} }
	}
	setDefault(&o.BlockSize, 1024)
	setDefault(&o.MaxBody, 1<<20)
	setDefault(&o.AckTimeout, 2*time.Second)
	setDefault(&o.MaxRetransmit, 4)
	setDefault(&o.MaxObservations, 1<<12)
	setDefault(&o.AwakeWindow, maxTransmitWait)
	setDefault(&o.HandshakeTimeout, time.Minute)
	o.MaxRetransmit = max(0, o.MaxRetransmit)
	return o
}

// NumberedLocation, as ServerOptions.Location, makes Locations that a test can
// foretell: "rd/1", "rd/2" and so on. A server that numbers them from 1 again after
// a restart gives one client the Location of another.
func NumberedLocation(_ string, n int) []string { return []string{"rd", strconv.Itoa(n)} }

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Server is an LwM2M management server and bootstrap server. It answers on
// the packet connections that ServeManagement and ServeBootstrap give it, and
// keeps registrations and history across them, so that an outage is one
// [Service] that ends and another that begins. Its methods may be called at any
// time from any goroutine.
type Server struct {
	opts   ServerOptions
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // every goroutine of the server

	mu            sync.Mutex
	closed        bool
	rng           *mathrand.Rand
	cids          uint64        // Connection IDs handed out
	changed       chan struct{} // closed and replaced whenever something that can be awaited changes
	services      map[*Service]struct{}
	timers        map[*timer]struct{}
	registrations map[string]*registration    // by location
	endpoints     map[string]*registration    // by endpoint
	former        map[string]string           // endpoints of locations that are gone
	observations  map[string]*ObserveRelation // by token
	located       int                         // registrations so far
	history       sequence[Record]
	counts        historyCounts
	faults        []*fault
	policy        handshakePolicy // of services that begin
	bootstraps    map[string]BootstrapConfig
	results       map[string][]BootstrapResult
	ended         sequence[BootstrapResult]
	files         map[string]File // by name
	directory     fs.FS           // where the files are that were not set; nil for none
	versions      uint32          // of files so far
	fileFaults    []*fileFault
	fetched       sequence[Fetched]
	collections   []*Collection
	fetchCounts   map[string]int
	fetchers      map[fetcher]int64 // where they are expected to go on
	enrolments    enrolments
}

// NewServer returns a server that serves nothing yet. Close it when done.
func NewServer(opts ServerOptions) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{
		opts:          opts.withDefaults(),
		ctx:           ctx,
		cancel:        cancel,
		rng:           mathrand.New(mathrand.NewPCG(uint64(opts.Seed), 0x5e7fe7)),
		changed:       make(chan struct{}),
		services:      make(map[*Service]struct{}),
		timers:        make(map[*timer]struct{}),
		registrations: make(map[string]*registration),
		endpoints:     make(map[string]*registration),
		former:        make(map[string]string),
		observations:  make(map[string]*ObserveRelation),
		counts:        newHistoryCounts(),
		bootstraps:    make(map[string]BootstrapConfig),
		results:       make(map[string][]BootstrapResult),
		files:         make(map[string]File),
		fetchCounts:   make(map[string]int),
		fetchers:      make(map[fetcher]int64),
	}
}

// ServeManagement serves the registration and device management interfaces on
// pc, which the service owns from now on. It returns at once; after the
// server's Close, pc is closed and the service serves nothing.
func (s *Server) ServeManagement(pc net.PacketConn, security Security) *Service {
	return s.serve(pc, security, servesManagement)
}

// ServeBootstrap serves the bootstrap interface on pc, which the service owns
// from now on. Which endpoints are served what is set by [Server.SetBootstrap].
func (s *Server) ServeBootstrap(pc net.PacketConn, security Security) *Service {
	return s.serve(pc, security, servesBootstrap)
}

// ServeFiles serves nothing but files on pc, which the service owns from now on: those of
// [Server.SetFile] and [Server.ServeDirectory], which management services serve too. A server
// without any other service is a file server of its own.
func (s *Server) ServeFiles(pc net.PacketConn, security Security) *Service {
	return s.serve(pc, security, servesFiles)
}

func (s *Server) serve(pc net.PacketConn, security Security, role role) *Service {
	v := newService(s, pc, security.clone(), role)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		v.ended = true
		_ = pc.Close()
		return v
	}
	v.policy = s.policy
	s.services[v] = struct{}{}
	s.wg.Go(v.run)
	return v
}

// Close ends all services gracefully, DTLS sessions with close_notify, and
// waits until every goroutine of the server has ended. Registrations and
// history can still be read. It always returns nil.
func (s *Server) Close() error { return s.end((*Service).Close) }

// Abort ends all services as the death of the server's process does: no
// close_notify, and the ports refuse from now on. It waits as Close does.
func (s *Server) Abort() { _ = s.end((*Service).Abort) }

func (s *Server) end(endService func(*Service)) error {
	for _, v := range s.close() {
		endService(v)
	}
	s.cancel()
	s.wg.Wait()
	return nil
}

// close marks the server closed, stops its timers, ends its observations and returns
// the services that are to be ended.
func (s *Server) close() []*Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for t := range s.timers {
		s.stop(t)
	}
	for _, o := range s.observations {
		o.end(ErrClosed)
	}
	services := make([]*Service, 0, len(s.services))
	for v := range s.services {
		services = append(services, v)
	}
	return services
}
