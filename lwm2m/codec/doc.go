// Package codec reads and writes payloads in every content format that the client
// knows (LwM2M Core section 7.4), in both directions: one table says which format
// serves which operation. The formats themselves are below (text/plain, opaque and
// CBOR, of which there is little) and in the packages tlv, senml and legacyjson.
//
//	        Read Write Create Execute Discover ReadComposite CompositeAnswer WriteComposite Send
//	    0   x    x            x                                                                   text/plain
//	   40                             x                                                           link-format
//	   42   x    x                                                                                opaque
//	   60   x    x                                                                                CBOR
//	  110   x    x     x                       x             x               x              x    SenML JSON
//	  112   x    x     x                       x             x               x              x    SenML CBOR
//	  320                                      x                             x                   SenML of RFC 8790, JSON
//	  322                                      x                             x                   and CBOR
//	11542   x    x     x                                                                          TLV
//	11543   x    x     x                                                                          JSON of LwM2M 1.0
//
// The formats 0, 42 and 60 carry one value, and 42 an opaque one only. Link-format is
// written by the package linkformat; the arguments of an Execute are parsed by
// lwm2m.ParseArguments.
//
// Everything is pure. A decoder is bounded by lwm2m.Limits, takes a payload whole
// or not at all, and repeats no content in its errors.
package codec
