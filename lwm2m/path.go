package lwm2m

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// MaxID is the reserved identifier 65535. It never names an object, instance,
// resource or resource instance (section 6.1); in an object link it stands for
// "no object".
const MaxID = 65535

// MaxPathLength is the number of segments of the longest path: object,
// instance, resource, resource instance.
const MaxPathLength = 4

// Path names a node of the object model: the root (no segment), an object, an
// object instance, a resource or a resource instance. It is comparable and may
// be a map key; the zero value is the root.
type Path struct {
	ids [MaxPathLength]uint16 // segments beyond n are zero, so that == works
	n   uint8
}

// PathOf returns the path with the given identifiers, none for the root. It is
// meant for identifiers that are known to be valid: it panics when there are
// more than [MaxPathLength] and does not look for the reserved [MaxID].
func PathOf(ids ...uint16) Path {
	if len(ids) > MaxPathLength {
		panic("lwm2m: a path has at most four segments")
	}
	p := Path{n: uint8(len(ids))}
	copy(p.ids[:], ids)
	return p
}

// ParsePath parses "/", "/3", "/3/0" and so on. Identifiers are decimal, 0 to
// 65534, without sign or leading zeros. Everything else, a trailing slash
// included, is a [*PathError].
func ParsePath(s string) (Path, error) {
	rest, absolute := strings.CutPrefix(s, "/")
	if !absolute {
		return Path{}, &PathError{Path: s, Reason: PathNotAbsolute}
	}
	if rest == "" {
		return Path{}, nil
	}
	if strings.Count(rest, "/") >= MaxPathLength {
		return Path{}, &PathError{Path: s, Reason: PathTooLong}
	}
	p, reason := parseSegments(strings.Split(rest, "/"))
	if reason != "" {
		return Path{}, &PathError{Path: s, Reason: reason}
	}
	return p, nil
}

// PathFromSegments parses the Uri-Path options of a request. No segment and a
// single empty segment both mean the root (RFC 7252 section 6.4). The error is
// a [*PathError].
func PathFromSegments(segs []string) (Path, error) {
	if len(segs) == 0 || (len(segs) == 1 && segs[0] == "") {
		return Path{}, nil
	}
	if len(segs) > MaxPathLength {
		return Path{}, &PathError{Path: joinForError(segs), Reason: PathTooLong}
	}
	p, reason := parseSegments(segs)
	if reason != "" {
		return Path{}, &PathError{Path: joinForError(segs), Reason: reason}
	}
	return p, nil
}

// joinForError rebuilds a path for an error, and only as much as an error keeps.
func joinForError(segs []string) string {
	return "/" + strings.Join(segs[:min(len(segs), MaxPathLength+1)], "/")
}

// parseSegments parses at most MaxPathLength segments. An empty reason means
// success.
func parseSegments(segs []string) (Path, PathReason) {
	var p Path
	for _, s := range segs {
		id, reason := parseID(s)
		if reason != "" {
			return Path{}, reason
		}
		p = p.Child(id)
	}
	return p, ""
}

// parseID parses one identifier. An empty reason means success.
func parseID(s string) (uint16, PathReason) {
	if s == "" {
		return 0, PathEmptySegment
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, PathNotNumeric
		}
	}
	if len(s) > 1 && s[0] == '0' {
		return 0, PathNotNumeric
	}
	id, err := strconv.ParseUint(s, 10, 16)
	if err != nil || id == MaxID {
		return 0, PathIDOutOfRange
	}
	return uint16(id), ""
}

// Len is the number of segments: 0 for the root, 4 for a resource instance.
func (p Path) Len() int { return int(p.n) }

// Object is the object ID, 0 for the root.
func (p Path) Object() uint16 { return p.ids[0] }

// Instance is the object instance ID, 0 when the path is shorter.
func (p Path) Instance() uint16 { return p.ids[1] }

// Resource is the resource ID, 0 when the path is shorter.
func (p Path) Resource() uint16 { return p.ids[2] }

// ResourceInstance is the resource instance ID, 0 when the path is shorter.
func (p Path) ResourceInstance() uint16 { return p.ids[3] }

// Child appends one identifier. It panics on a resource instance, which has no
// children.
func (p Path) Child(id uint16) Path {
	if p.n == MaxPathLength {
		panic("lwm2m: a resource instance has no children")
	}
	p.ids[p.n] = id
	p.n++
	return p
}

// Prefix is the path's first n segments, n from 0; the path itself when it has
// no more than n.
func (p Path) Prefix(n int) Path {
	if n >= p.Len() {
		return p
	}
	return PathOf(p.ids[:max(n, 0)]...)
}

// Contains reports whether q is p or lies below it.
func (p Path) Contains(q Path) bool {
	return q.n >= p.n && q.Prefix(p.Len()) == p
}

// Compare orders paths as a tree is walked: by identifiers, a parent before its
// children.
func (p Path) Compare(q Path) int {
	return cmp.Or(
		slices.Compare(p.ids[:p.n], q.ids[:q.n]),
		cmp.Compare(p.n, q.n),
	)
}

// String is the path in the form that [ParsePath] reads.
func (p Path) String() string {
	if p.n == 0 {
		return "/"
	}
	b := make([]byte, 0, MaxPathLength*6)
	for _, id := range p.ids[:p.n] {
		b = append(b, '/')
		b = strconv.AppendUint(b, uint64(id), 10)
	}
	return string(b)
}

// Segments is the path as Uri-Path options; none for the root.
func (p Path) Segments() []string {
	segs := make([]string, p.n)
	for i, id := range p.ids[:p.n] {
		segs[i] = strconv.FormatUint(uint64(id), 10)
	}
	return segs
}
