package hostile_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// updatable is a world with a client that takes updates of its firmware, by object 5 and by
// manifests, and with a web server that is reached at whatever address the client dials.
type updatable struct {
	*systemtest.World
	web       *systemtest.HTTP
	installer *lwm2mtest.Installer
	client    *systemtest.Client
	config    holdfast.Config

	mu     sync.Mutex
	dialed []netip.AddrPort
}

const (
	genuine     = lwm2mtest.Pattern(1)
	genuineSize = 50_000
)

// signer returns a key that is always the same. The client trusts the first.
func signer(n byte) *ecdsa.PrivateKey {
	d := make([]byte, 32)
	d[31] = n
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d)
	if err != nil {
		panic(err)
	}
	return key
}

// updating runs script with such a client. Whatever happens, it stays registered, and installs
// nothing but the genuine image.
func updating(t *testing.T, change func(*holdfast.Config), script func(*updatable)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &updatable{World: systemtest.NewWorld(t, lwm2mtest.ServerOptions{}), web: systemtest.NewHTTP(t, nil), installer: lwm2mtest.NewInstaller()}
		defer w.Close()
		defer w.web.Close()
		w.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		w.config = w.NoSec()
		public, err := x509.MarshalPKIXPublicKey(&signer(1).PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		w.config.Firmware = &holdfast.Firmware{
			Dir: systemtest.StateDir(t), Installer: w.installer,
			TrustKeys: [][]byte{public}, Vendor: "example.com", Class: "gw-1", Version: "1.0.0",
		}
		if change != nil {
			change(&w.config)
		}
		w.start()
		script(w)
		for _, call := range w.installer.Calls() {
			if call.Step == lwm2mtest.StepInstall && call.Digest != genuine.SHA256(genuineSize) {
				t.Error("another image was installed")
			}
		}
		if n := w.Server.Registers(systemtest.Endpoint); n != w.Server.Deregisters(systemtest.Endpoint)+1 {
			t.Errorf("%d registrations", n)
		}
		w.client.ExpectClose(nil)
	})
}

func (w *updatable) start() {
	w.client = w.Start(w.config, lwm2mtest.WithDialTCP(w.dial))
	w.client.WaitFor(holdfast.Registered)
}

func (w *updatable) dial(ctx context.Context, remote netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	w.dialed = append(w.dialed, remote)
	w.mu.Unlock()
	return w.web.DialAddr(ctx, remote)
}

// connected lists the addresses that the client has sent something to, but for its server.
func (w *updatable) connected() (all []netip.AddrPort) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all = slices.Clone(w.dialed)
	for _, p := range w.Network.Packets() {
		if p.From.Addr() == systemtest.GatewayAddr && p.To.Addr() != systemtest.ServerAddr {
			all = append(all, p.To)
		}
	}
	return all
}

// uri has the server write where the image is.
func (w *updatable) uri(uri string) lwm2m.Code {
	w.T.Helper()
	answer, err := w.Server.Write(context.Background(), systemtest.Endpoint, "/5/0/1", lwm2mtest.Replace,
		lwm2mtest.Content{Format: lwm2m.FormatText, Payload: []byte(uri)})
	if err != nil {
		w.T.Fatal(err)
	}
	return answer.Code
}

// manifest has the server write a manifest, signed by a key.
func (w *updatable) manifest(key *ecdsa.PrivateKey, edit func(*manifest.Manifest)) []byte {
	w.T.Helper()
	vendor, _ := firmware.VendorID("example.com")
	class, _ := firmware.ClassID(vendor, "gw-1")
	version, _ := manifest.ParseVersion("2.0.0")
	m := manifest.Manifest{
		Vendor: vendor, Class: class, Component: manifest.DefaultComponent, Version: version, Format: manifest.FormatRaw,
		Digest: genuine.SHA256(genuineSize), Size: genuineSize, URI: "coap://192.0.2.1/image",
	}
	if edit != nil {
		edit(&m)
	}
	data, err := manifest.Sign(m, key)
	if err != nil {
		w.T.Fatal(err)
	}
	w.writeManifest(data)
	return data
}

