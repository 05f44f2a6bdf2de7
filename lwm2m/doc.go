// Package lwm2m is the LwM2M protocol without I/O: paths, scalar values, the
// object model, the definitions that say which type a resource has, and the
// CoAP codes and Content-Formats that carry it all. The
// payload formats live below it (tlv, senml, linkformat), codec knows which of
// them serves which operation, uri reads server URIs, objects has the
// definitions of the OMA core objects, definitions reads others from XML, and
// object is how applications offer theirs.
//
// Everything here is a plain value or owned by whoever made it: no goroutine,
// lock, clock or global state. A [Tree] is not safe for concurrent use; hand
// over a [Tree.Clone]. Values never show opaque content when printed, because
// keys travel as opaque resources.
//
// Section numbers are those of OMA-TS-LightweightM2M_Core-V1_1_1 unless another
// document is named.
package lwm2m
