package interop

import (
	"encoding/hex"
	"testing"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/interop/peer"
)

const shortServerID = 123

// provision makes the bootstrap server deliver one management account. An
// empty format is the one that the client prefers.
func (l *leshan) provision(format string, security peer.Object) {
	l.t.Helper()
	config := peer.Object{
		"op": "config", "ep": endpoint, "delete": []string{"/0", "/1"},
		"security": []peer.Object{security},
		"servers":  []peer.Object{{"instance": 0, "ssid": shortServerID, "lifetime": 300}},
	}
	if format != "" {
		config["format"] = format
	}
	l.Do(config)
}

func noSecEntry(addr string) peer.Object {
	return peer.Object{"instance": 1, "ssid": shortServerID, "uri": "coap://" + addr, "mode": "NO_SEC"}
}

func pskEntry(addr string, key []byte) peer.Object {
	return peer.Object{
		"instance": 1, "ssid": shortServerID, "uri": "coaps://" + addr,
		"mode": "PSK", "id": endpoint, "key": hex.EncodeToString(key),
	}
}

// bootstrapped returns the next bootstrapped event and checks it.
func (c *client) bootstrapped() {
	c.t.Helper()
	if e := c.nextOf(holdfast.EventBootstrapped); e.Accounts != 1 {
		c.t.Errorf("bootstrapped: %+v, want 1 account", e)
	}
}

func TestLeshanBootstrapPSK(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{"preferred": "", "TLV": "TLV", "SenMLCBOR": "SENML_CBOR"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bootstrapAllTheWay(t, format)
		})
	}
}

func bootstrapAllTheWay(t *testing.T, format string) {
	t.Helper()
	newKey := []byte("another key of 24 bytes.")
	server := management(t)
	server.allowPSK(newKey)
	bs := bootstrap(t)
	bs.allowPSK(testKey)
	bs.provision(format, pskEntry(server.CoAPS(), newKey))

	cfg := quick(t)
	cfg.Bootstrap = psk(bs.CoAPS(), testKey)
	c := start(t, cfg)
	c.bootstrapped()
	bs.event("bs_end")
	c.registered()
	server.event("registered")
	readEverything(server)
	if errs := c.errorsSeen(); len(errs) > 0 {
		t.Errorf("errors: %s", c.story())
	}
	c.leave()

	// What was delivered is stored: the next start needs no bootstrap.
	again := start(t, cfg)
	again.registered()
	if n := bs.count("bs_authorized"); n != 1 {
		t.Errorf("%d bootstraps, want 1", n)
	}
	again.leave()
}

// Leshan asks what is there before it writes, and chooses instances itself.
func TestLeshanBootstrapDiscovers(t *testing.T) {
	t.Parallel()
	server := management(t)
	bs := bootstrap(t)
	entry := noSecEntry(server.CoAP())
	bs.Do(peer.Object{
		"op": "config", "ep": endpoint, "auto_id": true, "delete": []string{"/0", "/1"},
		"security": []peer.Object{entry},
		"servers":  []peer.Object{{"instance": 0, "ssid": shortServerID, "lifetime": 300}},
	})
	cfg := quick(t)
	cfg.Bootstrap = noSec(bs.CoAP())
	c := start(t, cfg)
	c.bootstrapped()
	c.registered()
	kinds := map[any]bool{}
	for _, e := range bs.Events() {
		if e["event"] == "bs_response" {
			kinds[e["kind"]] = true
		}
	}
	if !kinds["BootstrapDiscoverRequest"] || !kinds["BootstrapWriteRequest"] {
		t.Errorf("answered with success: %v", kinds)
	}
	c.leave()
}

// An endpoint that the bootstrap server does not know is told 4.00: code 2,
// again and again by the policy, until there is something for it.
func TestLeshanBootstrapRefused(t *testing.T) {
	t.Parallel()
	server := management(t)
	bs := bootstrap(t)
	cfg := quick(t)
	cfg.Bootstrap = noSec(bs.CoAP())
	c := start(t, cfg)
	if e := c.errorEvent(); e.Code != holdfast.ErrBootstrapFailed.Code || e.CoAP != "4.00" || e.Action != "retry" {
		t.Errorf("refused: %+v", e)
	}
	bs.provision("TLV", noSecEntry(server.CoAP()))
	c.bootstrapped()
	c.registered()
	c.leave()
}