func (w *updatable) writeManifest(data []byte) {
	w.T.Helper()
	answer, err := w.Server.Write(context.Background(), systemtest.Endpoint, "/10252/0/1", lwm2mtest.Replace,
		lwm2mtest.Content{Format: lwm2m.FormatOpaque, Payload: data})
	if err != nil || answer.Code != lwm2m.CodeChanged {
		w.T.Fatal(answer.Code, err)
	}
}

// wantResult waits, and demands how the update has ended, or that it waits for the server.
func (w *updatable) wantResult(after time.Duration, state string, result int64) {
	w.T.Helper()
	w.client.Sleep(after)
	if s := w.client.Status().Firmware; s.StateName != state || s.Result != result {
		w.T.Fatalf("%s: state %q and result %d; want %q and %d", s.Detail, s.StateName, s.Result, state, result)
	}
}

// hostileURIs are those of images that nobody may have fetched.
var hostileURIs = map[string]int64{
	"http://127.0.0.1/": 7, "http://127.0.0.1:8080/": 7, "http://127.255.255.254/": 7, "http://localhost/": 7, "http://LOCALHOST./": 7, "http://a.localhost/": 7,
	"http://[::1]/": 7, "http://[::ffff:127.0.0.1]/": 7, "http://[::ffff:7f00:1]/": 7, "http://[0:0:0:0:0:ffff:127.0.0.1]/": 7,
	"http://0.0.0.0/": 7, "http://[::]/": 7, "http://0/": 7, "http://127.1/": 7, "http://2130706433/": 7, "http://0x7f000001/": 7, "http://0177.0.0.1/": 7,
	"http://169.254.169.254/latest/meta-data": 7, "http://[fe80::1]/": 7, "http://[fe80::1%25eth0]/": 7, "http://224.0.0.1/": 7, "http://255.255.255.255/": 7,
	"http://user:secret@images.test/": 7, "http://images.test@127.0.0.1/": 7, "http://images.test:25/": 7, "http://images.test:22/": 7, "http://images.test\r\nHost: x/": 7,
	"http://images.test/\r\nX: y": 7, "http://images.test/#@127.0.0.1": 7, `http://images.test\@127.0.0.1/`: 7, "http:///etc/passwd": 7, "//images.test/": 7, "image": 7,
	"file:///etc/passwd": 9, "ftp://images.test/": 9, "gopher://images.test:70/": 9, "javascript:alert(1)": 9, "coap+tcp://images.test/": 9, "unix:///run/x": 9,
	"coap://127.0.0.1/image": 7, "coap://[::1]/image": 7, "coaps://localhost/image": 7, "coap://0/image": 7, "coap://224.0.1.187/image": 7,
}

// Row 34: nobody has the client fetch from its own machine, its links, or what is no server of
// images, however that is spelt, by object 5 or in a manifest that is signed.
func TestHostile34URIsLeadNowhere(t *testing.T) {
	updating(t, nil, func(w *updatable) {
		w.Network.SetDNS("images.test", netip.MustParseAddr("203.0.113.7"))
		w.web.SetFile("/", genuine.File(genuineSize))
		for uri, want := range hostileURIs {
			if code := w.uri(uri); code != lwm2m.CodeBadRequest {
				t.Errorf("%q: answered %s", uri, code)
			}
			w.wantResult(time.Minute, "idle", want)
			if detail := w.client.Status().Firmware.Detail; strings.Contains(detail, "secret") || strings.ContainsAny(detail, "\r\n") {
				t.Errorf("%q: the detail is %q", uri, detail)
			}
			if strings.ContainsAny(uri, "\r\n") {
				continue // nobody can sign that
			}
			w.manifest(signer(1), func(m *manifest.Manifest) { m.URI = uri })
			w.wantResult(time.Minute, "idle", 21)
		}
		if got := w.connected(); len(got) > 0 {
			t.Errorf("connected to %v", got)
		}
	})
}

