package holdfast

import (
	"bytes"
	"cmp"
	"crypto"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// Firmware lets management servers update what the gateway runs: by the Firmware Update
// object (/5, LwM2M Core Appendix E.6), and, with Trust, by signed manifests (/10252, with
// the objects 10255 and 14).
type Firmware struct {
	// Dir is the directory of images, created with mode 0700; relative to the working
	// directory, and not the state directory. An image needs its size there while the
	// update lasts. Default DefaultFirmwareDir.
	Dir string
	// Installer installs an image. Required, unless there is an Install. In a file it has no
	// key.
	Installer firmware.Installer
	// Install is the program, and its arguments, that installs an image, whose path it gets
	// as the last argument: exit code 0 says that the new version runs. It has no time limit,
	// is killed with the children in its process group when the client is closed, and runs
	// again at the next start where it has not ended: one that restarts the client or the
	// machine must notice that the version is installed, and exit with 0. The variables
	// HOLDFAST_IMAGE_VERSION, _COMPONENT, _SIZE, _SHA256 and _VENDOR_DATA say what it gets.
	Install []string
	// Authorise says who allows a download and an installation. Default AuthoriseGrant.
	Authorise Authorisation
	// Defer is how long a deferral lasts that names no period: positive. Default
	// DefaultFirmwareDefer.
	Defer time.Duration
	// AllowHosts are hosts, as a URI writes them and with or without a port, that an image
	// may be fetched from although they are on this machine or on the same link: loopback,
	// link-local and multicast addresses are refused otherwise.
	AllowHosts []string
	// Trust names a PEM file with who may sign a manifest, at most 10: PUBLIC KEYs on P-256,
	// or CERTIFICATEs of which nothing but the key counts. Without it and TrustKeys there
	// are no manifests, and object 10252 is not served.
	Trust string
	// TrustKeys takes the place of Trust for what is in memory: certificates, or
	// SubjectPublicKeyInfo, in DER. In a file it has no key.
	TrustKeys [][]byte
	// Vendor and Class are what a manifest must be made for: a UUID, or a name that one is
	// made of: of the vendor's domain (version 5 in the namespace of DNS), and of the class
	// (version 5 in the namespace of the vendor). Required with Trust, and of use only there.
	Vendor, Class string
	// Version is what runs now: at most 255 bytes of UTF-8 without control characters, and
	// with Trust a semantic version (semver.org), which a manifest's must be above. What was
	// installed by an update counts more. Default Device.Firmware.
	Version string
	// MaxSize bounds an image, in bytes: 1 to 1 TiB. Default DefaultFirmwareMaxSize.
	MaxSize int64
	// GiveUp is after how long without a byte a download has failed: positive. Until then
	// it is tried again by the reconnection policy. What comes once more, because it could not
	// be kept, does not count. While the client is paused, the time stands still. Default
	// DefaultFirmwareGiveUp.
	GiveUp time.Duration
	// Download is what coaps and https servers of images are shown, and held to. A
	// management server that has the image itself needs none: the link to it is used, with
	// the credentials of its account. Nil: https servers are held to the roots of the
	// system, and coaps servers are none to download from.
	Download *FirmwareDownload
}

// Authorisation says who allows a download and an installation.
type Authorisation string

// The authorisations.
const (
	AuthoriseGrant Authorisation = "grant" // nobody is asked
	AuthoriseAsk   Authorisation = "ask"   // each update waits for [Client.AuthoriseFirmware], twice
)

// The defaults of a [Firmware].
const (
	DefaultFirmwareDir     = "./firmware"
	DefaultFirmwareMaxSize = int64(1 << 30)
	DefaultFirmwareGiveUp  = 24 * time.Hour
	DefaultFirmwareDefer   = time.Hour
)

// FirmwareDownload are credentials for the servers that have images, all of them. Its
// fields are those of an [Account], and mean the same.
type FirmwareDownload struct {
	// Security is SecurityPSK, SecurityX509 or SecurityRPK. Required. An https server takes
	// SecurityX509.
	Security SecurityMode

	PSKIdentity string // as in an Account, and so are the others
	PSKKey      Secret
	PSKKeyFile  string

	// Certificate and PrivateKey may both be left out with SecurityX509: then there is
	// nothing to show to a server, which is enough for https and not for coaps.
	Certificate string
	PrivateKey  string
	Trust       string
	// ServerName is what the certificate of a server must be for, with SecurityX509: at most
	// 253 bytes. Empty: the host of the image's URI.
	ServerName string

	// CertificateChain, Signer and TrustAnchors are for credentials in memory or in
	// hardware. In a file they have no key.
	CertificateChain [][]byte
	Signer           crypto.Signer
	TrustAnchors     [][]byte
}

// Format prints for every verb, but shows of a Signer its type only.
func (d FirmwareDownload) Format(f fmt.State, verb rune) {
	type plain FirmwareDownload
	d.Signer = hide(d.Signer)
	fmt.Fprintf(f, fmt.FormatString(f, verb), plain(d))
}

// MarshalJSON hides the Signer as Format does.
func (d FirmwareDownload) MarshalJSON() ([]byte, error) {
	type plain FirmwareDownload
	d.Signer = hide(d.Signer)
	return json.Marshal(plain(d))
}

// account returns the credentials as those of an account, which has no URI.
func (d *FirmwareDownload) account() *Account {
	return &Account{
		Security: d.Security, PSKIdentity: d.PSKIdentity, PSKKey: d.PSKKey, PSKKeyFile: d.PSKKeyFile,
		Certificate: d.Certificate, PrivateKey: d.PrivateKey, Trust: d.Trust,
		CertificateChain: d.CertificateChain, Signer: d.Signer, TrustAnchors: d.TrustAnchors,
	}
}

// anonymous reports whether there is nothing that a server could be shown.
func (d *FirmwareDownload) anonymous() bool {
	return d.Security == SecurityX509 && d.Certificate == "" && len(d.CertificateChain) == 0 && d.PrivateKey == "" && d.Signer == nil
}

// signs reports whether there are manifests.
func (f *Firmware) signs() bool { return f.Trust != "" || len(f.TrustKeys) > 0 }

// withDefaults returns a copy that shares nothing with the original; running is what the
// Device object says of the version.
func (f *Firmware) withDefaults(running string) *Firmware {
	if f == nil {
		return nil
	}
	g := *f
	g.Dir = cmp.Or(f.Dir, DefaultFirmwareDir)
	g.Install = slices.Clone(f.Install)
	g.Authorise = cmp.Or(f.Authorise, AuthoriseGrant)
	g.Defer = cmp.Or(f.Defer, DefaultFirmwareDefer)
	g.AllowHosts = slices.Clone(f.AllowHosts)
	g.TrustKeys = cloneAll(f.TrustKeys)
	g.Version = cmp.Or(f.Version, running)
	g.MaxSize = cmp.Or(f.MaxSize, DefaultFirmwareMaxSize)
	g.GiveUp = cmp.Or(f.GiveUp, DefaultFirmwareGiveUp)
	g.Download = f.Download.clone()
	return &g
}

func (d *FirmwareDownload) clone() *FirmwareDownload {
	if d == nil {
		return nil
	}
	e := *d
	e.PSKKey = bytes.Clone(d.PSKKey)
	e.CertificateChain = cloneAll(d.CertificateChain)
	e.TrustAnchors = cloneAll(d.TrustAnchors)
	return &e
}

// The sections of a [Firmware], in the names of keys.
const (
	configFirmware = "firmware"
	configDownload = "firmware.download"
)

const (
	configMaxImage      = int64(1 << 40) // bytes
	configMaxVersion    = 255            // bytes: a string of object 10252
	configMaxServerName = 253            // bytes of a name in DNS (RFC 1035 section 2.3.4)
)

// firmware checks the section of updates of a configuration with its defaults.
func (f *configFaults) firmware(c Config) {
	w := c.Firmware
	if w == nil {
		return
	}
	f.require(!strings.ContainsRune(w.Dir, 0), "firmware.dir", "has a zero byte")
	f.require(filepath.Clean(w.Dir) != filepath.Clean(c.StateDir), "firmware.dir", "is the state directory: choose another")
	f.install(w)
	f.require(w.Authorise == AuthoriseGrant || w.Authorise == AuthoriseAsk, "firmware.authorise", "is neither grant nor ask")
	f.require(w.Defer > 0, "firmware.defer", configMustBePositive)
	for i, host := range w.AllowHosts {
		_, err := download.ParseHost(host)
		f.require(err == nil, "firmware.allow_hosts["+strconv.Itoa(i)+"]", "is neither a host nor host:port, such as 127.0.0.1, images.local or [fe80::1]:5683")
	}
	f.manifests(w)
	if w.Version != c.Device.Firmware { // which has its own fault
		f.text("firmware.version", w.Version, configMaxVersion)
	}
	f.require(w.MaxSize > 0 && w.MaxSize <= configMaxImage, "firmware.max_size", "must be from 1B to 1TiB")
	f.require(w.GiveUp > 0, "firmware.give_up", configMustBePositive)
	f.download(w.Download)
}

// install checks that there is one way to install an image.
func (f *configFaults) install(w *Firmware) {
	switch command := len(w.Install) > 0; {
	case command && w.Installer != nil:
		f.add("firmware.install", "excludes Installer: give one of the two")
	case !command && w.Installer == nil:
		f.add("firmware.install", "is required: the program that installs an image, such as [/usr/local/bin/install-image]")
	case command && w.Install[0] == "":
		f.add("firmware.install[0]", "is empty")
	}
	f.require(!strings.ContainsRune(strings.Join(w.Install, ""), 0), "firmware.install", "has a zero byte")
}

// manifests checks who may sign for what.
func (f *configFaults) manifests(w *Firmware) {
	f.require(w.Trust == "" || len(w.TrustKeys) == 0, "firmware.trust", "excludes TrustKeys: give one of the two")
	if !w.signs() {
		f.require(w.Vendor == "" && w.Class == "", "firmware.trust", "is required beside firmware.vendor and firmware.class: who may sign a manifest")
		return
	}
	vendor, err := firmware.VendorID(w.Vendor)
	f.identity("firmware.vendor", w.Vendor, err)
	_, err = firmware.ClassID(vendor, w.Class)
	f.identity("firmware.class", w.Class, err)
	f.running(w.Version)
}

// identity checks a vendor or a class, with what has become of it.
func (f *configFaults) identity(key, text string, err error) {
	switch {
	case text == "":
		f.add(key, "is required with firmware.trust: a UUID, or a name")
	case err != nil:
		*f = append(*f, Fault{Key: key, Problem: "is neither a UUID, such as 00112233-4455-6677-8899-aabbccddeeff, nor a name", Err: err})
	}
}

// running checks the version that manifests are held against.
func (f *configFaults) running(version string) {
	const key = "firmware.version"
	_, err := manifest.ParseVersion(version)
	switch {
	case version == "":
		f.add(key, "is required with firmware.trust, unless device.firmware says it: no manifest of that or of an older version is taken")
	case err != nil && !strings.ContainsFunc(version, unicode.IsControl): // which is a fault already
		*f = append(*f, Fault{
			Key: key, Problem: "is no version such as 1.2.3 (semver.org), which those of manifests are held against; left out, it is device.firmware", Err: err,
		})
	}
}

// download checks the credentials for servers of images.
func (f *configFaults) download(d *FirmwareDownload) {
	if d == nil {
		return
	}
	v := accountFaults{configFaults: f, section: configDownload, account: d.account()}
	f.text(configDownload+".server_name", d.ServerName, configMaxServerName)
	switch problem := v.otherMode(); {
	case d.Security == "":
		v.fault("security", "is required: psk, x509 or rpk")
	case d.Security == SecurityNoSec:
		v.fault("security", "is nosec, which has no credentials: leave firmware.download out, or write psk, x509 or rpk")
	case problem != "":
		v.fault("security", problem)
	case d.anonymous():
		v.once()
		v.required(v.keysOfX509()[2:], "is required with security: x509")
		v.unused(v.keysOfPSK(), "has no use with security: x509")
	default:
		v.once()
		v.credentials()
		named := accountKey{"server_name", d.ServerName != "" && (d.Security == SecurityPSK || d.Security == SecurityRPK)}
		v.unused([]accountKey{named}, "has no use without security: x509")
	}
}

// served refuses objects of the application that an update has itself.
func (f *configFaults) served(objects []object.Object, w *Firmware) {
	if w == nil {
		return
	}
	for i, o := range objects {
		switch id := o.Definition().ID; id {
		case firmware.ObjectUpdate:
			f.add("objects["+strconv.Itoa(i)+"]", "has the ID 5, which firmware updates have: leave it out, or firmware")
		case firmware.ObjectComponent, firmware.ObjectManifest, firmware.ObjectMetadata:
			f.require(!w.signs(), "objects["+strconv.Itoa(i)+"]",
				"has the ID "+strconv.Itoa(int(id))+", which updates by a manifest have: leave it out, or firmware.trust")
		}
	}
}
