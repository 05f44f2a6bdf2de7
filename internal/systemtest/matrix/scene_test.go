package matrix_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/systemtest/matrix"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// scene is one cell of the matrix: a world with both servers, a state
// directory in the wanted state, and a client that is led to the moment.
type scene struct {
	*systemtest.World
	code   holdfast.ErrorCode
	at     matrix.Moment
	stored matrix.StoreState

	plain      bool // NoSec to both servers
	cfg        holdfast.Config
	management *lwm2mtest.Service
	bootstrap  *lwm2mtest.Service
	sockets    map[bool]net.PacketConn // of the servers; true is the bootstrap server's
	needle     *needle
	log        *systemtest.Buffer
	client     *systemtest.Client
	attempts   uint64 // that have failed, of the account that the scene is about
	closing    chan error
	held       *gate
	former     tallies
	delivers   matrix.Account // what the bootstrap server writes
	accepted   int            // Registers before the cell's last error
	issued     *issued        // certificates; nil at other moments than Renewing
	site       *site          // that an image is fetched from; nil at other moments
	valve      *object.Instance[valve]
	relation   *lwm2mtest.ObserveRelation // of it; nil where nobody observes
}

// lifetimes tell the accounts apart: the server sees them.
var lifetimes = map[matrix.Account]time.Duration{
	matrix.Configured: 24 * time.Hour, matrix.Factory: 12 * time.Hour, matrix.Former: time.Hour, matrix.Delivered: 2 * time.Hour,
}

// tallies is what the servers had seen before the client came to the moment.
type tallies struct{ registers, bootstraps int }

func newScene(t *testing.T, code holdfast.ErrorCode, at matrix.Moment, stored matrix.StoreState) *scene {
	s := &scene{
		World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), code: code, at: at, stored: stored,
		needle: &needle{}, log: &systemtest.Buffer{}, closing: make(chan error, 1), held: newGate(),
	}
	// Raw datagrams can be sent to a client without DTLS only.
	s.plain = code == holdfast.CodeResponseParse || code == holdfast.CodeNetwork && at != matrix.Handshake ||
		code == holdfast.CodeTimeout && inSession(at)
	if at == matrix.Renewing {
		s.issued = s.issue()
	}
	s.openServers()
	s.delivers = matrix.Former
	s.deliverAll(nil)
	s.prepareStore()
	s.equip()
	s.delivers = matrix.Delivered
	s.deliverAll(nil)
	s.former = tallies{s.Server.Registers(systemtest.Endpoint), s.Server.Seen(systemtest.Endpoint, lwm2mtest.BootstrapRequest)}
	s.accepted = s.former.registers
	return s
}

// inSession reports whether a moment is one of a bootstrap session.
func inSession(at matrix.Moment) bool {
	return at >= matrix.BootstrapWaiting && at <= matrix.BootstrapFinish
}

// end closes the world and looks for keys in everything that was put out.
func (s *scene) end() {
	s.held.open(nil)
	if s.client != nil {
		s.client.Story() // takes the rest of the events
		systemtest.CheckSecrets(s.T, s.output())
		for _, e := range s.client.Seen {
			if err := systemtest.Possible(e, s.stored); err != nil {
				s.T.Error(err)
			}
		}
	}
	if s.site != nil {
		s.site.Web.Close()
	}
	s.Close()
}

// expectError takes the next error, which is the cell's.
func (s *scene) expectError() holdfast.Event {
	s.T.Helper()
	e := s.client.ExpectError(s.code)
	s.accepted = s.Server.Registers(systemtest.Endpoint)
	return e
}

// expectBack demands that the client came back by a certain account: by the
// first Register after the cell's last error, or by an Update of the
// registration that it had.
func (s *scene) expectBack(want matrix.Account) {
	s.T.Helper()
	registers := slices.DeleteFunc(s.Server.Requests(systemtest.Endpoint, lwm2mtest.Register), func(r lwm2mtest.Record) bool {
		return r.Answer != messages.Created
	})
	if len(registers) == 0 {
		s.T.Fatal("the client has never registered")
	}
	back := registers[min(s.accepted, len(registers)-1)]
	if !slices.ContainsFunc(candidates(want), func(a matrix.Account) bool {
		return slices.Contains(back.Query, fmt.Sprintf("lt=%d", int(lifetimes[a].Seconds())))
	}) {
		s.T.Errorf("it came back by a Register with %v, not by the account called %s", back.Query, want)
	}
}

