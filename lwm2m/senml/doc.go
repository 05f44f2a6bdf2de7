// Package senml is SenML (RFC 8428) as LwM2M profiles it (section 7.4.4 of
// OMA-TS-LightweightM2M_Core-V1_1_1), in CBOR: application/senml+cbor, 112, and
// in JSON: application/senml+json, 110.
//
// The files cbor*.go and json*.go know one representation each and nothing of
// LwM2M; resolve.go turns records into a payload and knows nothing of the
// representation.
//
// The LwM2M profile has names, times and one value a record. Fields that would
// change a value and are not part of it (bv, bs, s) and labels that must be
// understood (ending in "_") are refused, other unknown labels are ignored.
// Times are checked for their type and then ignored: a write has none.
package senml

// ContentFormatJSON and ContentFormatCBOR are the CoAP Content-Format numbers of
// SenML JSON and SenML CBOR.
const (
	ContentFormatJSON = 110
	ContentFormatCBOR = 112
)

const (
	formatJSON = "senml+json"
	formatCBOR = "senml+cbor"
)

// maxVersion is the highest SenML version of RFC 8428 (section 4.4).
const maxVersion = 10
