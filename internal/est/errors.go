package est

// Reason says what is wrong with a request or an answer.
type Reason string

// The reasons of a [CertificateError].
const (
	ReasonEndpoint     Reason = "the endpoint name cannot be the common name of a certificate (1 to 64 bytes)"
	ReasonPresent      Reason = "the present certificate cannot be read"
	ReasonRequest      Reason = "the stored request does not fit its key"
	ReasonFormat       Reason = "the answer has a content format that is neither certs-only PKCS #7 (281) nor a certificate (287)"
	ReasonTooLarge     Reason = "the answer is larger than 32 KiB"
	ReasonNotCertsOnly Reason = "the answer is no certs-only PKCS #7 in DER"
	ReasonTooMany      Reason = "the answer has more than 10 certificates"
	ReasonCertificate  Reason = "a certificate of the answer cannot be read"
	ReasonNone         Reason = "the answer has no certificate"
	ReasonKey          Reason = "no certificate of the answer is for the key that was made here"
	ReasonName         Reason = "the new certificate is for another name than was asked for"
	ReasonAuthority    Reason = "the new certificate is that of an authority"
	ReasonUse          Reason = "the new certificate is not for signatures of a client"
	ReasonExpired      Reason = "the new certificate has expired already"
	ReasonIssuer       Reason = "the new certificate does not lead to an authority that the server names as its own"
)

// CertificateError is the error of this package: a reason, and what crypto/x509 says where
// it says something that is no secret.
type CertificateError struct {
	Reason Reason
	Cause  error // may be nil
}

// Error implements error.
func (e *CertificateError) Error() string {
	if e.Cause != nil {
		return string(e.Reason) + ": " + e.Cause.Error()
	}
	return string(e.Reason)
}

// Unwrap returns the cause.
func (e *CertificateError) Unwrap() error { return e.Cause }

func refuse(r Reason) error { return &CertificateError{Reason: r} }