func candidates(a matrix.Account) []matrix.Account {
	if a == matrix.Either {
		return []matrix.Account{matrix.Former, matrix.Delivered}
	}
	return []matrix.Account{a}
}

// output is everything that an outsider sees of a client.
func (s *scene) output() string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	for _, e := range s.client.Seen {
		_ = encoder.Encode(e) // a buffer takes everything
	}
	_ = encoder.Encode(s.client.Status())
	return out.String() + s.log.String()
}

// bootstrapping reports whether the scene is about the bootstrap account.
func (s *scene) bootstrapping() bool {
	return matrix.Bootstrapping(messages.ErrorCode(s.code), s.at)
}

func (s *scene) openServers() {
	s.BootstrapHost = s.Network.Host("bootstrap", systemtest.BootstrapAddr)
	port := uint16(systemtest.DTLSPort)
	server, boot := lwm2mtest.PSK(systemtest.Endpoint, systemtest.Key), lwm2mtest.PSK("bs-"+systemtest.Endpoint, systemtest.BootstrapKey)
	if s.plain {
		port, server, boot = systemtest.CoAPPort, lwm2mtest.NoSec(), lwm2mtest.NoSec()
	}
	if s.issued != nil {
		server = lwm2mtest.X509(s.issued.server.TLS(), s.issued.ca.Pool())
	}
	s.sockets = map[bool]net.PacketConn{false: s.listen(s.Host, port), true: s.listen(s.BootstrapHost, port)}
	s.management = s.Server.ServeManagement(s.sockets[false], server)
	s.bootstrap = s.Server.ServeBootstrap(s.sockets[true], boot)
}

func (s *scene) listen(h *lwm2mtest.Host, port uint16) net.PacketConn {
	pc, err := h.ListenPacket(port)
	if err != nil {
		s.T.Fatal(err)
	}
	return pc
}

func (s *scene) uri(host string) string {
	if s.plain {
		return "coap://" + host
	}
	return "coaps://" + host
}

// serverURI names the management server, by name where that is resolved.
func (s *scene) serverURI() string {
	if s.at == matrix.Resolving {
		return s.uri("server.test")
	}
	return s.uri(systemtest.ServerAddr.String())
}

// deliverAll makes the bootstrap server use every operation.
func (s *scene) deliverAll(before func(context.Context, lwm2mtest.BootstrapStep) error) {
	s.deliverWrites(s.account().Writes(), before)
}

func (s *scene) deliverWrites(writes []lwm2mtest.BootstrapWrite, before func(context.Context, lwm2mtest.BootstrapStep) error) {
	s.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{
		Discover: []string{"/"}, Delete: []string{"/0", "/1"}, Writes: writes, Read: []string{"/1"}, Before: before,
	})
}

// tooMuch are writes that together exceed the default of
// limits.bootstrap_bytes.
func (s *scene) tooMuch() (writes []lwm2mtest.BootstrapWrite) {
	account := s.account()
	account.PSKKey = make([]byte, 40<<10)
	for i := range uint16(3) {
		account.SecurityInstance, account.ServerInstance, account.ShortServerID = i+1, i, i+1
		writes = append(writes, account.Writes()...)
	}
	return writes
}

func (s *scene) account() lwm2mtest.AccountConfig {
	account := lwm2mtest.AccountConfig{URI: s.serverURI(), Lifetime: lifetimes[s.delivers]}
	if s.issued != nil {
		s.issued.deliver(s.T, &account)
	} else if !s.plain {
		account.PSKIdentity, account.PSKKey = systemtest.Endpoint, systemtest.Key
	}
	return account
}

// prepareStore brings the state directory into its state.
func (s *scene) prepareStore() {
	s.cfg = s.NoSec()
	s.cfg.Server, s.cfg.Lifetime = nil, lifetimes[matrix.Configured]
	s.cfg.Bootstrap = s.section(s.uri(systemtest.BootstrapAddr.String()), "bs-"+systemtest.Endpoint, systemtest.BootstrapKey)
	if !s.bootstrapping() && s.stored != matrix.Bootstrapped {
		s.cfg.Server = s.section(s.serverURI(), systemtest.Endpoint, systemtest.Key)
		if s.issued != nil {
			s.cfg.Server = s.issued.section(s.T, s.serverURI())
		}
	}
	switch s.stored {
	case matrix.Provisioned:
		factory := s.cfg
		factory.Lifetime = lifetimes[matrix.Factory]
		if err := holdfast.Provision(context.Background(), factory); err != nil {
			s.T.Fatal(err)
		}
		s.cfg.Bootstrap, s.cfg.Server = nil, nil
	case matrix.Bootstrapped:
		c := s.Start(s.cfg)
		c.WaitFor(holdfast.Registered)
		c.ExpectClose(nil)
	}
}

