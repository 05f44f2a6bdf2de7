package accounts

import (
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Reason says what is wrong with a node of objects 0, 1 and 2.
type Reason string

// The reasons of a [Fault].
const (
	ReasonMissing            Reason = "is missing"
	ReasonEmpty              Reason = "is empty"
	ReasonType               Reason = "has the wrong type"
	ReasonRange              Reason = "is out of range"
	ReasonTooLong            Reason = "is too long"
	ReasonURI                Reason = "is not a usable server URI"
	ReasonURIRoom            Reason = "leaves no room for the request that it has to carry"
	ReasonScheme             Reason = "does not fit the security mode: coaps needs keys, coap has none"
	ReasonMode               Reason = "is an unknown security mode"
	ReasonEST                Reason = "asks for enrolment over EST, which is for management servers"
	ReasonUTF8               Reason = "is not UTF-8"
	ReasonCertificate        Reason = "is not a chain of DER certificates"
	ReasonPrivateKey         Reason = "is not a private key in PKCS #8 or SEC 1"
	ReasonKeyMismatch        Reason = "does not belong to the certificate"
	ReasonPublicKey          Reason = "is not one ECDSA public key as SubjectPublicKeyInfo in DER"
	ReasonCurve              Reason = "is a key on another curve than P-256 and P-384"
	ReasonPublicMismatch     Reason = "does not belong to the public key"
	ReasonEncryptedKey       Reason = "is an encrypted private key: it has to come without a passphrase"
	ReasonUsage              Reason = "is none of the certificate usages 0 to 3"
	ReasonMatchingType       Reason = "is no matching type, or one whose digests are of another length than what is in /0/x/4"
	ReasonNoTrustStore       Reason = "asks for a chain to the trust store of the device, which has none: configure trust_store, or use certificate usage 2 or 3"
	ReasonKeyType            Reason = "is no ECDSA key on P-256, P-384 or P-521, with which handshakes are signed"
	ReasonServerName         Reason = "is not a name in ASCII of at most 253 bytes"
	ReasonDuplicate          Reason = "is used by another account"
	ReasonSecondBootstrap    Reason = "makes a second bootstrap account"
	ReasonNoServer           Reason = "has no Server instance"
	ReasonNoManagement       Reason = "holds no management account"
	ReasonCertificateExpired Reason = "holds an expired certificate"
	ReasonSecondControl      Reason = "is about the same as another instance"
	ReasonNoSuchServer       Reason = "is not the short server ID of a management server"
	ReasonDowngrade          Reason = "replaces a secured account by one without security"
)

// Fault is one reason why an account cannot be used.
type Fault struct {
	Path   lwm2m.Path // the object, instance or resource at fault
	Reason Reason
	Cause  error // what a parser said, when that shows no secret; may be nil
}

// Error names the path and the reason.
func (f *Fault) Error() string {
	if f.Cause != nil {
		return fmt.Sprintf("%s %s: %s", f.Path, string(f.Reason), f.Cause)
	}
	return f.Path.String() + " " + string(f.Reason)
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// Faults is the error of the checks: everything that is wrong, at least one.
type Faults []*Fault

// Error shows the first fault and counts the others.
func (f Faults) Error() string {
	if len(f) == 1 {
		return f[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", f[0], len(f)-1)
}

// Unwrap returns the faults.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, fault := range f {
		errs[i] = fault
	}
	return errs
}

// orNil turns no faults into a nil error.
func (f Faults) orNil() error {
	if len(f) == 0 {
		return nil
	}
	return f
}
