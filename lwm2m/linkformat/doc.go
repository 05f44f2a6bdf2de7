// Package linkformat is application/link-format (RFC 6690), 40, as LwM2M uses
// it: the object list of a registration (section 6.2.1 of
// OMA-TS-LightweightM2M_Core-V1_1_1), the answers to Discover (section 6.3.2) and
// Bootstrap-Discover (section 6.1.7.4), and bounded parsers for the side that receives
// them.
//
// LwM2M 1.0 and later versions write two things differently: version attributes
// are quoted in 1.0 only, and Bootstrap-Discover begins with a bare attribute in
// 1.0 and with a root link since.
package linkformat

// ContentFormat is the CoAP Content-Format number.
const ContentFormat = 40

const format = "link-format"

// version10 is the enabler version with the older syntax.
const version10 = "1.0"
