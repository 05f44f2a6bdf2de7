package holdfast

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/holdfast-iot/holdfast/actors/bootstrap"
	"github.com/holdfast-iot/holdfast/actors/coapresend"
	"github.com/holdfast-iot/holdfast/actors/management"
	"github.com/holdfast-iot/holdfast/actors/network"
	"github.com/holdfast-iot/holdfast/actors/storage"
	"github.com/holdfast-iot/holdfast/actors/supervisor"
	"github.com/holdfast-iot/holdfast/actors/update"
	"github.com/holdfast-iot/holdfast/internal/clientview"
	"github.com/holdfast-iot/holdfast/internal/credfile"
	"github.com/holdfast-iot/holdfast/internal/journal"
	"github.com/holdfast-iot/holdfast/internal/linkwatch"
	"github.com/holdfast-iot/holdfast/internal/uplink"
	"github.com/holdfast-iot/holdfast/internal/wallclock"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// parts translates the configuration into what the supervisor and its children
// are told.
func (c *Client) parts() supervisor.Runtime {
	cfg := c.config
	coap := coapresend.Config{
		AckTimeout: cfg.CoAP.AckTimeout, AckRandomFactor: cfg.CoAP.AckRandomFactor,
		MaxRetransmit: cfg.CoAP.MaxRetransmit, NStart: cfg.CoAP.NStart,
		MaxQueue: cfg.Limits.QueuedMessages, ClientFirst: true,
	}
	c.uplink = uplink.New(c.config.Network.Interfaces, func(n messages.NetworkChanged) { c.tell(n) })
	transport := c.transport()
	runtime := supervisor.Runtime{
		Config: supervisor.Config{
			Endpoint:   cfg.Endpoint,
			Policy:     supervisor.NewPolicy(cfg.Reconnect.InitialMin, cfg.Reconnect.InitialMax, cfg.Reconnect.Max, c.random().Float64()),
			PolicyKind: policyKind(cfg.Reconnect.Policy),
			Budget:     cfg.RegistrationTimeout,
			QueueMode:  cfg.QueueMode,
			Versions:   versions(cfg.LwM2MVersion),
			Linger:     coap.MaxTransmitWait(),

			MaxAccounts: cfg.Limits.Accounts,
			MaxBytes:    cfg.Limits.BootstrapBytes,
			Registry:    c.runtime.registry,
			Built:       c.built(),
			RenewAt:     cfg.RenewAt,
			EnrolAt:     cfg.enrolAt(),

			CID: !cfg.DTLS.WithoutCID, KeepSessions: !cfg.DTLS.ForgetSessions,
		},
		Transport: transport,
		Nonces:    &c.nonces,
		Admission: c.runtime.admission,
		Signers:   cfg.signers(),
		Trust:     cfg.trustStore(),
		Wall:      c.wall(),
		CoAP:      coap,
		Rand:      c.random(),
		Bootstrap: bootstrap.Config{
			Silence: coap.ExchangeLifetime(), Longest: cfg.BootstrapTimeout, MaxBytes: cfg.Limits.BootstrapBytes, MaxAccounts: cfg.Limits.Accounts,
			Registry: c.runtime.registry, Wall: c.wall(), TrustStore: cfg.hasTrustStore(),
		},
		Management: management.Config{
			Device: c.device(), Objects: c.objects(), Registry: c.registry(), Deadline: cfg.ObjectTimeout, Log: c.objectFailed,
			Endpoint: cfg.Endpoint, Observations: cfg.Limits.Observations,
		},
		Storage:   storage.Sources{Records: c.store, Factory: c.factory, Places: c.runtime.places},
		Emit:      c.hub.emit,
		Publish:   c.hub.publish,
		Newest:    c.hub.newest,
		Finish:    func(s messages.Stopped) { c.stopped <- s }, // it has room for the one answer
		Warn:      c.warn,
		Crash:     c.crashed,
		LatePanic: c.latePanic,
		Hooks:     c.hooks,
	}
	if u := c.updates; u != nil {
		c.wireUpdates(&runtime, u)
	}
	return runtime
}

