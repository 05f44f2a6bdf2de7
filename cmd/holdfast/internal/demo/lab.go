package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Names of the show; .test is reserved for such (RFC 6761 section 6.2).
const (
	gatewayName    = "demo-gateway"
	managementHost = "management.holdfast.test"
	bootstrapHost  = "bootstrap.holdfast.test"
	factoryID      = "factory" // PSK identity at the bootstrap server
)

// keyLength is the length of all keys, in bytes (AES-128).
const keyLength = 16

// lab is the world of a run: two servers on loopback, a name server, a
// directory, and the devices. The scenarios use it one after the other.
type lab struct {
	out     printer
	root    string // the temporary directory
	runtime *holdfast.Runtime
	names   *nameServer
	modem   *modem // of the one device that has its own

	server     *lwm2mtest.Server
	bootstrap  *lwm2mtest.Service
	management *lwm2mtest.Service
	address    netip.AddrPort    // of the management service, also while it is away
	keys       map[string][]byte // at the management service, by identity
	factory    *holdfast.Account // the bootstrap account of every device

	// Of the scenario that updates a gateway.
	signer    *ecdsa.PrivateKey
	installer *lwm2mtest.Installer
	told      *lwm2mtest.Collection // states and results, by the server's own count
	command   Command

	// Of the scenarios about sessions.
	relay    *relay    // between the gateway and its server; nil before the first
	provoked time.Time // when something was done to the gateway

	gateway *device
	devices []*device // all there are, the gateway included
}

// openLab starts the servers.
func openLab(out printer, command Command) (l *lab, err error) {
	l = &lab{out: out, command: command, keys: map[string][]byte{}, server: lwm2mtest.NewServer(lwm2mtest.ServerOptions{})}
	defer func() {
		if err != nil {
			l.close()
			l = nil
		}
	}()
	if l.root, err = os.MkdirTemp("", "holdfast-demo-"); err != nil {
		return l, err
	}
	l.runtime = holdfast.NewRuntime()
	if l.names, err = newNameServer(managementHost, bootstrapHost); err != nil {
		return l, err
	}
	l.address = netip.AddrPortFrom(loopback, 0)
	if err = l.openManagement(); err != nil {
		return l, err
	}
	return l, l.openBootstrap()
}

// close gives everything back. It may be called on a lab that is half open.
func (l *lab) close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewellBound)
	defer cancel()
	for _, d := range l.devices {
		_ = d.close(ctx) // it said good-bye already, or cannot
	}
	if l.runtime != nil {
		_ = l.runtime.Close(ctx) // its devices are closed
	}
	_ = l.server.Close() // always nil
	if l.relay != nil {
		l.relay.close()
	}
	if l.names != nil {
		l.names.Close()
	}
	if l.root != "" {
		_ = os.RemoveAll(l.root) // what is left is in the system's temporary directory
	}
}

func newKey() []byte {
	key := make([]byte, keyLength)
	_, _ = rand.Read(key) // never fails
	return key
}

// openBootstrap opens the bootstrap service.
func (l *lab) openBootstrap() error {
	pc, err := listen(netip.AddrPortFrom(loopback, 0))
	if err != nil {
		return err
	}
	key := newKey()
	l.bootstrap = l.server.ServeBootstrap(pc, lwm2mtest.PSK(factoryID, key))
	l.factory = &holdfast.Account{
		URI:      fmt.Sprintf("coaps://%s:%d", bootstrapHost, l.bootstrap.Addr().Port()),
		Security: holdfast.SecurityPSK, PSKIdentity: factoryID, PSKKey: key,
	}
	return nil
}

// openManagement opens the management service, on the port that it had.
func (l *lab) openManagement() error {
	pc, err := listen(l.address)
	if err != nil {
		return err
	}
	l.management = l.server.ServeManagement(pc, lwm2mtest.PSK(gatewayName, newKey()))
	l.address = l.management.Addr()
	for identity, key := range l.keys {
		l.management.SetPSK(identity, key)
	}
	return nil
}

// listen opens a UDP socket.
func listen(at netip.AddrPort) (net.PacketConn, error) {
	return net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
}

