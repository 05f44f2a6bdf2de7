package systemtest

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/option"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// Order is how a server begins an update.
type Order string

// The ways.
const (
	ByManifest Order = "manifest" // written to object 10252; the image is at images.test
	ByURI      Order = "uri"      // written to object 5; the image is at the management server
	ByPush     Order = "push"     // the package is sent to object 5
	ByWeb      Order = "web"      // a manifest whose image is on a web server
)

// Orders lists all ways.
func Orders() []Order { return []Order{ByManifest, ByURI, ByPush, ByWeb} }

// Manifest reports whether an update is one of object 10252.
func (o Order) Manifest() bool { return o == ByManifest || o == ByWeb }

// State is the resource that tells how far an update has come that was begun in this way.
func (o Order) State() lwm2m.Path {
	if o.Manifest() {
		return firmware.PathManifestState
	}
	return firmware.PathState
}

// Result is the resource that tells how it has ended.
func (o Order) Result() lwm2m.Path {
	if o.Manifest() {
		return firmware.PathManifestResult
	}
	return firmware.PathResult
}

// URI is where the image is.
func (o Order) URI() string {
	switch o {
	case ByManifest:
		return "coap://images.test/image"
	case ByWeb:
		return "http://images.test/image"
	}
	return "coap://192.0.2.1/image"
}

const (
	imageVendor = "holdfast.example"
	imageClass  = "gateway"
)

// signer signs the manifests of all tests.
var signer = sync.OnceValues(func() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })

// Campaign is a world whose client takes updates of its firmware, and whose server wants them
// done: it observes what is reported, orders an update, and has it installed.
type Campaign struct {
	*World
	Installer *lwm2mtest.Installer
	Told      *lwm2mtest.Collection
	Web       *HTTP
	Files     *lwm2mtest.Service // at images.test
	Config    holdfast.Config    // of the next process
	Client    *Client            // the present process
	Image     lwm2mtest.Pattern
	Size      int64 // bytes of the image
	Order     Order
	Site      string // the URI of the image, where it is not the order's own
	Observed  []lwm2m.Path

	began int // what had been told when the update was begun
	begun bool
}

// NewCampaign makes a campaign, whose image is at all servers, and whose client is registered with
// a server over plain CoAP. The caller closes it, in the same bubble.
func NewCampaign(w *World, order Order, size int64) *Campaign {
	w.T.Helper()
	w.Serve(CoAPPort, lwm2mtest.NoSec())
	return NewCampaignIn(w, w.NoSec(), order, size)
}

// NewCampaignIn is NewCampaign in a world that has a server for a configuration already.
func NewCampaignIn(w *World, cfg holdfast.Config, order Order, size int64) *Campaign {
	w.T.Helper()
	c := &Campaign{
		World: w, Installer: lwm2mtest.NewInstaller(), Web: NewHTTP(w.T, nil), Config: cfg,
		Image: 1, Size: size, Order: order, Observed: []lwm2m.Path{order.State(), order.Result()},
	}
	c.Files = c.ServeImages(CoAPPort, lwm2mtest.NoSec())
	c.Network.SetDNS("images.test", ImageAddr)
	c.Told = c.Server.Collect(objects.Registry(), firmware.Reported()...)
	c.Provide(c.Image)
	c.Config.Firmware = &holdfast.Firmware{
		Dir: StateDir(w.T), Installer: c.Installer, Vendor: imageVendor, Class: imageClass, Version: "1.0.0", TrustKeys: [][]byte{c.trusted()},
	}
	return c
}

// Close ends the world and the web server.
func (c *Campaign) Close() {
	c.T.Helper()
	c.Web.Close()
	c.World.Close()
}

// Provide puts an image on all servers, in place of the one before.
func (c *Campaign) Provide(image lwm2mtest.Pattern) {
	c.Image = image
	f := image.File(c.Size)
	c.Server.SetFile("/image", f)
	c.Images.SetFile("/image", f)
	c.Web.SetFile("/image", f)
}

