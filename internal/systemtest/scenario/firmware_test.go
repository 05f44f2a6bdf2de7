package scenario

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

const (
	imageVendor = "vendor.test"
	imageClass  = "gateway"
	imageName   = "/image"
	image       = lwm2mtest.Pattern(1)
)

// workTakes is for how long each step of the installer is at work: what follows does not stand
// at one instant with what has led to it.
const workTakes = time.Second

// takeUpdates has the client take updates of its firmware.
func (s *stage) takeUpdates(c *command, cfg *holdfast.Config) {
	s.installer = lwm2mtest.NewInstaller()
	s.installs(c.has("needs-reboot"))
	cfg.Firmware = &holdfast.Firmware{
		Dir: filepath.Join(s.t.TempDir(), "images"), Installer: s.installer, Vendor: imageVendor, Class: imageClass, Version: "1.0.0",
		TrustKeys: [][]byte{s.trusted(c)}, Download: s.downloads(c, c.text("download", "")),
	}
	if c.has("asks") {
		cfg.Firmware.Authorise = holdfast.AuthoriseAsk
	}
}

// downloads are the credentials for "server-2" as the server of the image.
func (s *stage) downloads(c *command, security string) *holdfast.FirmwareDownload {
	d := &holdfast.FirmwareDownload{Security: holdfast.SecurityMode(security)}
	switch d.Security {
	case "":
		return nil
	case holdfast.SecurityPSK:
		d.PSKIdentity, d.PSKKey = endpoint, keys[second]
	case holdfast.SecurityX509:
		var a holdfast.Account
		s.certify(c, s.servers[second], &a)
		d.Certificate, d.PrivateKey, d.Trust = a.Certificate, a.PrivateKey, a.Trust
	default:
		c.fatalf("there is no such security")
	}
	return d
}

// changeInstaller is about a step of the installation.
func (s *stage) changeInstaller(c *command) {
	step := lwm2mtest.InstallerStep(strings.ReplaceAll(c.word(), "-", " "))
	o := lwm2mtest.InstallerOutcome{After: workTakes}
	if c.has("fails") {
		o.Err = errors.New("as the installer says")
	}
	s.installer.On(step, o)
}

// decide is a call by which the gateway answers what an update asks.
func (c *client) decide(d holdfast.FirmwareDecision) func(context.Context) error {
	return func(ctx context.Context) error { return c.AuthoriseFirmware(ctx, d, 0) }
}

func (s *stage) installs(needsReboot bool) {
	s.installer.On(lwm2mtest.StepVerify, lwm2mtest.InstallerOutcome{After: workTakes})
	s.installer.On(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{After: workTakes, NeedsReboot: needsReboot})
	s.installer.On(lwm2mtest.StepConfirm, lwm2mtest.InstallerOutcome{After: workTakes})
}

// keepImages leaves the next process what a killed one has stored of an image.
func (s *stage) keepImages() {
	before := s.settings.config.Firmware
	if before == nil {
		return
	}
	next := *before
	next.Dir = filepath.Join(s.t.TempDir(), "images")
	if err := os.CopyFS(next.Dir, os.DirFS(before.Dir)); err == nil {
		s.settings.config.Firmware = &next
	}
}

// signer makes a key that is the same each time: what it signs is, too.
func signer(c *command, seed byte) *ecdsa.PrivateKey {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		c.fatalf("%v", err)
	}
	return key
}

func (s *stage) trusted(c *command) []byte {
	der, err := x509.MarshalPKIXPublicKey(&signer(c, 1).PublicKey)
	if err != nil {
		c.fatalf("%v", err)
	}
	return der
}

// manifest has the server write a manifest of the image.
func (v *server) manifest(c *command) {
	size := int64(c.number("size", 3000))
	m := manifest.Manifest{
		Component: manifest.DefaultComponent, Digest: image.SHA256(size), Size: size, URI: c.text("uri", ""), Format: manifest.FormatRaw,
	}
	vendor, _ := firmware.VendorID(imageVendor) // it is one
	class, _ := firmware.ClassID(vendor, imageClass)
	m.Vendor, m.Class = vendor, class
	version, err := manifest.ParseVersion(c.text("version", "2.0.0"))
	if err != nil {
		c.fatalf("%v", err)
	}
	m.Version = version
	key := signer(c, 1)
	if c.has("forged") {
		key = signer(c, 2)
	}
	data, err := manifest.Sign(m, key)
	if err != nil {
		c.fatalf("%v", err)
	}
	v.request(lwm2mtest.Request{Method: lwm2m.CodePUT, Path: "/10252/0/1", Format: new(lwm2m.FormatOpaque), Payload: data})
}

// push has the server send the image in blocks.
func (v *server) push(c *command) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	size := int64(c.number("size", 3000))
	if _, err := v.Push(ctx, endpoint, "/5/0/0", image.Reader(size), lwm2mtest.PushOptions{}); err != nil {
		v.stage.narrator.say(time.Now(), rankServer, v.name, "has no answer: "+err.Error())
	}
}

// changeImage is about the image that a server has.
func (s *stage) changeImage(c *command) {
	v := s.at(c)
	if c.has("gone") {
		v.RemoveFile(imageName)
		return
	}
	if c.has("answers") {
		f := lwm2mtest.FileFault{From: int64(c.number("from", 0))}
		if c.given("max-age") {
			f.MaxAge = new(uint32(c.number("max-age", 0)))
		}
		c.manner(&f.Behaviour, c.word())
		v.SpoilFile(imageName, c.number("times", 1), f)
		return
	}
	f := lwm2mtest.Pattern(c.number("seed", 1)).File(int64(c.number("size", 3000)))
	v.SetFile(imageName, f)
}

// describeFirmware says how far an update has come.
func describeFirmware(e holdfast.Event) string {
	p := e.Firmware
	text := fmt.Sprintf("firmware: object %d, state %d, result %d", p.Object, p.State, p.Result)
	if p.Progress > 0 || p.Total > 0 {
		text += fmt.Sprintf(", %d of %d bytes", p.Progress, p.Total)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}
