package est

import (
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/linkformat"
)

// Resource is one of an EST server (RFC 9148 section 4.1).
type Resource string

// The resources that are asked for.
const (
	Authorities Resource = "crts" // GET: the certificates of the server's authorities
	Enrol       Resource = "sen"  // POST: simple enrolment
	Reenrol     Resource = "sren" // POST: simple re-enrolment, by the certificate that is to be replaced
)

// WellKnown is the root of the resources where nothing else is said (RFC 9148 section 4.1).
func WellKnown() []string { return []string{".well-known", "est"} }

// Discovery is the query that finds the root of the resources, at /.well-known/core (RFC
// 9148 section 4.1, RFC 6690).
const Discovery = "rt=ace.est*"

// maxLinks and maxSegments bound what a discovery may say.
const (
	maxLinks    = 64
	maxSegments = 16
)

// Root reads the answer to a discovery: the path below which a resource is. It is not found
// where the server has no such resource, names one on another host, or says what cannot be
// read.
func Root(links []byte, r Resource) (path []string, found bool) {
	parsed, err := linkformat.ParseLimited(links, lwm2m.Limits{Nodes: maxLinks})
	if err != nil {
		return nil, false
	}
	for _, link := range parsed {
		kinds, _ := link.Attribute("rt")
		target, isPath := strings.CutPrefix(link.Target, "/")
		if !isPath || !slices.Contains(strings.Fields(kinds), "ace.est."+string(r)) {
			continue
		}
		segments := strings.Split(target, "/")
		last := len(segments) - 1
		if last > 0 && last < maxSegments && segments[last] == string(r) && !slices.Contains(segments, "") {
			return segments[:last], true
		}
	}
	return nil, false
}
