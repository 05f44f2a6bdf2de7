// Package strict is what the decoders of the text and CBOR formats share: reading
// JSON, CBOR, numbers and object links as one must who trusts no sender. What can be
// read in two ways, or goes beyond a bound, is a [Fault].
//
// It knows the values of LwM2M and neither paths nor payloads. Everything is pure; a
// [Scanner] belongs to whoever made it.
package strict

import "github.com/holdfast-iot/holdfast/lwm2m"

// Fault is why an input was refused; [None] means that it was not. The detail is
// fixed text: inputs hold keys.
type Fault struct {
	Reason lwm2m.Reason
	Detail string
}

// None is no Fault.
var None Fault

// Refuse returns a Fault.
func Refuse(reason lwm2m.Reason, detail string) Fault { return Fault{Reason: reason, Detail: detail} }

// Must refuses a value unless ok.
func Must(ok bool, detail string) Fault {
	if !ok {
		return Refuse(lwm2m.ReasonValue, detail)
	}
	return None
}
