package holdfast

import (
	"bytes"
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
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// Bounds of the files that a configuration names.
const (
	configMaxCredentials  = 64 << 10 // bytes
	configMaxCertificates = 10
)

// credentialFiles reads the files of one account and notes what is wrong.
type credentialFiles struct {
	section string
	now     time.Time
	faults  []Fault
}

func (r *credentialFiles) fault(name, problem string, err error) {
	r.faults = append(r.faults, Fault{Key: r.section + "." + name, Problem: problem, Err: err})
}

// credentials reads what the account's security mode needs. The result is of
// use only when there are no faults.
func (r *credentialFiles) credentials(a *Account) messages.Credentials {
	switch a.Security {
	case SecurityPSK:
		key := a.PSKKey
		if a.PSKKeyFile != "" {
			key = r.pskKey(a.PSKKeyFile)
		}
		return messages.Credentials{Mode: messages.SecurityPSK, Identity: a.PSKIdentity, Key: key}
	case SecurityX509:
		return messages.Credentials{
			Mode:               messages.SecurityX509,
			Certificate:        r.certificates("certificate", a.Certificate),
			PrivateKey:         r.privateKey(a.PrivateKey),
			Usage:              messages.UsageTrustAnchor,
			ServerCertificates: r.trust(a.Trust),
		}
	case SecurityRPK:
		return r.rawPublicKeys(a)
	}
	return messages.Credentials{Mode: messages.SecurityNoSec}
}

// read returns the content of a file; it is not ok after a fault. Only regular
// files are read: a pipe would block, and has nothing when it is read anew.
func (r *credentialFiles) read(name, path string) (data []byte, ok bool) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		r.fault(name, configFileProblem(path, err), err)
	case !info.Mode().IsRegular():
		r.fault(name, fmt.Sprintf("%q is not a regular file", path), nil)
	default:
		return r.readRegular(name, path)
	}
	return nil, false
}

func (r *credentialFiles) readRegular(name, path string) (data []byte, ok bool) {
	f, err := os.Open(path)
	if err != nil {
		r.fault(name, configFileProblem(path, err), err)
		return nil, false
	}
	defer f.Close() // it is only read
	data, err = io.ReadAll(io.LimitReader(f, configMaxCredentials+1))
	switch {
	case err != nil:
		r.fault(name, configFileProblem(path, err), err)
	case len(data) > configMaxCredentials:
		r.fault(name, fmt.Sprintf("%q is larger than 64 KiB", path), nil)
	default:
		return data, true
	}
	return nil, false
}

func configFileProblem(path string, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("the file %q does not exist", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("the file %q may not be read by this user", path)
	}
	return fmt.Sprintf("the file %q cannot be read: %v", path, errors.Unwrap(err))
}

// pskKey reads hexadecimal digits. The decoder's error is not kept: it quotes
// what it did not understand.
func (r *credentialFiles) pskKey(path string) messages.Secret {
	data, ok := r.read("psk_key_file", path)
	if !ok {
		return nil
	}
	return r.parsePSK(path, data)
}

func (r *credentialFiles) parsePSK(path string, data []byte) messages.Secret {
	key, err := hex.DecodeString(string(bytes.TrimSpace(data)))
	switch {
	case err != nil:
		r.fault("psk_key_file", fmt.Sprintf("%q does not hold a key in hexadecimal digits", path), nil)
	case len(key) == 0:
		r.fault("psk_key_file", fmt.Sprintf("%q is empty", path), nil)
	case len(key) > configMaxPSK:
		r.fault("psk_key_file", fmt.Sprintf("%q holds a key of more than 64 bytes", path), nil)
	}
	return key
}

// certificates reads the certificates of a PEM file in DER, in their order.
// Blocks of other types may stand between them.
func (r *credentialFiles) certificates(name, path string) [][]byte {
	data, ok := r.read(name, path)
	if !ok {
		return nil
	}
	return r.parseCertificates(name, path, data)
}

func (r *credentialFiles) parseCertificates(name, path string, data []byte) [][]byte {
	var chain [][]byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		chain = append(chain, block.Bytes)
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			r.fault(name, fmt.Sprintf("certificate %d of %q cannot be parsed", len(chain), path), err)
		}
	}
	switch {
	case len(chain) == 0:
		r.fault(name, fmt.Sprintf("%q holds no certificate in PEM", path), nil)
	case len(chain) > configMaxCertificates:
		r.fault(name, fmt.Sprintf("%q holds more than %d certificates", path, configMaxCertificates), nil)
	}
	return chain
}

// trust reads the trust anchors. They are of no use once all have expired.
func (r *credentialFiles) trust(path string) [][]byte {
	before := len(r.faults)
	anchors := r.certificates("trust", path)
	if len(r.faults) > before {
		return nil
	}
	for _, der := range anchors {
		if anchor, err := x509.ParseCertificate(der); err == nil && !r.now.After(anchor.NotAfter) {
			return anchors
		}
	}
	r.fault("trust", fmt.Sprintf("%q holds only expired certificates", path), nil)
	return nil
}

// privateKey reads the first private key of a PEM file, in DER. The parsers'
// errors are not kept: they speak of secret bytes.
func (r *credentialFiles) privateKey(path string) messages.Secret {
	data, ok := r.read("private_key", path)
	if !ok {
		return nil
	}
	return r.parsePrivateKey(path, data)
}

func (r *credentialFiles) parsePrivateKey(path string, data []byte) messages.Secret {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if problem := configKeyProblem(block); problem != "" {
			r.fault("private_key", fmt.Sprintf("%q %s", path, problem), nil)
		}
		return block.Bytes
	}
	r.fault("private_key", fmt.Sprintf("%q holds no private key in PEM", path), nil)
	return nil
}

// configKeyProblem says why a private key cannot be used, or "".
func configKeyProblem(block *pem.Block) string {
	switch {
	case strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
		return "holds an encrypted key: store it without a passphrase"
	case block.Type == "RSA PRIVATE KEY":
		return configNotECDSA
	}
	if _, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return ""
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "holds a private key that is neither PKCS #8 nor SEC 1"
	}
	if _, ok := key.(*ecdsa.PrivateKey); !ok {
		return configNotECDSA
	}
	return ""
}

const configNotECDSA = "holds a key that is not for ECDSA"
