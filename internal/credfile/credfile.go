package credfile

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of the files and of what they hold.
const (
	MaxPSK          = 64       // bytes of a pre-shared key (RFC 7925 section 4.2)
	maxFile         = 64 << 10 // bytes
	maxCertificates = 10

	maxTrustStore  = 1 << 20 // bytes
	maxAuthorities = 1000    // certificates of a trust store
)

// Source says where the credentials of an account are.
type Source struct {
	Mode        messages.SecurityMode
	Identity    string          // of the pre-shared key
	Key         messages.Secret // the pre-shared key, unless it is in KeyFile
	KeyFile     string
	Certificate string // may be empty with raw public keys: the private key implies it
	PrivateKey  string
	Trust       string
	// Usage says what Trust has of the server; nil means 2, trust anchors. Only with
	// SecurityX509 and SecurityEST, which has no Certificate and no PrivateKey.
	Usage *messages.CertificateUsage
	// Pins take the place of Trust: digests, as [ParsePin] reads them.
	Pins []string
	// ServerName is what the server has to prove, and is told; empty: the URI's host.
	ServerName string

	// In memory, in place of the files:
	Chain   [][]byte      // own certificates, or one public key, DER
	Signer  crypto.Signer // in place of PrivateKey
	Anchors [][]byte      // certificates, or the server's public key, DER
}

// Fault is one thing that is wrong with a file.
type Fault struct {
	Key     string // of the configuration, without its section: "psk_key_file", "certificate", "private_key", "trust"
	Problem string // in words that follow the key
	Err     error  // the cause; may be nil
}

// Read reads what the security mode needs. Trust anchors must not all have expired
// by the clock, unless that is wrong. The credentials are of use only when there are
// no faults.
func Read(s Source, clock validity.Clock) (messages.Credentials, []Fault) {
	r := &reader{clock: clock}
	return r.credentials(s), r.faults
}

// reader reads the files of one account and notes what is wrong.
type reader struct {
	clock  validity.Clock
	faults []Fault
}

func (r *reader) fault(key, problem string, err error) {
	r.faults = append(r.faults, Fault{Key: key, Problem: problem, Err: err})
}

func (r *reader) credentials(s Source) messages.Credentials {
	switch s.Mode {
	case messages.SecurityPSK:
		key := s.Key
		if s.KeyFile != "" {
			key = r.pskKey(s.KeyFile)
		}
		return messages.Credentials{Mode: messages.SecurityPSK, Identity: s.Identity, Key: key, ServerName: s.ServerName}
	case messages.SecurityX509:
		return r.certified(s)
	case messages.SecurityRPK:
		return r.rawPublicKeys(s)
	case messages.SecurityEST:
		c := messages.Credentials{Mode: messages.SecurityEST, Usage: s.usage(), ServerName: s.ServerName}
		c.Matching, c.ServerCertificates = r.server(s)
		return c
	}
	return messages.Credentials{Mode: messages.SecurityNoSec}
}

func (r *reader) certified(s Source) messages.Credentials {
	c := messages.Credentials{Mode: messages.SecurityX509, Usage: s.usage(), ServerName: s.ServerName}
	c.Certificate = r.chain(s)
	c.PrivateKey = r.key(s)
	c.Certificate = arranged(c.Certificate, c.PrivateKey)
	c.Matching, c.ServerCertificates = r.server(s)
	return c
}

// arranged puts a chain in order by its key. Where they do not belong together, which
// is found later, it stays as it is.
func arranged(chain [][]byte, key messages.Secret) [][]byte {
	public, ok := publicHalf(key)
	if !ok {
		return chain
	}
	certificates := make([]*x509.Certificate, len(chain))
	for i, der := range chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return chain
		}
		certificates[i] = certificate
	}
	certificates, _ = accounts.Arrange(certificates, public)
	var all [][]byte
	for _, certificate := range certificates {
		all = append(all, certificate.Raw)
	}
	return all
}

