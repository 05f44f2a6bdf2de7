// Package est is the content of enrolment over secure transport with CoAP (RFC 9148): the
// key that the device makes, the request for a certificate, and what an EST server answers.
//
//	request.go      a key and its PKCS #10 request
//	certificates.go certs-only PKCS #7 and single certificates, decoded
//	issued.go       an answer held against what was asked for
//	resources.go    where the resources are, and in which formats
//
// Everything is pure: it draws no random number but from the reader that it is given, and
// knows no clock but the one that it is told of. What an answer has is bounded before it is
// parsed. Errors name a reason and never have anything of a key. Who asks, when, and over
// which link is the business of actors/enrolment and of the supervisor.
package est
