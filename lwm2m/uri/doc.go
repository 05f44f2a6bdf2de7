// Package uri is the server URI of LwM2M, resource /0/x/0: a CoAP URI (RFC 7252
// section 6) of at most 255 bytes. It is stricter than a general URI parser and
// its errors name the part that is wrong and what to do, because people type
// these URIs into configurations.
package uri