func (c *Campaign) trusted() []byte {
	c.T.Helper()
	key, err := signer()
	if err != nil {
		c.T.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		c.T.Fatal(err)
	}
	return der
}

// Manifest makes the signed manifest of the image, which changes, where it is not nil, may
// spoil before.
func (c *Campaign) Manifest(version string, change func(*manifest.Manifest)) []byte {
	c.T.Helper()
	key, err := signer()
	if err != nil {
		c.T.Fatal(err)
	}
	m := manifest.Manifest{
		Component: manifest.DefaultComponent, Digest: c.Image.SHA256(c.Size), Size: c.Size, URI: c.URI(), Format: manifest.FormatRaw,
	}
	m.Vendor, err = firmware.VendorID(imageVendor)
	if err == nil {
		m.Class, err = firmware.ClassID(m.Vendor, imageClass)
	}
	if err == nil {
		m.Version, err = manifest.ParseVersion(version)
	}
	if err != nil {
		c.T.Fatal(err)
	}
	if change != nil {
		change(&m)
	}
	data, err := manifest.Sign(m, key)
	if err != nil {
		c.T.Fatal(err)
	}
	return data
}

// URI is where the image is.
func (c *Campaign) URI() string { return cmp.Or(c.Site, c.Order.URI()) }

// Run starts a process of the client.
func (c *Campaign) Run(options ...holdfast.Option) {
	c.T.Helper()
	c.Client = c.Start(c.Config, append([]holdfast.Option{WithWeb(c.Web)}, options...)...)
}

// WithWeb has a client reach a web server that listens in memory, at whatever address.
func WithWeb(h *HTTP) holdfast.Option {
	return func(s *option.Settings) { s.DialTCP = h.DialAddr }
}

// Crash ends the process as kill -9 does, and leaves the next one what is on the disk at this
// instant: also of the image.
func (c *Campaign) Crash() {
	c.T.Helper()
	synctest.Wait()
	left := *c.Config.Firmware
	left.Dir = StateDir(c.T)
	if err := os.CopyFS(left.Dir, os.DirFS(c.Config.Firmware.Dir)); err != nil {
		c.T.Fatal(err)
	}
	c.Config = c.Kill(c.Client, c.Config)
	c.Config.Firmware = &left
}

// answerBound is how long the server waits for an answer.
const answerBound = 90 * time.Second

// Listen has the server take what a client sends of itself: it has to say so (/1/x/23).
func (c *Campaign) Listen() {
	c.ask(func(ctx context.Context) (lwm2mtest.Response, error) {
		return c.Server.Write(ctx, Endpoint, "/1/0/23", lwm2mtest.Replace, lwm2mtest.Content{Format: lwm2m.FormatText, Payload: []byte("0")})
	})
}

// Observe has the server observe all that it is to be told, as far as it does not.
func (c *Campaign) Observe() {
	for _, path := range c.Observed {
		if !slices.ContainsFunc(c.Server.Observations(Endpoint), func(o *lwm2mtest.ObserveRelation) bool { return o.Paths[0] == path.String() }) {
			c.ask(func(ctx context.Context) (lwm2mtest.Response, error) {
				relation, answer, err := c.Server.Observe(ctx, Endpoint, path.String(), lwm2m.FormatText)
				if relation != nil && err != nil {
					relation.Forget()
				}
				return answer, err
			})
		}
	}
}

// breathe lets time pass, and everything happen that happens then. Pursue may run beside a
// test's own goroutine, and only one of them may be in synctest.Wait.
func breathe(d time.Duration) { time.Sleep(d + time.Nanosecond) }

// ask reports whether a request of the server has succeeded.
func (c *Campaign) ask(do func(context.Context) (lwm2mtest.Response, error)) bool {
	ctx, cancel := context.WithTimeout(context.Background(), answerBound)
	defer cancel()
	answer, err := do(ctx)
	breathe(0)
	return err == nil && answer.Code.IsSuccess()
}