// section is an account of the configuration.
func (s *scene) section(uri, identity string, key []byte) *holdfast.Account {
	if s.plain {
		return &holdfast.Account{URI: uri, Security: holdfast.SecurityNoSec}
	}
	return &holdfast.Account{URI: uri, Security: holdfast.SecurityPSK, PSKIdentity: identity, PSKKey: key}
}

// launch starts the client that the scene is about.
func (s *scene) launch() {
	logger := zerolog.New(s.log).Level(zerolog.DebugLevel)
	options := []holdfast.Option{lwm2mtest.WithTap(s.needle), holdfast.WithLogger(slog.New(zerolog.NewSlogHandler(logger)))}
	if s.site != nil {
		options = append(options, lwm2mtest.WithDialTCP(s.site.dial))
	}
	s.client = s.Start(s.cfg, options...)
}

// reach leads the client to the moment and holds it there: until the gate
// opens, or for 20 s (3 s while closing).
func (s *scene) reach() {
	if s.bootstrapping() {
		s.reachBootstrap()
		return
	}
	switch s.at {
	case matrix.Resolving:
		s.Network.FailDNS("server.test", lwm2mtest.NoAnswerFromDNS)
		s.launch()
		s.client.WaitFor(holdfast.Resolving)
	case matrix.Handshake:
		s.management.IgnoreHandshakes()
		s.launch()
		s.client.WaitFor(holdfast.Connecting)
	case matrix.Registering:
		held := s.misbehave(lwm2mtest.Register, 20*time.Second)
		s.launch()
		if held {
			s.client.WaitFor(holdfast.Registering)
		}
	default:
		s.reachRegistered()
	}
	synctest.Wait()
}

func (s *scene) reachRegistered() {
	s.launch()
	s.client.WaitFor(holdfast.Registered)
	s.client.Next(holdfast.EventRegistered)
	switch s.at {
	case matrix.Updating:
		s.misbehave(lwm2mtest.Update, 20*time.Second)
		if err := s.client.RegisterUpdate(context.Background()); err != nil {
			s.T.Fatal(err)
		}
	case matrix.Closing:
		s.misbehave(lwm2mtest.Deregister, 3*time.Second)
		go func() { s.closing <- s.client.Close(context.Background()) }()
	default:
		s.reachManaged()
	}
}

// misbehave makes the server answer a request as the code demands, or late:
// the client is then held, and nothing fails by itself.
func (s *scene) misbehave(kind lwm2mtest.Kind, late time.Duration) (held bool) {
	n, f := 1, lwm2mtest.Behaviour{Delay: late}
	if kind == lwm2mtest.BootstrapRequest {
		// The operations do not wait for a late answer: this holds until the
		// resends are exhausted, and a new exchange succeeds.
		f = lwm2mtest.Behaviour{Silent: true}
	}
	switch s.code {
	case holdfast.CodeBootstrapFailed:
		n, f = 2, lwm2mtest.Behaviour{Answer: messages.BadRequest, Payload: "Account device quota reached"}
		if s.stored == matrix.Bootstrapped {
			n = 1
		}
	case holdfast.CodeInvalidParameters:
		n, f = 2, lwm2mtest.Behaviour{Answer: messages.Forbidden}
	case holdfast.CodeTimeout:
		n, f = -1, lwm2mtest.Behaviour{Silent: true}
	case holdfast.CodeUnregistration:
		f = lwm2mtest.Behaviour{Answer: messages.InternalServerError}
	}
	s.Server.Misbehave(systemtest.Endpoint, kind, n, f)
	return n == 1 && f.Answer == messages.Empty
}