// wireUpdates adds what updates of the firmware need.
func (c *Client) wireUpdates(runtime *supervisor.Runtime, u *updates) {
	runtime.Config.Download = &supervisor.Download{Credentials: u.files.download, Hosts: u.AllowHosts}
	runtime.CoAP.StreamPaths = []string{pathPackage.String()}
	runtime.Management.Updates = &management.Updates{
		Reported: firmware.Reported(), Owed: u.faces.Owed, Has: u.faces.Has, PostWrites: []lwm2m.Path{pathManifest},
	}
	runtime.Update = update.Maker(c.updateActor(runtime.Transport, runtime.CoAP.ExchangeLifetime()))
}

// Resources of updates that are written in ways of their own: the package in blocks that are
// not collected, and the manifest by POST, too.
var (
	pathPackage  = lwm2m.PathOf(objects.Firmware, 0, objects.FirmwarePackage)
	pathManifest = lwm2m.PathOf(objects.Manifest, 0, objects.ManifestManifest)
)

// signers returns the signers of the configured accounts.
func (c Config) signers() []crypto.Signer {
	var signers []crypto.Signer
	accounts := []*Account{c.Bootstrap, c.Server}
	if c.Firmware != nil && c.Firmware.Download != nil {
		accounts = append(accounts, c.Firmware.Download.account())
	}
	for _, a := range accounts {
		if a != nil && a.Signer != nil {
			signers = append(signers, network.BoundSigner(a.Signer))
		}
	}
	return signers
}

// readTrustStore reads the authorities of the device.
func (c Config) readTrustStore() (credfile.TrustStore, []Fault) {
	store, wrong := credfile.ReadTrustStore(c.TrustStore, c.TrustStoreAnchors, c.TrustStore == TrustStoreSystem)
	var faults []Fault
	for _, f := range wrong {
		faults = append(faults, Fault{Key: f.Key, Problem: f.Problem, Err: f.Err})
	}
	return store, faults
}

// trustStore has the authorities of the device read by a link; nil where there are
// none.
func (c Config) trustStore() network.TrustStore {
	if !c.hasTrustStore() {
		return nil
	}
	return func() (network.Authorities, error) {
		store, faults := c.readTrustStore()
		if len(faults) > 0 {
			return network.Authorities{}, &CredentialsError{Faults: faults}
		}
		return network.Authorities{Pool: store.Pool, List: store.List}, nil
	}
}

// transport returns the network below the client's links. Callers hold c.mu.
func (c *Client) transport() network.Transport {
	if c.settings.Transport != nil {
		return c.settings.Transport
	}
	c.network = network.NewSystem(c.config.DNS.Server)
	if len(c.config.Network.Interfaces) > 0 {
		c.network = network.NewSystemOn(c.uplink, c.config.DNS.Server)
	}
	return c.network
}

// registry defines the objects that servers see.
func (c *Client) registry() *lwm2m.Registry { return management.RegistryOf(c.objects()) }

func (c *Client) device() management.Device {
	d := c.config.Device
	return management.Device{Manufacturer: d.Manufacturer, Model: d.Model, Serial: d.Serial, Firmware: d.Firmware}
}

// versions returns the LwM2M versions to offer, highest first.
func versions(highest string) []string {
	if highest == "1.0" {
		return []string{"1.0"}
	}
	return []string{"1.1", "1.0"}
}

func (c *Client) random() coapresend.Rand {
	if c.settings.Rand == nil {
		return coapresend.SystemRand{}
	}
	return fixedRand{float64: c.settings.Rand}
}

// fixedRand replaces what decides about instants; tokens stay unpredictable.
type fixedRand struct {
	coapresend.SystemRand
	float64 func() float64
}

// Float64 implements coapresend.Rand.
func (r fixedRand) Float64() float64 { return r.float64() }

func policyKind(p ReconnectPolicy) supervisor.PolicyKind {
	switch p {
	case PolicyExponential:
		return supervisor.PolicyExponential
	case PolicyLwM2M:
		return supervisor.PolicyLwM2M
	}
	return supervisor.PolicyAuto
}

