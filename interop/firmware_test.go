package interop

import (
	"crypto/tls"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/interop/peer"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const (
	// A large image comes without a loss, and a small one with a loss of datagrams each way.
	largeImage = 10 << 20
	smallImage = 256 << 10
	// racedImage takes the place of the large one under the race detector, which makes a push
	// three times as long; continuous integration runs this test without it, too.
	racedImage = 1 << 20
	loss       = 0.05
	// cuts is how often the connection to a web server breaks in a small image: what a lost
	// datagram is to CoAP, the system's TCP mends unseen.
	cuts = 5
)

// Leshan updates the firmware twice by object 5, each way that there is, and observes how it
// goes: with an image of 10 MB (1 MB under the race detector), and with one of 256 KB over a
// road that loses datagrams or breaks connections.
func TestLeshanUpdatesFirmware(t *testing.T) {
	for name, way := range map[string]func(*testing.T, []byte) *campaign{
		"push": byPush, "pull from libcoap": fromLibcoap, "pull from a web server": fromWeb,
	} {
		for security, key := range map[string][]byte{"NoSec": nil, "DTLS": testKey} {
			t.Run(name+", "+security, func(t *testing.T) {
				t.Parallel()
				peer.Require(t, peer.KindLeshan, peer.KindLibcoap)
				way(t, key).run()
			})
		}
	}
}

// campaign is a client that takes updates from Leshan.
type campaign struct {
	t      *testing.T
	client *client
	device peer.Device
	flash  *lwm2mtest.Installer
	// offer has the client get an image; the loss is on where that is a small one.
	offer         func(image lwm2mtest.Pattern, size int64)
	state, result watched
}

// watched is a resource that Leshan observes.
type watched struct {
	path  string
	token string
}

// newCampaign registers the client with a server of that address; what it is to fetch images
// with is given.
func newCampaign(t *testing.T, server *leshan, account *holdfast.Account, credentials *holdfast.FirmwareDownload) *campaign {
	t.Helper()
	c := &campaign{t: t, device: server.Device(endpoint), flash: lwm2mtest.NewInstaller()}
	cfg := quick(t)
	cfg.CoAP.MaxRetransmit = 4
	cfg.Server = account
	cfg.Firmware = &holdfast.Firmware{
		Dir: t.TempDir(), Installer: c.flash, AllowHosts: []string{"127.0.0.1"}, Download: credentials,
	}
	c.client = start(t, cfg)
	c.client.registered()
	server.event("registered")
	c.state, c.result = c.watch("/5/0/3"), c.watch("/5/0/5")
	return c
}

func (c *campaign) watch(path string) watched {
	c.t.Helper()
	first := observed(c.t, c.device.Observe(path, "TEXT"))
	has(c.t, first, one(path, 0.0))
	return watched{path, first.Token}
}

// tells demands the next values that Leshan is told, repetitions aside.
func (c *campaign) tells(w *watched, before float64, want ...float64) {
	c.t.Helper()
	for _, value := range want {
		told := c.told(w)
		for told == before {
			told = c.told(w)
		}
		if told != value {
			c.t.Fatalf("%s: Leshan was told %v after %v, want %v", w.path, told, before, value)
		}
		before = value
	}
}

func (c *campaign) told(w *watched) float64 {
	c.t.Helper()
	n := c.device.Notification(w.token)
	value, is := n.Values[w.path].(float64)
	if !is {
		c.t.Fatalf("%s: Leshan was told %v", w.path, n)
	}
	return value
}

func (c *campaign) run() {
	c.t.Helper()
	large := int64(largeImage)
	if systemtest.RaceDetector {
		large = racedImage
	}
	c.update(1, large)
	c.tells(&c.result, 0, 1)
	c.update(2, smallImage)
	c.tells(&c.result, 1, 0, 1)
	c.client.leave()
}

// update goes through one update.
func (c *campaign) update(image lwm2mtest.Pattern, size int64) {
	c.t.Helper()
	began := time.Now()
	c.offer(image, size)
	c.tells(&c.state, 0, 1, 2)
	took := time.Since(began)
	is(c.t, c.device.Do("execute", peer.Object{"path": "/5/0/2", "timeout_ms": 50_000}), "CHANGED(204)")
	c.tells(&c.state, 2, 3, 0)
	c.installed(image, size)
	c.t.Logf("%d bytes in %v", size, took)
}

// installed demands that the installer was given the image, whole, step by step.
func (c *campaign) installed(image lwm2mtest.Pattern, size int64) {
	c.t.Helper()
	for _, step := range []lwm2mtest.InstallerStep{lwm2mtest.StepVerify, lwm2mtest.StepInstall} {
		call, err := c.flash.Next(c.t.Context())
		if err != nil || call.Step != step || call.Size != size || call.Digest != image.SHA256(size) {
			c.t.Errorf("the installer was called to %s with %d bytes, %x, %v", call.Step, call.Size, call.Digest, err)
		}
	}
}