// Begin has the server order the update of a version. It reports whether the client has
// accepted that.
func (c *Campaign) Begin(version string) bool {
	if !c.begun {
		c.began, c.begun = len(c.Told.All()), true
	}
	return c.ask(func(ctx context.Context) (lwm2mtest.Response, error) {
		switch c.Order {
		case ByPush:
			return c.Server.Push(ctx, Endpoint, "/5/0/0", c.Image.Reader(c.Size), lwm2mtest.PushOptions{})
		case ByURI:
			return c.Server.Write(ctx, Endpoint, "/5/0/1", lwm2mtest.Replace, lwm2mtest.Content{Format: lwm2m.FormatText, Payload: []byte(c.URI())})
		}
		return c.Server.Write(ctx, Endpoint, "/10252/0/1", lwm2mtest.Replace, lwm2mtest.Content{Format: lwm2m.FormatOpaque, Payload: c.Manifest(version, nil)})
	})
}

// Anew has the server order another update: what it was told so far is of the one before.
func (c *Campaign) Anew() { c.begun = false }

// Pursue does what a service does that wants an update to end: it observes again where it has
// to, orders the update as long as nothing shows that it has begun, and has it installed when
// it can be. It reports whether the server was told within a time that it has ended.
func (c *Campaign) Pursue(version string, within time.Duration) bool {
	for end := time.Now().Add(within); time.Now().Before(end); breathe(time.Minute) {
		c.Observe()
		state, known := c.latest(c.Order.State())
		switch {
		case !c.begun || known && len(c.Values(c.Order.State())) < 2:
			c.Begin(version)
		case c.Over():
			return true
		case state == firmware.Object5Downloaded && !c.Order.Manifest():
			c.ask(func(ctx context.Context) (lwm2mtest.Response, error) {
				return c.Server.Execute(ctx, Endpoint, "/5/0/2", "")
			})
		}
	}
	return c.Over()
}

// Over reports whether the server knows the end of the update: a result, and the state in
// which another one can begin.
func (c *Campaign) Over() bool {
	idle, none := int64(firmware.Object5Idle), int64(firmware.Object5Initial)
	if c.Order.Manifest() {
		idle, none = int64(firmware.StateIdle), int64(firmware.ResultNone)
	}
	state, _ := c.latest(c.Order.State())
	result, known := c.latest(c.Order.Result())
	return known && state == idle && result != none && len(c.Values(c.Order.State())) > 1
}

// latest is the value that the server was told last since the update was ordered.
func (c *Campaign) latest(path lwm2m.Path) (value int64, known bool) {
	values := c.Values(path)
	if len(values) == 0 {
		return 0, false
	}
	return values[len(values)-1], true
}

// Values lists what the server was told of a resource since the update was ordered and the
// last value before, without repetitions.
func (c *Campaign) Values(path lwm2m.Path) (values []int64) {
	for i, t := range c.Told.All() {
		if t.Path != path {
			continue
		}
		if i < c.began {
			values = values[:0]
		}
		values = append(values, t.Value.Int())
	}
	return slices.Compact(values)
}

// DemandImage demands that the installer has only ever got the image.
func (c *Campaign) DemandImage() {
	c.T.Helper()
	for _, call := range c.Installer.Calls() {
		if call.Step != lwm2mtest.StepReboot && (call.Digest != c.Image.SHA256(c.Size) || call.Size != c.Size) {
			c.T.Errorf("%s got another image, of %d bytes", call.Step, call.Size)
		}
	}
}

// String says what the server was told.
func (c *Campaign) String() string {
	text := string(c.Order)
	for _, t := range c.Told.All() {
		text += fmt.Sprintf("\n%s %s %s=%d", t.Time.Format(time.TimeOnly), t.By, t.Path, t.Value.Int())
	}
	return text
}
