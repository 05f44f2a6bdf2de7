package systemtest

import (
	"context"
	"net"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// BootstrapKey is the pre-shared key of the client and the bootstrap server.
var BootstrapKey = []byte("bootstrap-key-16")

// ServeBootstrap opens the bootstrap server's port for the client's key.
func (w *World) ServeBootstrap() *lwm2mtest.Service {
	w.T.Helper()
	return w.Server.ServeBootstrap(w.ListenBootstrap(DTLSPort), lwm2mtest.PSK("bs-"+Endpoint, BootstrapKey))
}

// ServeBoth opens the ports of both servers for the client's keys.
func (w *World) ServeBoth() (management *lwm2mtest.Service) {
	w.T.Helper()
	management = w.ServePSK()
	w.ServeBootstrap()
	return management
}

// ServeAndDeliver opens both ports, and the bootstrap server has the account
// that fits: a client with the configuration Factory gets registered.
func (w *World) ServeAndDeliver() (management *lwm2mtest.Service) {
	w.T.Helper()
	management = w.ServeBoth()
	w.Deliver(Key)
	return management
}

// ListenBootstrap opens a port of the bootstrap server, on a host of its own.
func (w *World) ListenBootstrap(port uint16) net.PacketConn {
	w.T.Helper()
	if w.BootstrapHost == nil {
		w.BootstrapHost = w.Network.Host("bootstrap", BootstrapAddr)
	}
	pc, err := w.BootstrapHost.ListenPacket(port)
	if err != nil {
		w.T.Fatal(err)
	}
	return pc
}

// Deliver makes the bootstrap server write an account for the management
// server over PSK.
func (w *World) Deliver(key []byte) {
	account := lwm2mtest.AccountConfig{
		URI: "coaps://192.0.2.1", PSKIdentity: Endpoint, PSKKey: key, Lifetime: time.Hour,
	}
	w.Server.SetBootstrap(Endpoint, lwm2mtest.BootstrapConfig{
		Delete: []string{"/0", "/1"}, Writes: account.Writes(),
	})
}

// Factory is a configuration with a bootstrap account over PSK only.
func (w *World) Factory() holdfast.Config {
	cfg := w.NoSec()
	cfg.Server = nil
	cfg.Bootstrap = &holdfast.Account{
		URI: "coaps://192.0.2.2", Security: holdfast.SecurityPSK,
		PSKIdentity: "bs-" + Endpoint, PSKKey: BootstrapKey,
	}
	return cfg
}

// DeliverTooMuch makes the bootstrap server write a chain of 8 KiB.
func (w *World) DeliverTooMuch() {
	account := lwm2mtest.AccountConfig{URI: "coaps://192.0.2.1", PSKIdentity: Endpoint, PSKKey: Key, Lifetime: time.Hour}
	writes := account.Writes()
	format := messages.FormatOpaque
	writes = append(writes, lwm2mtest.BootstrapWrite{Path: "/0/1/4", Format: &format, Payload: make([]byte, 8<<10)})
	w.Server.SetBootstrap(Endpoint, lwm2mtest.BootstrapConfig{Writes: writes})
}

// ExpectTooLarge demands that the server's last write was answered 4.13.
func (w *World) ExpectTooLarge() {
	w.T.Helper()
	result, err := w.Server.WaitBootstraps(context.Background(), Endpoint, 1)
	if err != nil {
		w.T.Fatal(err)
	}
	if last := result.Steps[len(result.Steps)-1]; last.Response.Code != messages.RequestEntityTooLarge {
		w.T.Errorf("the write was answered %s", last.Response.Code)
	}
}
