package network

import (
	"errors"
	"slices"
	"strconv"
)

// Alert descriptions that decide a class (RFC 5246 section 7.2, RFC 4279
// section 2, RFC 8446 section 6).
const (
	alertCloseNotify        = 0
	alertBadRecordMAC       = 20
	alertHandshakeFailure   = 40
	alertNoCertificate      = 41
	alertBadCertificate     = 42
	alertUnsupportedCert    = 43
	alertCertificateRevoked = 44
	alertCertificateExpired = 45
	alertCertificateUnknown = 46
	alertIllegalParameter   = 47
	alertUnknownCA          = 48
	alertAccessDenied       = 49
	alertDecryptError       = 51
	alertInternalError      = 80
	alertUnknownPSKIdentity = 115
	alertCertificateNeeded  = 116
)

var alertNames = map[uint8]string{
	alertCloseNotify:        "close_notify",
	10:                      "unexpected_message",
	alertBadRecordMAC:       "bad_record_mac",
	22:                      "record_overflow",
	alertHandshakeFailure:   "handshake_failure",
	alertNoCertificate:      "no_certificate",
	alertBadCertificate:     "bad_certificate",
	alertUnsupportedCert:    "unsupported_certificate",
	alertCertificateRevoked: "certificate_revoked",
	alertCertificateExpired: "certificate_expired",
	alertCertificateUnknown: "certificate_unknown",
	alertIllegalParameter:   "illegal_parameter",
	alertUnknownCA:          "unknown_ca",
	alertAccessDenied:       "access_denied",
	50:                      "decode_error",
	alertDecryptError:       "decrypt_error",
	70:                      "protocol_version",
	71:                      "insufficient_security",
	alertInternalError:      "internal_error",
	86:                      "inappropriate_fallback",
	90:                      "user_canceled",
	100:                     "no_renegotiation",
	109:                     "missing_extension",
	110:                     "unsupported_extension",
	112:                     "unrecognized_name",
	113:                     "bad_certificate_status_response",
	alertUnknownPSKIdentity: "unknown_psk_identity",
	alertCertificateNeeded:  "certificate_required",
	120:                     "no_application_protocol",
}

// AlertName returns the name that the RFCs give an alert (RFC 5246 section 7.2,
// RFC 8446 section 6).
func AlertName(number uint8) string {
	if name, ok := alertNames[number]; ok {
		return name
	}
	return "unassigned " + strconv.Itoa(int(number))
}

// blamesCredentials reports whether an alert says that the client's own key,
// identity or certificate is at fault.
func blamesCredentials(number uint8) bool {
	switch number {
	case alertBadRecordMAC, alertBadCertificate, alertUnsupportedCert,
		alertCertificateRevoked, alertCertificateExpired, alertCertificateUnknown,
		alertUnknownCA, alertAccessDenied, alertDecryptError,
		alertUnknownPSKIdentity, alertCertificateNeeded:
		return true
	}
	return false
}

// refusesPSK reports whether a server refused a pre-shared key with an alert that says
// less than it could: some have no other for an identity that they do not know.
func refusesPSK(cause error) bool {
	alert, ok := errors.AsType[*AlertError](cause)
	return ok && alert.Answered && slices.Contains(vague, alert.Number)
}

var vague = []uint8{alertHandshakeFailure, alertIllegalParameter, alertInternalError}

// blamesServerCertificate reports whether an alert that this side sent says
// that the server's certificate is at fault.
func blamesServerCertificate(number uint8) bool {
	return number == alertNoCertificate || number == alertBadCertificate
}
