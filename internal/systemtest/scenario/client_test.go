package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// This file holds all that the scenarios use of the client's public face.

const clientName = "client"

// settings are what a script has configured.
type settings struct {
	config holdfast.Config
	set    bool
}

// client is one process of the client.
type client struct {
	*holdfast.Client
	host   *lwm2mtest.Host
	events <-chan holdfast.Event
	stage  *stage
	dir    string
	heard  time.Time // of the last event
	update string    // how far one has come, as it was told last
}

func (s *stage) configure(c *command) {
	s.settings.set = true
	cfg := &s.settings.config
	*cfg = holdfast.Config{
		Endpoint: endpoint, StateDir: cfg.StateDir, Lifetime: c.duration("lifetime", 0),
		LwM2MVersion: c.text("version", ""), QueueMode: c.has("queue-mode"),
		Reconnect: holdfast.ReconnectConfig{
			Policy: holdfast.ReconnectPolicy(c.text("policy", "")), InitialMin: 5 * time.Second, InitialMax: 5 * time.Second,
		},
		Limits: holdfast.LimitsConfig{BootstrapBytes: c.number("bootstrap-bytes", 0), Accounts: c.number("accounts", 0)},
	}
	if cfg.StateDir == "" {
		cfg.StateDir = filepath.Join(s.t.TempDir(), "state")
	}
	if c.has("sensor") {
		s.sensor = s.newSensor()
		cfg.Objects = append(cfg.Objects, s.sensor)
	}
	if c.has("firmware") {
		s.takeUpdates(c, cfg)
	}
	if c.has("parts") {
		cfg.Objects = append(cfg.Objects, s.newParts())
	}
	cfg.Server = s.account(c, s.servers[management], c.text("server", "nosec"))
	cfg.Bootstrap = s.account(c, s.servers[bootstrap], c.text("bootstrap", "none"))
	if uri := c.text("uri", ""); uri != "" {
		cfg.Server.URI = uri
	}
}

// sensorDef is an object whose resource 5700 is a temperature.
var sensorDef = lwm2m.ObjectDef{ID: 3303, Name: "Temperature", Version: "1.0", Multiple: true, Resources: []lwm2m.ResourceDef{
	{ID: 5700, Name: "Sensor Value", Kind: lwm2m.KindFloat, Operations: lwm2m.OpRead, Mandatory: true},
}}

// newSensor makes such an object, with a temperature of 20 at /3303/0/5700.
func (s *stage) newSensor() *object.Values {
	v, err := object.NewValues(sensorDef)
	if err != nil {
		s.t.Fatal(err)
	}
	s.show(v, 20)
	return v
}

func (s *stage) show(sensor *object.Values, degrees int) {
	if err := sensor.Set(lwm2m.PathOf(3303, 0, 5700), lwm2m.Float(float64(degrees))); err != nil {
		s.t.Fatal(err)
	}
}

// account is the factory's account for a server.
func (s *stage) account(c *command, v *server, security string) *holdfast.Account {
	a := &holdfast.Account{URI: "coaps://" + v.host.Addr().String(), Security: holdfast.SecurityMode(security)}
	switch security {
	case "none":
		return nil
	case "nosec":
		a.URI = "coap://" + v.host.Addr().String()
	case "psk":
		a.PSKIdentity, a.PSKKey = endpoint, keys[v.name]
		if c.has("key-file") {
			a.PSKKey, a.PSKKeyFile = nil, filepath.Join(filepath.Dir(s.settings.config.StateDir), "psk")
		}
	case "x509":
		s.certify(c, v, a)
	}
	return a
}

// certify gives client and server certificates of the one authority.
func (s *stage) certify(c *command, v *server, a *holdfast.Account) {
	own, err := s.ca.Issue(testpki.Request{Role: testpki.Client, CommonName: endpoint})
	if err != nil {
		c.fatalf("%v", err)
	}
	files := own.WriteFiles(s.t)
	a.Certificate, a.PrivateKey, a.Trust = files.Cert, files.Key, s.ca.WriteFile(s.t)
	v.present(v.issue(s.ca))
}

// eventRoom is how many events may come within a command.
const eventRoom = 1 << 10

