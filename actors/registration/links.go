package registration

import (
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
	"github.com/holdfast-iot/holdfast/lwm2m/linkformat"
	"github.com/holdfast-iot/holdfast/messages"
)

// supported are the content formats that we announce: all in which a server can read
// the object model, those first that we prefer.
var supported = announced(codec.Formats(codec.Read))

func announced(formats []lwm2m.Format) (numbers []uint16) {
	for _, f := range formats {
		numbers = append(numbers, uint16(f))
	}
	return numbers
}

// Links returns the object list in the syntax of an LwM2M version (Core
// section 6.2.1, RFC 6690). It panics on an object version that is not
// "major.minor": those come from our own registry.
func Links(version string, objects []messages.ObjectEntry) []byte {
	list := linkformat.Registration{LwM2M: version, Formats: supported}
	for _, o := range objects {
		list.Objects = append(list.Objects, linkformat.ObjectLink{ID: o.ID, Version: o.Version, Instances: o.Instances})
	}
	payload, err := linkformat.EncodeRegister(list)
	if err != nil {
		panic(fmt.Errorf("registration: the object list cannot be announced: %w", err))
	}
	return payload
}
