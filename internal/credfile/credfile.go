package credfile

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of the files and of what they hold.
const (
	MaxPSK          = 64       // bytes of a pre-shared key (RFC 7925 section 4.2)
	maxFile         = 64 << 10 // bytes
	maxCertificates = 10
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
		return messages.Credentials{Mode: messages.SecurityPSK, Identity: s.Identity, Key: key}
	case messages.SecurityX509:
		return messages.Credentials{
			Mode:               messages.SecurityX509,
			Certificate:        r.chain(s),
			PrivateKey:         r.key(s),
			Usage:              messages.UsageTrustAnchor,
			ServerCertificates: r.anchors(s),
		}
	case messages.SecurityRPK:
		return r.rawPublicKeys(s)
	}
	return messages.Credentials{Mode: messages.SecurityNoSec}
}

// read returns the content of a file; it is not ok after a fault. Only regular
// files are read: a pipe would block, and has nothing when it is read anew.
func (r *reader) read(key, path string) (data []byte, ok bool) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		r.fault(key, fileProblem(path, err), err)
	case !info.Mode().IsRegular():
		r.fault(key, fmt.Sprintf("%q is not a regular file", path), nil)
	default:
		return r.readRegular(key, path)
	}
	return nil, false
}

func (r *reader) readRegular(key, path string) (data []byte, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		r.fault(key, fileProblem(path, err), err)
		return nil, false
	}
	defer f.Close() // it is only read
	data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		r.fault(key, fileProblem(path, err), err)
	case len(data) > maxFile:
		r.fault(key, fmt.Sprintf("%q is larger than 64 KiB", path), nil)
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

// certificates reads the certificates of a PEM file in DER, in their order.
// Blocks of other types may stand between them.
func (r *reader) certificates(key, path string) [][]byte {
	data, ok := r.read(key, path)
	if !ok {
		return nil
	}
	return r.parseCertificates(key, path, data)
}

func (r *reader) parseCertificates(key, path string, data []byte) [][]byte {
	var chain [][]byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		chain = append(chain, block.Bytes)
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			r.fault(key, fmt.Sprintf("certificate %d of %q cannot be parsed", len(chain), path), err)
		}
	}
	switch {
	case len(chain) == 0:
		r.fault(key, fmt.Sprintf("%q holds no certificate in PEM", path), nil)
	case len(chain) > maxCertificates:
		r.fault(key, fmt.Sprintf("%q holds more than %d certificates", path, maxCertificates), nil)
	}
	return chain
}

// trust reads the trust anchors. They are of no use once all have expired.
func (r *reader) trust(path string) [][]byte {
	before := len(r.faults)
	anchors := r.certificates("trust", path)
	if len(r.faults) > before {
		return nil
	}
	return r.alive(source(path)+" holds", anchors)
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

// privateKey reads the first private key of a PEM file, in DER. The parsers'
// errors are not kept: they speak of secret bytes.
func (r *reader) privateKey(path string) messages.Secret {
	data, ok := r.read("private_key", path)
	if !ok {
		return nil
	}
	return r.parsePrivateKey(path, data)
}

func (r *reader) parsePrivateKey(path string, data []byte) messages.Secret {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if problem := keyProblem(block); problem != "" {
			r.fault("private_key", fmt.Sprintf("%q %s", path, problem), nil)
		}
		return block.Bytes
	}
	r.fault("private_key", fmt.Sprintf("%q holds no private key in PEM", path), nil)
	return nil
}

// keyProblem says why a private key cannot be used, or "".
func keyProblem(block *pem.Block) string {
	switch {
	case strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
		return "holds an encrypted key: store it without a passphrase"
	case block.Type == "RSA PRIVATE KEY":
		return notECDSA
	}
	if _, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return ""
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "holds a private key that is neither PKCS #8 nor SEC 1"
	}
	if _, ok := key.(*ecdsa.PrivateKey); !ok {
		return notECDSA
	}
	return ""
}

const notECDSA = "holds a key that is not for ECDSA"