// start starts a process of the client, on a host of its own: of the one that
// was killed before nothing must be seen any more.
func (s *stage) start(c *command) {
	if !s.settings.set {
		s.configure(&command{t: s.t, at: c.at, verb: "config", args: map[string]string{}})
	}
	s.lives++
	s.living.Store(int64(s.lives))
	addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(9 + s.lives)})
	host := s.network.Host("", addr)
	s.narrator.hosts[addr], s.narrator.hosts[clientMoved] = clientName, clientName
	made, err := holdfast.New(s.settings.config,
		lwm2mtest.WithTransport(&transport{Host: host, stage: s}),
		lwm2mtest.WithTap(&s.needle),
		lwm2mtest.WithStoreFaults(s.disk.operate),
		lwm2mtest.WithWallClock(s.clock),
		lwm2mtest.WithDialTCP(s.dialWeb),
		lwm2mtest.WithRand(func() float64 { return 0 }))
	if err != nil {
		s.narrator.say(time.Now(), rankCall, clientName, s.refusal("start", err))
		return
	}
	s.client = &client{Client: made, host: host, stage: s, dir: s.settings.config.StateDir}
	s.client.events, _ = made.Events(eventRoom)
	s.t.Cleanup(func() {
		if n := made.Status().Dropped; n > 0 {
			s.t.Errorf("%d events had no room", n)
		}
	})
	if err := made.Start(context.Background()); err != nil {
		c.fatalf("%v", err)
	}
	if c.has("registered") {
		s.passOver()
	}
}

// passOver lets time pass until the client is registered, and tells nothing of
// it.
func (s *stage) passOver() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.client.Await(ctx, holdfast.Registered); err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
	s.collect()
	s.narrator.tell(false)
}

// refusal words an error that a call returns.
func (s *stage) refusal(what string, err error) string {
	var e *holdfast.Error
	if !errors.As(err, &e) {
		return what + " fails: " + s.tidy(err.Error())
	}
	text := fmt.Sprintf("%s fails: %d %v in %s", what, e.Code, e.Code, e.Phase)
	if e.Err != nil {
		text += ": " + s.tidy(strings.Join(strings.Fields(e.Err.Error()), " "))
	}
	return text
}

// tidy replaces what differs from one run to the next: where the files are.
func (s *stage) tidy(text string) string {
	if f := s.settings.config.Firmware; f != nil {
		text = strings.ReplaceAll(text, filepath.Dir(f.Dir), "~")
	}
	return strings.ReplaceAll(text, filepath.Dir(s.settings.config.StateDir), "~")
}

// running returns the client that a command is about.
func (s *stage) running(c *command) *client {
	if s.client == nil {
		c.fatalf("the client is not running")
	}
	return s.client
}

// kill ends the process at once. What it would still do as it is taken down
// reaches neither the network nor the state directory of its successor.
func (s *stage) kill() {
	dead := s.client
	if dead == nil {
		return
	}
	s.client = nil
	s.living.Store(0)
	dead.drain()
	s.narrator.bury(dead.host.Addr())
	for _, scope := range []lwm2mtest.Scope{lwm2mtest.FromHost(dead.host), lwm2mtest.ToHost(dead.host)} {
		s.network.Impair(scope, lwm2mtest.Conditions{BlackHole: true})
	}
	copied := filepath.Join(s.t.TempDir(), "state")
	if err := os.CopyFS(copied, os.DirFS(dead.dir)); err == nil {
		s.settings.config.StateDir = copied
	}
	s.keepImages()
	go func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = dead.Close(ctx) // nobody is there any more who could be told
	}()
}

func (s *stage) closeClient(c *command) {
	client := s.running(c)
	err := client.Close(context.Background())
	client.drain()
	s.client = nil
	text := "close succeeds"
	if err != nil {
		text = s.refusal("close", err)
	}
	// How many milliseconds the tear-down takes is of no interest.
	s.narrator.say(client.heard, rankCall, clientName, text)
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
}

// call makes a call of an application.
func (s *stage) call(c *command) {
	client, what := s.running(c), c.word()
	calls := map[string]func(context.Context) error{
		"update": client.RegisterUpdate, "pause": client.Pause, "resume": client.Resume,
		"bootstrap": client.Bootstrap, "factory-reset": client.FactoryReset,
		"network-up": func(context.Context) error { client.NetworkUp(); return nil },
		"grant":      client.decide(holdfast.FirmwareGrant), "refuse": client.decide(holdfast.FirmwareRefuse),
		"defer": client.decide(holdfast.FirmwareDefer),
	}
	if what == "send" {
		calls[what] = s.sendValues(c)
	}
	if calls[what] == nil {
		c.fatalf("there is no such call")
	}
	s.narrator.say(time.Now(), rankName, clientName, "call "+what)
	if err := calls[what](context.Background()); err != nil {
		synctest.Wait()
		client.drain()
		s.narrator.say(time.Now(), rankCall, clientName, s.refusal(what, err))
	}
}

// await lets time pass until an event comes.
func (s *stage) await(c *command) {
	client, kind := s.running(c), holdfast.EventType(c.word())
	code, state := c.number("code", 0), holdfast.State(c.text("state", ""))
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for left := c.number("times", 1); left > 0; {
		select {
		case e := <-client.events:
			client.narrate(e)
			timeout.Reset(patience)
			if e.Type == kind && (code == 0 || int(e.Code) == code) && (state == "" || e.State == state) {
				left--
			}
		case <-timeout.C:
			c.fatalf("no such event came:\n%s", s.narrator.tell(false))
		}
	}
}