// reachBootstrap leads to a moment of a bootstrap. A client that has been
// bootstrapped before is refused by the management server first.
func (s *scene) reachBootstrap() {
	if s.stored == matrix.Bootstrapped {
		s.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, 1, lwm2mtest.Behaviour{Answer: messages.Forbidden})
	}
	reached := func() {}
	switch s.at {
	case matrix.Handshake:
		s.bootstrap.RefuseHandshakes(0)
	case matrix.BootstrapRequesting:
		if s.misbehave(lwm2mtest.BootstrapRequest, 20*time.Second) {
			reached = func() { s.client.WaitFor(holdfast.Bootstrapping) }
		}
	case matrix.BootstrapPersisting:
		s.needle.set(s.holdSave)
		reached = s.held.await
	default:
		writes := s.account().Writes()
		if s.code == holdfast.CodeMemory {
			writes = s.tooMuch()
		}
		s.deliverWrites(writes, s.holdStep)
		reached = s.held.await
	}
	s.launch()
	if s.stored == matrix.Bootstrapped {
		s.client.ExpectError(holdfast.CodeInvalidParameters)
	}
	reached()
	synctest.Wait()
}

// holdSave holds the store before it writes.
func (s *scene) holdSave(actor string, stage lwm2mtest.Stage, message any) {
	if save, _ := message.(messages.Save); save.Record == messages.RecordCredentials && stage == lwm2mtest.StageInvoking && strings.HasSuffix(actor, "/store") {
		_ = s.held.pass() // nobody gives the store an error that way
	}
}

// heldSteps are the operations before which a bootstrap server is held.
var heldSteps = map[matrix.Moment]lwm2mtest.StepKind{
	matrix.BootstrapWaiting: lwm2mtest.StepDiscover, matrix.BootstrapDiscover: lwm2mtest.StepDiscover,
	matrix.BootstrapDelete: lwm2mtest.StepDelete, matrix.BootstrapWrite: lwm2mtest.StepWrite,
	matrix.BootstrapRead: lwm2mtest.StepRead, matrix.BootstrapFinish: lwm2mtest.StepFinish,
}

// holdStep holds the bootstrap server before an operation. The error that the
// gate is opened with makes it give up.
func (s *scene) holdStep(_ context.Context, step lwm2mtest.BootstrapStep) error {
	if step.Kind == heldSteps[s.at] {
		return s.held.pass()
	}
	return nil
}

// poke sends a datagram from the server that the scene is about to the client.
func (s *scene) poke(data []byte) {
	from := s.sockets[s.bootstrapping()]
	here := from.LocalAddr().(*net.UDPAddr).AddrPort()
	packets := s.Network.Packets()
	for _, p := range slices.Backward(packets) {
		if p.To.Port() == here.Port() && p.To.Addr() == s.peerHost().Addr() {
			if _, err := from.WriteTo(data, net.UDPAddrFromAddrPort(p.From)); err != nil {
				s.T.Fatal(err)
			}
			return
		}
	}
	s.T.Fatal("the client has sent nothing to this server")
}

// records returns the content of the store's records.
func (s *scene) records() map[string]string {
	content := map[string]string{}
	for _, name := range []string{messages.RecordCredentials, messages.RecordFactory} {
		files, _ := filepath.Glob(filepath.Join(s.cfg.StateDir, name+".*")) // the pattern is good
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				s.T.Fatal(err)
			}
			content[filepath.Base(file)] = string(data)
		}
	}
	return content
}

func (s *scene) sameRecords(before map[string]string) {
	s.T.Helper()
	if after := s.records(); !maps.Equal(before, after) {
		s.T.Errorf("the store had %v and has %v", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
	}
}

// needle is a tap that can be changed while the client runs.
type needle struct {
	mu  sync.Mutex
	act func(actor string, stage lwm2mtest.Stage, message any)
}

func (n *needle) set(act func(actor string, stage lwm2mtest.Stage, message any)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.act = act
}

// Message implements lwm2mtest.Tap.
func (n *needle) Message(actor string, stage lwm2mtest.Stage, message any) {
	n.mu.Lock()
	act := n.act
	n.mu.Unlock()
	if act != nil {
		act(actor, stage, message)
	}
}

// gate holds the first to pass until it is opened; the others pass freely.
type gate struct {
	once, opening   sync.Once
	reached, opened chan struct{}
	err             error
}

func newGate() *gate { return &gate{reached: make(chan struct{}), opened: make(chan struct{})} }

func (g *gate) pass() (err error) {
	g.once.Do(func() {
		close(g.reached)
		<-g.opened
		err = g.err
	})
	return err
}

func (g *gate) await() { <-g.reached }

func (g *gate) open(err error) {
	g.opening.Do(func() {
		g.err = err
		close(g.opened)
	})
}
