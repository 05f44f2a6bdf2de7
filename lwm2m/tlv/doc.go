// Package tlv is the LwM2M TLV format, application/vnd.oma.lwm2m+tlv, 11542
// (section 7.4.3 of OMA-TS-LightweightM2M_Core-V1_1_1; 6.4.3 of 1.0.2).
//
// The decoder is strict where leniency could apply half of a message: an input
// is decoded as a whole or not at all. It keeps no reference to its input.
package tlv

const format = "tlv"

// ContentFormat is the CoAP Content-Format number.
const ContentFormat = 11542

// The kinds of entry: bits 7 and 6 of the type byte.
const (
	kindObjectInstance   = 0
	kindResourceInstance = 1
	kindMultipleResource = 2
	kindResource         = 3
)
