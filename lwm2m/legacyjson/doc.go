// Package legacyjson is the JSON format of LwM2M 1.0, application/vnd.oma.lwm2m+json,
// 11543 (section 6.4.4 of OMA-TS-LightweightM2M-V1_0_2). LwM2M 1.1 has SenML in its
// place; servers that speak 1.0 still offer it.
//
// A payload is one object with a base name and a list of values. Opaque values are
// base64 in sv, which is why the definition has to be known to tell them from strings.
// Times are checked for their type and then ignored.
package legacyjson

// ContentFormat is the CoAP Content-Format number.
const ContentFormat = 11543

const format = "lwm2m+json"
