// Package codec reads and writes payloads in every content format that the client
// knows (LwM2M Core section 7.4), in both directions: one table says which format
// serves which operation. The formats themselves are below (text/plain and opaque,
// of which there is little) and in the packages tlv and senml.
//
// Everything is pure. A decoder is bounded by lwm2m.Limits, takes a payload whole
// or not at all, and repeats no content in its errors.
package codec
