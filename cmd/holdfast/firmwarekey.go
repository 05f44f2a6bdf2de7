package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

// trialValidity is how long the certificate of a trial key says that it is valid. Gateways
// look at nothing but its key.
const trialValidity = 10 * 365 * 24 * time.Hour

// firmwareKey is the command firmware key.
func (p *program) firmwareKey(args []string) int {
	fs := p.flags("firmware key --out FILE --cert FILE")
	out := fs.String("out", "", "the `FILE` to write the private key to, in PEM; required, and must not be there")
	cert := fs.String("cert", "", "the `FILE` to write its certificate to, in PEM, for gateways to trust; required, and must not be there")
	if exit, ok := p.parse(fs, args, 0); !ok {
		return exit
	}
	if *out == "" || *cert == "" || *out == *cert {
		return p.misused(fs, "--out and --cert are required, and are two files")
	}
	if err := makeTrialKey(*out, *cert); err != nil {
		p.complain("%v", err)
		return exitFailed
	}
	fmt.Fprintf(p.stdout, "%s: a key to sign manifests with; keep it to yourself\n%s: its certificate, for gateways to trust\n", *out, *cert)
	return exitDone
}

// makeTrialKey writes the key last: with an error there is none.
func makeTrialKey(out, cert string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "firmware signing (trial)"}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: now, NotAfter: now.Add(trialValidity),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeNew(cert, "CERTIFICATE", certificate, 0o644); err != nil {
		return err
	}
	if err := writeNew(out, "PRIVATE KEY", secret, 0o600); err != nil {
		_ = os.Remove(cert) // of no use without its key
		return err
	}
	return nil
}

// writeNew writes a block of PEM to a file that is not there yet.
func writeNew(path, kind string, der []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if err = pem.Encode(f, &pem.Block{Type: kind, Bytes: der}); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(path) // it is ours, and not complete
	}
	return err
}
