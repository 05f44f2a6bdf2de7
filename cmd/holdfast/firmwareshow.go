package main

import (
	"fmt"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware/manifest"
)

// firmwareShow is the command firmware show.
func (p *program) firmwareShow(args []string) int {
	fs := p.flags("firmware show [--trust FILE] FILE")
	trust := fs.String("trust", "", "a `FILE` in PEM with the certificates or public keys of which one must have signed the manifest")
	if exit, ok := p.parse(fs, args, 1); !ok {
		return exit
	}
	path := fs.Arg(0)
	signed, m, err := readManifest(path)
	if err != nil {
		p.complain("%s: %v", path, err)
		return exitFailed
	}
	verdict, err := verdictOf(signed, *trust)
	fmt.Fprintf(p.stdout, "%s%-12s %s\n", fieldsOfManifest(m), "signature", verdict)
	if err != nil {
		p.complain("%v", err)
		return exitFailed
	}
	return exitDone
}

func readManifest(path string) (*manifest.Signed, manifest.Manifest, error) {
	data, err := readBounded(path, manifest.MaxSize)
	if err != nil {
		return nil, manifest.Manifest{}, err
	}
	signed, err := manifest.Parse(data)
	if err != nil {
		return nil, manifest.Manifest{}, err
	}
	m, err := signed.Read()
	return signed, m, err
}

// verdictOf says what is known of the signature. The error is about it, or about the file
// of those that are trusted.
func verdictOf(signed *manifest.Signed, trust string) (string, error) {
	if trust == "" {
		return "not checked (--trust FILE checks it)", nil
	}
	text, err := readBounded(trust, maxKeyFile)
	if err != nil {
		return "not checked", err
	}
	keys, err := manifest.ParseTrust(text)
	if err != nil {
		return "not checked", fmt.Errorf("%s: %w", trust, err)
	}
	if err := signed.Verify(keys); err != nil {
		return "of none of those in " + trust, err
	}
	return "of one of those in " + trust, nil
}

// fieldsOfManifest writes a field a line. Names and URIs come from who knows where: they are quoted
// where a terminal could take them for something else.
func fieldsOfManifest(m manifest.Manifest) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s "+format+"\n", append([]any{name}, args...)...)
	}
	line("component", "%s", plain(m.Component))
	line("version", "%s", m.Version)
	line("vendor", "%s", m.Vendor)
	line("class", "%s", m.Class)
	line("priority", "%d", m.Priority)
	line("uri", "%s", plain(m.URI))
	line("format", "%s", m.Format)
	line("size", "%d bytes", m.Size)
	line("sha-256", "%x", m.Digest)
	if m.Metadata != nil {
		line("installed", "%d bytes, sha-256 %x", m.Metadata.InstalledSize, m.Metadata.InstalledDigest)
	}
	if m.VendorData != nil {
		line("vendor data", "%d bytes %q", len(m.VendorData), m.VendorData)
	}
	return b.String()
}

// plain returns text as it is when it has nothing but printable ASCII, else quoted.
func plain(text string) string {
	if quoted := fmt.Sprintf("%+q", text); quoted != `"`+text+`"` {
		return quoted
	}
	return text
}