// watchSleep has the supervisor told when the machine has been suspended. A
// simulated network has a simulated clock, which never is. Callers hold c.mu.
func (c *Client) watchSleep() {
	tell := func(slept time.Duration) { c.tell(messages.Woke{Slept: slept}) }
	switch {
	case c.settings.Sleep != nil:
		c.unwatch = append(c.unwatch, c.settings.Sleep(tell))
	case c.settings.Transport == nil:
		c.unwatch = append(c.unwatch, c.runtime.sleep.Add(tell))
	}
}

// watchClock has the supervisor told when the wall clock was set. Callers hold
// c.mu.
func (c *Client) watchClock() {
	tell := func() { c.tell(messages.ClockStepped{}) }
	switch {
	case c.settings.Steps != nil:
		c.unwatch = append(c.unwatch, c.settings.Steps(tell))
	case c.settings.Transport == nil:
		c.unwatch = append(c.unwatch, wallclock.Machine.Add(tell))
	}
}

// watchLinks has the supervisor told what this machine can reach servers by. Callers hold c.mu.
func (c *Client) watchLinks() {
	var unwatch func()
	switch {
	case c.config.Network.Unwatched:
		return
	case c.settings.Links != nil:
		unwatch = c.settings.Links(c.uplink.Changed)
	case c.settings.Transport == nil && linkwatch.Supported:
		unwatch = c.addToLinkWatch()
	default:
		return
	}
	c.unwatch = append(c.unwatch, unwatch, c.uplink.Close)
}

// addToLinkWatch has the client follow this machine. Where any interface will do, what there
// is to begin with is nothing new.
func (c *Client) addToLinkWatch() (remove func()) {
	if len(c.config.Network.Interfaces) > 0 {
		return linkwatch.Machine.Add(c.uplink.Changed)
	}
	return linkwatch.Machine.AddForChanges(c.uplink.Changed)
}

// dialTCP is how connections to web servers of images are opened; nil for the system's way.
func (c *Client) dialTCP() func(context.Context, netip.AddrPort) (net.Conn, error) {
	if c.settings.DialTCP == nil && c.network != nil {
		return c.network.DialTCP
	}
	return c.settings.DialTCP
}

func init() {
	clientview.Provide(func(client any) clientview.Client { return view{client.(*Client)} })
}

// view is what the companions of a client may do with it.
type view struct{ *Client }

// Endpoint implements clientview.Client.
func (v view) Endpoint() string { return v.config.Endpoint }

// Logger implements clientview.Client.
func (v view) Logger() *slog.Logger { return v.logger }

// Attach implements clientview.Client.
func (v view) Attach(companion clientview.Companion) error {
	v.mu.Lock()
	for v.phase == clientStarting {
		begun := v.begun
		v.mu.Unlock()
		<-begun
		v.mu.Lock()
	}
	defer v.mu.Unlock()
	switch v.phase {
	case clientNew:
	case clientStarted:
		if err := companion.Open(); err != nil {
			return err
		}
		companion.Serve()
	default:
		return codeError(CodeNotAllowed, PhaseAPI, errors.New("the client is closed"))
	}
	v.companions = append(v.companions, companion)
	return nil
}

// openCompanions opens the companions of a client that is starting: until that
// has ended, none comes to them.
func (c *Client) openCompanions() error {
	for _, companion := range c.companions {
		if err := companion.Open(); err != nil {
			return err
		}
	}
	return nil
}

// abandon takes the opening back, as far as it came.
func abandon(companions []clientview.Companion) {
	for _, companion := range companions {
		companion.Abandon()
	}
}

// RollCall implements clientview.Client.
func (v view) RollCall(ctx context.Context) (actors []messages.Pinged, ok bool) {
	answer := make(chan []messages.Pinged, 1)
	if !v.tell(messages.RollCall{Answer: answer}) {
		return nil, false
	}
	select {
	case actors = <-answer:
		return actors, true
	case <-ctx.Done():
		return nil, false
	}
}

// Record implements clientview.Client.
func (v view) Record() journal.Record {
	_, record := v.hub.record()
	return record
}

// Call implements clientview.Client.
func (v view) Call(ctx context.Context, what messages.Call) (messages.Answered, error) {
	return v.ask(ctx, what)
}

// Close implements clientview.Client.
func (v view) Close() error {
	go func() { _ = v.Client.Close(context.Background()) }() // its outcome is read below
	<-v.left
	return v.result
}
