package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// formatNames are the names of content formats, in the order in which they are listed.
var formatNames = []struct {
	name   string
	format lwm2m.Format
}{
	{"text", lwm2m.FormatText},
	{"opaque", lwm2m.FormatOpaque},
	{"cbor", lwm2m.FormatCBOR},
	{"tlv", lwm2m.FormatTLV},
	{"json", lwm2m.FormatJSON},
	{"senml-json", lwm2m.FormatSenMLJSON},
	{"senml-cbor", lwm2m.FormatSenMLCBOR},
	{"link", lwm2m.FormatLinkFormat},
	{"lwm2m-cbor", lwm2m.FormatLwM2MCBOR},
}

// formatName names a content format, by its number where it has no name here.
func formatName(f lwm2m.Format) string {
	for _, n := range formatNames {
		if n.format == f {
			return n.name
		}
	}
	return strconv.Itoa(int(f))
}

// parseFormat reads a name or a number.
func parseFormat(text string) (lwm2m.Format, error) {
	var names []string
	for _, n := range formatNames {
		if n.name == text {
			return n.format, nil
		}
		names = append(names, n.name)
	}
	if number, err := strconv.ParseUint(text, 10, 16); err == nil {
		return lwm2m.Format(number), nil
	}
	return 0, fmt.Errorf("%q is not a format: write %s, or a number", brief(text), strings.Join(names, ", "))
}

// preferred are the formats that values are read and written in, the best first: SenML
// says of a value that nobody has defined what it is.
var preferred = []lwm2m.Format{lwm2m.FormatSenMLCBOR, lwm2m.FormatSenMLJSON, lwm2m.FormatTLV}

// format returns the format for a client: of those that it announces, the best; TLV, which
// every client of LwM2M 1.0 has, for one that does not say.
func (k client) format() lwm2m.Format {
	for _, f := range preferred {
		if k.announces(f) {
			return f
		}
	}
	return lwm2m.FormatTLV
}

// compositeFormat is one of SenML.
func (k client) compositeFormat() lwm2m.Format {
	if k.announces(lwm2m.FormatSenMLCBOR) {
		return lwm2m.FormatSenMLCBOR
	}
	return lwm2m.FormatSenMLJSON
}

func (k client) announces(f lwm2m.Format) bool {
	return slices.Contains(k.list.Formats, uint16(f))
}