// Row 34: a name that leads to this machine, or to its link, leads nowhere; nor does one that
// leads there when it is asked for again.
func TestHostile34NamesLeadNowhere(t *testing.T) {
	for _, bad := range []string{"127.0.0.1", "::1", "169.254.169.254", "fe80::1", "0.0.0.0", "::ffff:127.0.0.1", "224.0.0.1"} {
		for _, scheme := range []string{"http", "coap"} {
			updating(t, nil, func(w *updatable) {
				w.Network.SetDNS("images.test", netip.MustParseAddr(bad))
				if code := w.uri(scheme + "://images.test/image"); code != lwm2m.CodeChanged {
					t.Fatal(code)
				}
				want := int64(firmware.Object5InvalidURI)
				if scheme == "coap" && (bad == "0.0.0.0" || bad == "224.0.0.1") {
					want = firmware.Object5ConnectionLost // no address at all: name servers may come to their senses
				}
				w.wantResult(25*time.Hour, "idle", want)
				if got := w.connected(); len(got) > 0 {
					t.Errorf("%s://%s: connected to %v", scheme, bad, got)
				}
			})
		}
	}
	updating(t, nil, func(w *updatable) {
		public := netip.MustParseAddr("203.0.113.7")
		w.Network.SetDNS("images.test", public)
		w.web.SetFile("/image", genuine.File(genuineSize))
		w.web.Spoil("/image", 1, systemtest.WebFault{After: 20_000, End: systemtest.WebReset})
		w.uri("http://images.test/image")
		w.client.Sleep(time.Second)
		w.Network.SetDNS("images.test", netip.MustParseAddr("127.0.0.1"))
		w.wantResult(time.Hour, "idle", 7)
		if got := w.connected(); len(got) != 1 || got[0].Addr() != public {
			t.Errorf("connected to %v", got)
		}
	})
}

// Row 34: redirects are judged as what they lead to, and have an end.
func TestHostile34Redirects(t *testing.T) {
	for to, want := range map[string]struct {
		result int64
		dialed int
	}{
		"http://127.0.0.1/": {7, 1}, "http://[::ffff:127.0.0.1]/": {7, 1}, "http://localhost/": {7, 1}, "http://169.254.169.254/": {7, 1},
		"file:///etc/passwd": {9, 1}, "ftp://203.0.113.7/": {9, 1}, "coap://203.0.113.7/": {9, 1}, "/image": {7, 4}, "http://203.0.113.7:22/": {7, 1},
	} {
		updating(t, nil, func(w *updatable) {
			w.web.Spoil("/image", -1, systemtest.WebFault{Status: http.StatusFound, Header: http.Header{"Location": {to}}})
			if code := w.uri("http://203.0.113.7/image"); code != lwm2m.CodeChanged {
				t.Fatal(code)
			}
			w.client.Sleep(time.Hour)
			if s := w.client.Status().Firmware; s.StateName != "idle" || s.Result != want.result {
				t.Errorf("to %s: %s, %d %s", to, s.StateName, s.Result, s.Detail)
			}
			if n := len(w.web.Requests()); n != want.dialed {
				t.Errorf("to %s: %d requests", to, n)
			}
		})
	}
}

// packages are images that are not what they should be. The result is that of object 5, and of
// a manifest.
var packages = map[string]struct {
	file             lwm2mtest.File
	result, manifest int64
}{
	"endless":             {lwm2mtest.File{Content: genuine, Size: genuineSize, Endless: true}, 2, 33},
	"endless, and said":   {lwm2mtest.File{Content: genuine, Size: genuineSize, Endless: true, Size2: genuineSize}, 2, 33},
	"huge, as it is said": {lwm2mtest.File{Content: genuine, Size: genuineSize, Size2: 1 << 32}, 2, 18},
	"truncated":           {genuine.File(genuineSize - 1), 8, 26},
	"longer":              {genuine.File(genuineSize + 1), 8, 33},
	"another":             {lwm2mtest.Pattern(2).File(genuineSize), 8, 26},
	"nothing":             {genuine.File(0), 5, 26},
}

// Row 35: packages without end, of another size or content. What has no manifest nobody but the
// Installer can tell from a good one; here it refuses all but that.
func TestHostile35Packages(t *testing.T) {
	small := func(cfg *holdfast.Config) { cfg.Firmware.MaxSize = 4 * genuineSize }
	for name, p := range packages {
		t.Run(name, func(t *testing.T) {
			updating(t, small, func(w *updatable) {
				w.Server.SetFile("image", p.file)
				w.manifest(signer(1), nil)
				w.wantResult(time.Hour, "idle", p.manifest)
				w.wantNoImage()
			})
			updating(t, small, func(w *updatable) {
				w.Server.SetFile("image", p.file)
				w.installer.On(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{Err: &firmware.ResultError{Result: firmware.ResultInstallationFailed}})
				w.installer.On(lwm2mtest.StepVerify, lwm2mtest.InstallerOutcome{Err: &firmware.ResultError{Result: firmware.ResultInstallationFailed}})
				w.uri("coap://192.0.2.1/image")
				w.wantResult(time.Hour, "idle", p.result)
				w.wantNoImage()
			})
		})
	}
}

