// Package download has what fetching an image is about, whoever does it: where an image may
// be fetched from ([Policy]), and fetching it by HTTP ([Client]). CoAP is the business of
// actors/coapresend, and what is done with the image that of actors/update.
//
// HTTP is HTTP/1.1, which every server of files speaks: one request on a connection of its
// own, read on the goroutine of the caller, part by part. net/http parses the responses. Its
// Transport is not used: it would resolve and dial out of sight of the policy, go
// through a proxy that the environment names, keep connections, and read ahead on goroutines
// of its own. HTTP/2 would bring nothing to a single file.
package download