// drain narrates the events that are there.
func (c *client) drain() {
	for {
		select {
		case e, open := <-c.events:
			if !open {
				return
			}
			c.narrate(e)
		default:
			return
		}
	}
}

func (c *client) narrate(e holdfast.Event) {
	c.heard = e.Time
	account := c.stage.serverOf(e.Server)
	if e.Type == holdfast.EventState { // of the client, whatever its cause
		account = wholeClient
	}
	r, text := rankEvent, c.stage.describeEvent(e)
	if e.Type == holdfast.EventFirmware {
		if text == c.update { // only how much there is to be reported has changed
			return
		}
		r, c.update = rankFirmware, text
	}
	c.stage.narrator.add(&entry{
		at: e.Time, rank: r, account: account, actor: clientName,
		text: text, fails: e.Type == holdfast.EventError,
	})
}

// status narrates what the client says of its servers.
func (s *stage) status(c *command) {
	status := s.running(c).Status()
	for _, conn := range status.Connections {
		failures := uint64(0)
		if conn.Trouble != nil {
			failures = conn.Trouble.Failures
		}
		text := fmt.Sprintf("status: %s %s, failures %d", s.serverOf(conn.Server), conn.State, failures)
		if conn.Location != "" {
			text += ", " + conn.Location
		}
		if !conn.DisabledUntil.IsZero() {
			text += fmt.Sprintf(", disabled for %v more", time.Until(conn.DisabledUntil))
		}
		if conn.QueueMode != "" {
			text += ", " + conn.QueueMode
		}
		if conn.Behind != "" {
			text += fmt.Sprintf(", waits for %s of %s", conn.WaitsFor, conn.Behind)
		}
		if conn.Shed != nil {
			text += fmt.Sprintf(", dropped %+v", *conn.Shed)
		}
		s.narrator.say(time.Now(), rankServer, clientName, text)
	}
}

// crash makes an actor panic at its next message.
func (s *stage) crash(c *command) {
	s.needle.aim(c.word(), c.text("message", ""), func() { panic(errNeedle) })
}

// hang makes an actor take its time over its next message.
func (s *stage) hang(c *command) {
	takes := c.duration("for", time.Minute)
	s.needle.aim(c.word(), c.text("message", ""), func() { time.Sleep(takes) })
}

// needle is a tap that does something to an actor, once.
type needle struct {
	mu             sync.Mutex
	actor, message string
	strike         func()
}

func (n *needle) aim(actor, message string, strike func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.actor, n.message, n.strike = actor, message, strike
}

var errNeedle = errors.New("a needle struck")

// Message implements lwm2mtest.Tap.
func (n *needle) Message(actor string, stage lwm2mtest.Stage, message any) {
	if stage == lwm2mtest.StageInvoking {
		n.take(actor, fmt.Sprintf("%T", message))()
	}
}

// take returns what is done to an actor at a message. Those of the actor
// system itself do not count.
func (n *needle) take(actor, message string) func() {
	n.mu.Lock()
	defer n.mu.Unlock()
	strike := n.strike
	if strike == nil || strings.HasPrefix(message, "*actor.") || !strings.HasSuffix(actor, "/"+n.actor) ||
		!strings.HasSuffix(message, n.message) {
		return func() {}
	}
	n.strike = nil
	return strike
}

// transport is the client's network, where also the name service takes its
// time.
type transport struct {
	*lwm2mtest.Host
	stage *stage
}

// Dial implements lwm2mtest.Transport.
func (t *transport) Dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	if t.stage.exhausted.Load() {
		return nil, &net.OpError{Op: "dial", Net: "udp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}
	conn, err := t.Host.Dial(ctx, remote)
	if err != nil {
		return nil, err
	}
	return &socket{udpSocket: conn.(udpSocket), narrator: t.stage.narrator}, nil
}

// udpSocket is what a Host dials: a socket whose writes never wait.
type udpSocket interface {
	net.Conn
	WriteNow(datagram []byte) (int, error)
}

// socket tells the narrator when it is closed.
type socket struct {
	udpSocket
	narrator *narrator
}

// Close implements net.Conn.
func (s *socket) Close() error {
	if local, ok := s.LocalAddr().(*net.UDPAddr); ok {
		s.narrator.closed(local.AddrPort())
	}
	return s.udpSocket.Close()
}

// Lookup implements lwm2mtest.Transport.
func (t *transport) Lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{addr}, nil
	}
	t.stage.narrator.say(time.Now(), rankClient, clientName+" -> dns", name)
	select {
	case <-time.After(2 * latency):
	case <-ctx.Done():
	}
	addrs, err := t.Host.Lookup(ctx, name)
	answer := strings.Trim(fmt.Sprint(addrs), "[]")
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		answer = dns.Err
	}
	t.stage.narrator.say(time.Now(), rankName, "dns -> "+clientName, answer)
	return addrs, err
}