// wantNoImage demands that nothing is left on the disk of what was fetched.
func (w *updatable) wantNoImage() {
	w.T.Helper()
	if info, err := os.Stat(filepath.Join(w.config.Firmware.Dir, "image")); err == nil {
		w.T.Errorf("%d bytes are left", info.Size())
	}
}

// Row 35: a manifest of another vendor, class or key, or that has been carried out before, has
// not a byte fetched.
func TestHostile35Manifests(t *testing.T) {
	for name, m := range map[string]struct {
		key  byte
		edit func(*manifest.Manifest)
		want int64
	}{
		"another key":       {2, nil, 23},
		"another vendor":    {1, func(m *manifest.Manifest) { m.Vendor[15]++ }, 30},
		"another class":     {1, func(m *manifest.Manifest) { m.Class[15]++ }, 31},
		"another component": {1, func(m *manifest.Manifest) { m.Component = "BOOT" }, 39},
		"an older version":  {1, func(m *manifest.Manifest) { m.Version, _ = manifest.ParseVersion("0.9.9") }, 27},
		"a preview of this": {1, func(m *manifest.Manifest) { m.Version, _ = manifest.ParseVersion("1.0.0-rc.1") }, 27},
		"too large":         {1, func(m *manifest.Manifest) { m.Size = 1<<31 - 1 }, 33},
		"encrypted": {1, func(m *manifest.Manifest) {
			m.Format = manifest.FormatEncryptedRaw
			m.Metadata = &manifest.Metadata{InstalledSize: 1}
		}, 25},
	} {
		t.Run(name, func(t *testing.T) {
			updating(t, nil, func(w *updatable) {
				w.Server.SetFile("image", genuine.File(genuineSize))
				w.manifest(signer(m.key), m.edit)
				w.wantResult(time.Hour, "idle", m.want)
				if n := w.Server.FetchCount("image"); n > 0 {
					t.Errorf("%d blocks were fetched", n)
				}
			})
		})
	}
}

// Row 35: a manifest that has been carried out is refused when it is replayed, also after a
// restart, and with any bit changed it is none that was signed.
func TestHostile35ReplayedAndForgedManifests(t *testing.T) {
	updating(t, nil, func(w *updatable) {
		w.Server.SetFile("image", genuine.File(genuineSize))
		good := w.manifest(signer(1), nil)
		w.wantResult(time.Hour, "idle", 18)
		before := w.Server.FetchCount("image")
		w.writeManifest(good)
		w.wantResult(time.Hour, "idle", 27)
		w.client.ExpectClose(nil)
		w.start()
		w.writeManifest(good)
		w.wantResult(time.Hour, "idle", 27)
		for at := range good {
			forged := bytes.Clone(good)
			forged[at] ^= 1 << (at % 8)
			w.writeManifest(forged)
			w.client.Sleep(time.Second)
			if s := w.client.Status().Firmware; s.StateName != "idle" || s.Result == 18 || s.Result < 0 {
				t.Fatalf("with byte %d changed: %+v", at, s)
			}
		}
		if n := w.Server.FetchCount("image"); n != before {
			t.Errorf("%d blocks were fetched for nothing", n-before)
		}
	})
}

// Row 36: a client that is killed at any moment of an update carries it to its end, and tells how
// that was; the image is the one that was signed.
func TestHostile36KilledAtAnyMoment(t *testing.T) {
	for at := time.Duration(0); at < 6*time.Second; at += 500 * time.Millisecond {
		updating(t, nil, func(w *updatable) {
			w.Server.SetFile("image", genuine.File(genuineSize))
			w.Server.SpoilFile("image", -1, lwm2mtest.FileFault{Behaviour: lwm2mtest.Behaviour{Delay: 100 * time.Millisecond}})
			w.manifest(signer(1), nil)
			w.client.Sleep(at + 50*time.Millisecond)
			w.config = w.Kill(w.client, w.config)
			w.start()
			w.wantResult(24*time.Hour, "idle", 18)
			w.wantNoImage()
		})
	}
}
