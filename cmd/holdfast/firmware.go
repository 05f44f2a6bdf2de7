package main

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
)

// signOptions are the flags of firmware sign.
type signOptions struct {
	image, key, out       string
	vendor, class         string
	version, uri          string
	component, vendorData string
	priority              int64
}

// firmwareSign is the command firmware sign.
func (p *program) firmwareSign(args []string) int {
	o := signOptions{}
	fs := p.flags("firmware sign --image FILE --key FILE --vendor UUID|DOMAIN --class UUID|MODEL --version VERSION --uri URI --out FILE [flags]")
	fs.StringVar(&o.image, "image", "", "the `FILE` with the image; required")
	fs.StringVar(&o.key, "key", "", "the `FILE` with the private key to sign with: ECDSA on P-256, in PEM (PKCS #8 or SEC 1); required")
	fs.StringVar(&o.vendor, "vendor", "", "the vendor of the devices: a `UUID`, or a domain such as example.com, of which a UUID is made; required")
	fs.StringVar(&o.class, "class", "", "the class of the devices: a `UUID`, or the name of a model, of which a UUID is made within the vendor's; required")
	fs.StringVar(&o.version, "version", "", "the `VERSION` of the image (semver.org), which has to be greater than the installed one; required")
	fs.StringVar(&o.uri, "uri", "", "the `URI` from which devices download the image; required")
	fs.StringVar(&o.out, "out", "", "the `FILE` to write the manifest to; required")
	fs.StringVar(&o.component, "component", manifest.DefaultComponent, "the `NAME` of the component that the image is for")
	fs.Int64Var(&o.priority, "priority", 0, "the priority `N`, from 0, for the gateway to decide by")
	fs.StringVar(&o.vendorData, "vendor-data", "", "a `FILE` of at most 1024 bytes that the manifest carries for the gateway's own use")
	if exit, ok := p.parse(fs, args, 0); !ok {
		return exit
	}
	m, err := o.described()
	if err != nil {
		return p.misused(fs, err.Error())
	}
	if err := o.sign(&m); err != nil {
		p.complain("%v", err)
		return exitFailed
	}
	fmt.Fprintf(p.stdout, "%s: %s %s, %d bytes, for vendor %s and class %s\n", o.out, m.Component, m.Version, m.Size, m.Vendor, m.Class)
	return exitDone
}

// described is the manifest as far as the flags have it. The error is about a flag.
func (o signOptions) described() (m manifest.Manifest, err error) {
	if slices.Contains([]string{o.image, o.key, o.vendor, o.class, o.version, o.uri, o.out}, "") {
		return m, errors.New("--image, --key, --vendor, --class, --version, --uri and --out are required")
	}
	m = manifest.Manifest{Component: o.component, Priority: o.priority, URI: o.uri, Format: manifest.FormatRaw}
	if m.Vendor, err = firmware.VendorID(o.vendor); err != nil {
		return m, fmt.Errorf("--vendor: %w", err)
	}
	if m.Class, err = firmware.ClassID(m.Vendor, o.class); err != nil {
		return m, fmt.Errorf("--class: %w", err)
	}
	if m.Version, err = manifest.ParseVersion(o.version); err != nil {
		return m, fmt.Errorf("--version: %w", err)
	}
	if to, err := url.Parse(o.uri); err != nil || to.Scheme == "" || to.Host == "" {
		return m, errors.New("--uri: is no absolute URI such as coaps://images.example.com/gw-1")
	}
	if over := o.overwrites(); over != "" {
		return m, errors.New("--out: is the file of --" + over + ", which it would take the place of")
	}
	trial := m // with a size that cannot be wrong
	trial.Size = 1
	_, err = trial.Encode()
	return m, flagAtFault(err)
}

// overwrites returns the flag whose file the manifest would be written over; empty for none.
func (o signOptions) overwrites() string {
	out, err := os.Stat(o.out)
	if err != nil {
		return "" // it is not there yet, or cannot be written, which is said then
	}
	for flag, path := range map[string]string{"image": o.image, "key": o.key, "vendor-data": o.vendorData} {
		if info, err := os.Stat(path); err == nil && os.SameFile(info, out) {
			return flag
		}
	}
	return ""
}

// flagAtFault leaves out of an error that a manifest is malformed: there is none yet.
func flagAtFault(err error) error {
	if e, ok := errors.AsType[*firmware.Error](err); ok && e.Err != nil {
		return e.Err
	}
	return err
}

// sign reads the files, completes the manifest and writes it.
func (o signOptions) sign(m *manifest.Manifest) (err error) {
	key, err := readKey(o.key)
	if err != nil {
		return err
	}
	if m.Digest, m.Size, err = measureImage(o.image); err != nil {
		return err
	}
	if o.vendorData != "" {
		if m.VendorData, err = readBounded(o.vendorData, manifest.MaxVendorData); err != nil {
			return err
		}
	}
	data, err := manifest.Sign(*m, key)
	if err != nil {
		return flagAtFault(err)
	}
	return os.WriteFile(o.out, data, 0o644)
}

// measureImage returns digest and size of an image.
func measureImage(path string) (digest [32]byte, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return digest, 0, err
	}
	defer f.Close() // it is only read
	hash := sha256.New()
	size, err = io.Copy(hash, io.LimitReader(f, manifest.MaxNumber+1))
	switch {
	case err != nil:
		return digest, 0, err
	case size == 0:
		return digest, 0, fmt.Errorf("%s: is empty", path)
	case size > manifest.MaxNumber:
		return digest, 0, fmt.Errorf("%s: is longer than %d bytes, which is the most that a manifest can say", path, manifest.MaxNumber)
	}
	hash.Sum(digest[:0])
	return digest, size, nil
}

// maxKeyFile is the most that is read of a file with keys or certificates, in bytes.
const maxKeyFile = 1 << 20

func readKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := readBounded(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	key, err := manifest.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// readBounded reads a file that has no more than most bytes.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it is only read
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s: is longer than %d bytes", path, most)
	}
	return data, err
}
