// Package validity judges the validity periods of certificates (RFC 5280 section
// 4.1.2.5) by a clock that may be wrong.
//
// A gateway without a battery begins in 1970, and is told the time by the network
// a little later. Until then a certificate that is not valid yet says nothing
// about the certificate. Everything here is pure: the caller says what its clock
// shows, and what is known of the time from elsewhere.
package validity