// read returns the content of a file; it is not ok after a fault. Only regular
// files are read: a pipe would block, and has nothing when it is read anew.
func (r *reader) read(key, path string) (data []byte, ok bool) {
	return r.readWithin(key, path, maxFile)
}

func (r *reader) readWithin(key, path string, limit int64) (data []byte, ok bool) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		r.fault(key, fileProblem(path, err), err)
	case !info.Mode().IsRegular():
		r.fault(key, fmt.Sprintf("%q is not a regular file", path), nil)
	default:
		return r.readRegular(key, path, limit)
	}
	return nil, false
}

func (r *reader) readRegular(key, path string, limit int64) (data []byte, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		r.fault(key, fileProblem(path, err), err)
		return nil, false
	}
	defer f.Close() // it is only read
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		r.fault(key, fileProblem(path, err), err)
	case int64(len(data)) > limit:
		r.fault(key, fmt.Sprintf("%q is larger than %d KiB", path, limit>>10), nil)
	default:
		return data, true
	}
	return nil, false
}

func fileProblem(path string, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("the file %q does not exist", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("the file %q may not be read by this user", path)
	}
	if err = descriptors.Explain(err); !descriptors.Short(err) {
		err = errors.Unwrap(err)
	}
	return fmt.Sprintf("the file %q cannot be read: %v", path, err)
}

// pskKey reads hexadecimal digits. The decoder's error is not kept: it quotes
// what it did not understand.
func (r *reader) pskKey(path string) messages.Secret {
	data, ok := r.read("psk_key_file", path)
	if !ok {
		return nil
	}
	return r.parsePSK(path, data)
}

func (r *reader) parsePSK(path string, data []byte) messages.Secret {
	key, err := hex.DecodeString(string(bytes.TrimSpace(data)))
	switch {
	case err != nil:
		r.fault("psk_key_file", fmt.Sprintf("%q does not hold a key in hexadecimal digits", path), nil)
	case len(key) == 0:
		r.fault("psk_key_file", fmt.Sprintf("%q is empty", path), nil)
	case len(key) > MaxPSK:
		r.fault("psk_key_file", fmt.Sprintf("%q holds a key of more than 64 bytes", path), nil)
	}
	return key
}

// certificates reads the certificates of a file in DER, in their order.
func (r *reader) certificates(key, path string) [][]byte {
	data, ok := r.read(key, path)
	if !ok {
		return nil
	}
	return r.parseCertificates(key, path, data)
}

func (r *reader) parseCertificates(key, path string, data []byte) [][]byte {
	chain := r.parseCertificatesWithin(key, path, data, maxCertificates)
	if len(chain) == 0 {
		r.fault(key, fmt.Sprintf("%q holds no certificate in PEM", path), nil)
	}
	return chain
}

// parseCertificatesWithin reads PEM, where blocks of other types may stand between the
// certificates, or what is concatenated in DER. There may be none.
func (r *reader) parseCertificatesWithin(key, path string, data []byte, most int) (chain [][]byte) {
	if found, err := x509.ParseCertificates(data); err == nil {
		for _, c := range found {
			chain = append(chain, c.Raw)
		}
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		chain = append(chain, block.Bytes)
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			r.fault(key, fmt.Sprintf("certificate %d of %q cannot be parsed", len(chain), path), err)
		}
	}
	if len(chain) > most {
		r.fault(key, fmt.Sprintf("%q holds more than %d certificates", path, most), nil)
	}
	return chain
}

// alive returns trust anchors of which one at least has not expired.
func (r *reader) alive(what string, anchors [][]byte) [][]byte {
	clock := validity.Clock{Now: r.clock.Now, Known: validity.Later(r.clock.Known, validity.Begun(nil, anchors))}
	for _, der := range anchors {
		if anchor, err := x509.ParseCertificate(der); err == nil && clock.Judge(anchor.NotBefore, anchor.NotAfter) != validity.Expired {
			return anchors
		}
	}
	r.fault("trust", what+" only expired certificates", nil)
	return nil
}
