package strict

import (
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// ParseLink reads an object link, "66:0" (Appendix C). 65535 is allowed: it
// means "no object".
func ParseLink(s string) (lwm2m.Value, bool) {
	obj, inst, found := strings.Cut(s, ":")
	o, okO := parseUint16(obj)
	i, okI := parseUint16(inst)
	if !found || !okO || !okI {
		return lwm2m.Value{}, false
	}
	return lwm2m.ObjectLink(o, i), true
}

func parseUint16(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}
