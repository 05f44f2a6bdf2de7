// Package coap is the CoAP codec of the runtime (RFC 7252 section 3): one
// datagram to one [Message] and back. It is the only package that imports
// go-coap, and of that only the codec, which encodes behind a strict check. A
// datagram is decoded here, in one pass: go-coap's decoder accepts, or silently
// repairs, much that RFC 7252 calls a format error. The fuzz test holds the two
// against each other.
//
// The package knows formats, not behaviour. What is done about a message that
// does not decode, about an unknown critical option, and everything that has
// to do with time belongs to actors/coapresend. It keeps no state.
package coap
