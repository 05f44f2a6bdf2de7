package credfile

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/messages"
)

// privateKey reads the first private key of a file, in DER. The parsers' errors are
// not kept: they speak of secret bytes.
func (r *reader) privateKey(path string) messages.Secret {
	data, ok := r.read("private_key", path)
	if !ok {
		return nil
	}
	return r.parsePrivateKey(path, data)
}

// parsePrivateKey reads PEM, where the parameters of the curve and certificates may
// stand before the key, or DER.
func (r *reader) parsePrivateKey(path string, data []byte) messages.Secret {
	inPEM := false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		inPEM = true
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if problem := keyProblem(block); problem != "" {
			r.fault("private_key", fmt.Sprintf("%q %s", path, problem), nil)
		}
		return block.Bytes
	}
	if problem := derProblem(data); !inPEM && problem != notAKey {
		if problem != "" {
			r.fault("private_key", fmt.Sprintf("%q %s", path, problem), nil)
		}
		return data
	}
	r.fault("private_key", fmt.Sprintf("%q holds no private key in PEM", path), nil)
	return nil
}

const (
	notECDSA  = "holds a key that is not for ECDSA"
	notAKey   = "holds a private key that is neither PKCS #8 nor SEC 1"
	encrypted = "holds an encrypted key: store it without a passphrase"
)

// keyProblem says why a private key cannot be used, or "".
func keyProblem(block *pem.Block) string {
	switch {
	case strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
		return encrypted
	case block.Type == "RSA PRIVATE KEY":
		return notECDSA
	}
	return derProblem(block.Bytes)
}

// derProblem says the same of a key in DER.
func derProblem(der []byte) string {
	if _, err := x509.ParseECPrivateKey(der); err == nil {
		return ""
	}
	if _, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return notECDSA
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	switch {
	case err != nil && accounts.EncryptedKey(der):
		return encrypted
	case err != nil:
		return notAKey
	}
	if _, ok := key.(*ecdsa.PrivateKey); !ok {
		return notECDSA
	}
	return ""
}
