package interop

import (
	"encoding/hex"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

const (
	// bigSecurity is less than what a big Security object has, in bytes.
	bigSecurity = 4 << 10
	blockSize   = 256
)

// bigServer is a server certificate of more than 4 KiB.
func bigServer(t *testing.T, set *testpki.Set) *testpki.Leaf {
	t.Helper()
	leaf, err := set.CA.Issue(testpki.Request{
		Role: testpki.Server, CommonName: testpki.ServerName,
		IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Padding: bigSecurity,
	})
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// bigManagement is a management server with that certificate.
func bigManagement(t *testing.T, set *testpki.Set, leaf *testpki.Leaf) *leshan {
	t.Helper()
	files := leaf.WriteFiles(t)
	server := management(t, "--cert", files.Cert, "--key", files.Key, "--trust", set.CA.WriteFile(t))
	server.Do(peer.Object{"op": "x509", "ep": endpoint})
	return server
}

func keyDER(t *testing.T, leaf *testpki.Leaf) []byte {
	t.Helper()
	der, err := leaf.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// A Security object above 4 KiB comes from Leshan in blocks, and its
// certificate lets the client in at the management server.
func TestLeshanBootstrapInBlocks(t *testing.T) {
	t.Parallel()
	set := testpki.Must(t, endpoint)
	leaf := bigServer(t, set)
	server := bigManagement(t, set, leaf)
	bs := bootstrap(t, "--block-size", strconv.Itoa(blockSize))
	bs.provision("TLV", peer.Object{
		"instance": 1, "ssid": shortServerID, "uri": "coaps://" + server.CoAPS(), "mode": "X509",
		"cert": hex.EncodeToString(set.Client.Cert.Raw), "key": hex.EncodeToString(keyDER(t, set.Client)),
		"server_cert": hex.EncodeToString(leaf.Cert.Raw),
	})
	wire := newRelay(t, bs.CoAP())
	cfg := quick(t)
	cfg.Bootstrap = noSec(wire.addr())
	c := start(t, cfg)
	c.bootstrapped()
	c.registered()
	server.event("registered")
	c.leave()
	logBlocks(t, wire)
}

// logBlocks tells how many blocks Leshan sent, and whether with one token or
// one for each.
func logBlocks(t *testing.T, wire *relay) {
	t.Helper()
	writes, tokens := 0, map[string]bool{}
	for _, d := range wire.datagrams() {
		if d.request() && d.code() == codePUT {
			writes++
			tokens[d.token()] = true
		}
	}
	if want := bigSecurity / blockSize; writes < want {
		t.Errorf("%d Writes, want at least %d", writes, want)
	}
	t.Logf("%d Writes with %d different tokens", writes, len(tokens))
}

// The same over PSK from the embedded server, which can do both, whatever
// Leshan does: one token for all blocks, and a new one for each.
func TestBootstrapInBlocksByTokens(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name      string
		newTokens bool
		format    messages.Format
	}{
		{"one token, TLV", false, messages.FormatTLV},
		{"new tokens, TLV", true, messages.FormatTLV},
		{"new tokens, SenML CBOR", true, messages.FormatSenMLCBOR},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			peer.Require(t, peer.KindLeshan)
			bootstrapInBlocks(t, tc.newTokens, tc.format)
		})
	}
}

func bootstrapInBlocks(t *testing.T, newTokens bool, format messages.Format) {
	t.Helper()
	set := testpki.Must(t, endpoint)
	leaf := bigServer(t, set)
	server := bigManagement(t, set, leaf)
	bs := lwm2mtest.NewServer(lwm2mtest.ServerOptions{BlockSize: blockSize, NewTokenPerBlock: newTokens})
	defer bs.Close()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bs.ServeBootstrap(socket, lwm2mtest.PSK(endpoint, testKey))
	bs.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{
		Delete: []string{"/0", "/1"},
		Writes: lwm2mtest.AccountConfig{
			URI: "coaps://" + server.CoAPS(), ShortServerID: shortServerID, Lifetime: 5 * time.Minute,
			Certificate: set.Client.Cert.Raw, PrivateKey: keyDER(t, set.Client), ServerCertificate: leaf.Cert.Raw,
			Format: &format,
		}.Writes(),
	})
	cfg := quick(t)
	cfg.Bootstrap = psk(socket.LocalAddr().String(), testKey)
	c := start(t, cfg)
	c.bootstrapped()
	c.registered()
	server.event("registered")
	c.leave()
}

// /3/0 above 1 KiB is read block by block.
func TestLeshanReadsInBlocks(t *testing.T) {
	t.Parallel()
	server := management(t)
	wire := newRelay(t, server.CoAP())
	cfg := quick(t)
	cfg.Server = noSec(wire.addr())
	text := func(letter string) string { return strings.Repeat(letter, 255) }
	cfg.Device = holdfast.DeviceConfig{Manufacturer: text("m"), Model: text("o"), Serial: text("s"), Firmware: text("f")}
	c := start(t, cfg)
	c.registered()
	server.event("registered")
	for _, format := range formats {
		before := contents(wire)
		for _, path := range []string{"/3", "/3/0"} {
			server.read(path, format, text("m"), text("o"), text("s"), text("f"))
		}
		if n := contents(wire) - before; n < 4 {
			t.Errorf("%d answers with content to two Reads as %s, want two blocks each", n, format)
		}
	}
	c.leave()
}

// contents counts the client's answers of code 2.05.
func contents(wire *relay) int {
	n := 0
	for _, d := range wire.datagrams() {
		if !d.fromServer && d.code() == codeContent {
			n++
		}
	}
	return n
}