// abortManagement takes the management service away as a crash does: its port
// is closed, its sessions are lost, its registrations stay.
func (l *lab) abortManagement() {
	l.management.Abort()
	l.management = nil
}

// closeManagement takes it away in good order, with close_notify.
func (l *lab) closeManagement() {
	l.management.Close()
	l.management = nil
}

// enrol gives an endpoint a fresh key for the management server; the next
// bootstrap delivers it.
func (l *lab) enrol(endpoint string) {
	key := newKey()
	l.keys[endpoint] = key
	if l.management != nil {
		l.management.SetPSK(endpoint, key)
	}
	l.deliver(endpoint, nil)
}

// deliver sets what a bootstrap writes to an endpoint; before, when not nil,
// is called before each step.
func (l *lab) deliver(endpoint string, before func(context.Context, lwm2mtest.BootstrapStep) error) {
	l.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{
		Delete: []string{"/0", "/1"}, Writes: l.account(endpoint).Writes(), Before: before,
	})
}

// account returns the management account of an endpoint.
func (l *lab) account(endpoint string) lwm2mtest.AccountConfig {
	return lwm2mtest.AccountConfig{
		URI:         fmt.Sprintf("coaps://%s:%d", managementHost, l.address.Port()),
		PSKIdentity: endpoint, PSKKey: l.keys[endpoint],
	}
}

// opening lets the gateway bootstrap and register for the first time.
func (l *lab) opening(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openingBound)
	defer cancel()
	l.out.follow(gatewayName)
	l.enrol(gatewayName)
	var err error
	if l.gateway, err = l.startDevice(ctx, gatewayName, l.dir(gatewayName), l.factory); err != nil {
		return err
	}
	_, err = l.gateway.events.await(ctx, 0, registered)
	return err
}

// dir returns a path in the temporary directory.
func (l *lab) dir(name string) string { return filepath.Join(l.root, name) }

// heal puts everything back that a scenario may have left broken, so that the
// next one finds the world in order.
func (l *lab) heal() {
	l.server.Behave()
	l.server.AcceptHandshakes()
	l.server.MendFiles()
	l.names.restore()
	l.deliver(gatewayName, nil)
	if err := l.restoreDirectory(l.gateway.dir); err != nil {
		l.out.say(err.Error())
	}
	if l.management != nil {
		return
	}
	if err := l.openManagement(); err != nil {
		l.out.say(err.Error())
	}
}

// farewell lets the gateway de-register.
func (l *lab) farewell() {
	ctx, cancel := context.WithTimeout(context.Background(), farewellBound)
	defer cancel()
	l.out.closing()
	l.out.follow(gatewayName)
	_ = l.gateway.close(ctx) // its events say how it went
}

// execute lets the server execute a resource of an endpoint.
func (l *lab) execute(ctx context.Context, endpoint, path string) error {
	response, err := l.server.Do(ctx, endpoint, lwm2mtest.Request{Method: methodPOST, Path: path})
	if err != nil {
		return err
	}
	if response.Code != codeChanged {
		return fmt.Errorf("executing %s was answered %v", path, response.Code)
	}
	return nil
}

// CoAP codes (RFC 7252 section 12.1): class, and detail in five bits.
const (
	methodPOST     = 2
	codeChanged    = 2<<5 | 4
	codeContent    = 2<<5 | 5
	codeBadRequest = 4 << 5
	codeForbidden  = 4<<5 | 3
)

// displacedSuffix marks a state directory that was moved away.
const displacedSuffix = ".away"

// displaceDirectory replaces a directory by a file, which looks like a disk that is
// not mounted. File modes would mean nothing to root.
func (l *lab) displaceDirectory(dir string) error {
	if err := os.Rename(dir, dir+displacedSuffix); err != nil {
		return err
	}
	return os.WriteFile(dir, nil, 0o600)
}

// restoreDirectory undoes displaceDirectory; it does nothing to a directory
// that is in its place.
func (l *lab) restoreDirectory(dir string) error {
	if _, err := os.Stat(dir + displacedSuffix); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Rename(dir+displacedSuffix, dir)
}

// limited bounds a step that should take no time, within the scenario's own
// bound.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Second)
}