// lossy is a relay that loses datagrams while it is told to.
type lossy struct {
	*relay
	on atomic.Bool
}

func newLossy(t *testing.T, server string) *lossy {
	t.Helper()
	l := &lossy{}
	var mu sync.Mutex
	chance := rand.New(rand.NewPCG(1, 2))
	l.relay = newSieve(t, server, func(d datagram) []byte {
		mu.Lock()
		defer mu.Unlock()
		if l.on.Load() && chance.Float64() < loss {
			return nil
		}
		return d.data
	})
	return l
}

// byPush has Leshan write the package. All that it has to do with the client goes by the
// lossy road.
func byPush(t *testing.T, key []byte) *campaign {
	t.Helper()
	server := management(t, "--ack-timeout", "200")
	var road *lossy
	var account *holdfast.Account
	if key == nil {
		road = newLossy(t, server.CoAP())
		account = noSec(road.addr())
	} else {
		server.allowPSK(key)
		road = newLossy(t, server.CoAPS())
		account = psk(road.addr(), key)
	}
	c := newCampaign(t, server, account, nil)
	c.offer = func(image lwm2mtest.Pattern, size int64) {
		road.on.Store(size == smallImage)
		is(t, c.device.Push("/5/0/0", imageFile(t, image, size)), "CHANGED(204)")
	}
	return c
}

// pulls makes a campaign of a client that is told a URI.
func pulls(t *testing.T, key []byte, credentials *holdfast.FirmwareDownload, uri func(lwm2mtest.Pattern, int64) string) *campaign {
	t.Helper()
	server := management(t)
	account := noSec(server.CoAP())
	if key != nil {
		server.allowPSK(key)
		account = psk(server.CoAPS(), key)
	}
	c := newCampaign(t, server, account, credentials)
	c.offer = func(image lwm2mtest.Pattern, size int64) {
		is(t, c.device.Write("/5/0/1", "TEXT", uri(image, size)), "CHANGED(204)")
	}
	return c
}

// fromLibcoap has the client fetch the package from libcoap's server, with DTLS on a link of
// its own. The small one is behind the lossy road.
func fromLibcoap(t *testing.T, key []byte) *campaign {
	t.Helper()
	files := peer.LibcoapFiles(t, peer.BackendOpenSSL, peer.Security{PSKKey: testKey})
	scheme, addr := "coap", files.PlainAddr
	var credentials *holdfast.FirmwareDownload
	if key != nil {
		scheme, addr = "coaps", files.Addr
		credentials = &holdfast.FirmwareDownload{Security: holdfast.SecurityPSK, PSKIdentity: endpoint, PSKKey: key}
	}
	road := newLossy(t, addr)
	road.on.Store(true)
	put := peer.CoAPClient{T: t}
	return pulls(t, key, credentials, func(image lwm2mtest.Pattern, size int64) string {
		name := "/" + hex.EncodeToString([]byte{byte(image)})
		put.Put("coap://"+files.PlainAddr+name, imageFile(t, image, size))
		if size == smallImage {
			return scheme + "://" + road.addr() + name
		}
		return scheme + "://" + addr + name
	})
}

// fromWeb has the client fetch the package from a web server, whose connections break in the
// small one.
func fromWeb(t *testing.T, key []byte) *campaign {
	t.Helper()
	scheme := "http"
	var security *tls.Config
	var credentials *holdfast.FirmwareDownload
	if key != nil {
		set := testpki.Must(t, endpoint)
		scheme, security = "https", &tls.Config{Certificates: []tls.Certificate{set.Server.TLS()}}
		credentials = &holdfast.FirmwareDownload{Security: holdfast.SecurityX509, Trust: set.CA.WriteFile(t)}
	}
	web := systemtest.NewHTTP(t, security)
	t.Cleanup(web.Close)
	addr := web.Listen()
	return pulls(t, key, credentials, func(image lwm2mtest.Pattern, size int64) string {
		name := "/" + hex.EncodeToString([]byte{byte(image)})
		web.SetFile(name, image.File(size))
		if size == smallImage {
			breakOff(web, name, size)
		}
		return scheme + "://" + addr + name
	})
}

// breakOff has the connection break at random places of a file.
func breakOff(web *systemtest.HTTP, name string, size int64) {
	chance := rand.New(rand.NewPCG(1, 2))
	for range cuts {
		web.Spoil(name, 1, systemtest.WebFault{After: 1 + chance.Int64N(size/(2*cuts)), End: systemtest.WebReset})
	}
}

// imageFile writes an image into a file.
func imageFile(t testing.TB, image lwm2mtest.Pattern, size int64) string {
	t.Helper()
	content, err := io.ReadAll(image.Reader(size))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fw.bin")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
