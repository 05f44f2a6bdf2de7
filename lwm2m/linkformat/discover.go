package linkformat

import (
	"math"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// DiscoverLink is one line of the answer to a Discover (section 6.3.2): an object, an
// instance or a resource, and what is said of it.
type DiscoverLink struct {
	Path lwm2m.Path
	// Version is that of an object, "major.minor"; empty when it is not said.
	Version string
	// Multiple says that Dimension is shown, the number of a resource's instances.
	Multiple  bool
	Dimension int
	// Numbers are the attributes that the asking server has set (section 5.1.2), in
	// order.
	Numbers []Number
	// Other are attributes that are no numbers of LwM2M, in order.
	Other []Attribute
}

// Number is a numeric attribute, such as pmin=10.
type Number struct {
	Name  string
	Value float64
}

// Number finds a numeric attribute.
func (l DiscoverLink) Number(name string) (float64, bool) {
	for _, n := range l.Numbers {
		if n.Name == name {
			return n.Value, true
		}
	}
	return 0, false
}

// numbers are the numeric attributes of LwM2M up to 1.2, and whether they are whole and
// not negative: periods in seconds, counts and switches.
var numbers = map[string]bool{
	"pmin": true, "pmax": true, "epmin": true, "epmax": true, "edge": true, "con": true, "hqmax": true,
	"gt": false, "lt": false, "st": false,
}

// maxWhole bounds the whole numbers, the periods among them, to 32 bits.
const maxWhole = math.MaxUint32

// allowed reports whether a numeric attribute may have a value.
func allowed(name string, value float64) bool {
	whole, known := numbers[name]
	switch {
	case !known, math.IsNaN(value), math.IsInf(value, 0):
		return false
	case whole:
		return value == math.Trunc(value) && value >= 0 && value <= maxWhole
	}
	return true
}

// EncodeDiscover encodes the answer to a Discover. enabler is the version "1.0", "1.1" or
// "1.2". A version of anything but an object, or that is not "major.minor", a dimension of
// anything but a resource, and numbers that are none of LwM2M are a [*lwm2m.EncodeError].
func EncodeDiscover(enabler string, links []DiscoverLink) ([]byte, error) {
	var w writer
	for _, l := range links {
		if detail := l.fault(); detail != "" {
			return nil, &lwm2m.EncodeError{Format: format, Path: l.Path, Reason: lwm2m.ReasonValue, Detail: detail}
		}
		w.discovered(enabler, l)
	}
	return w.b, nil
}

// fault is what is wrong with a link, empty for nothing.
func (l DiscoverLink) fault() string {
	switch {
	case l.Version != "" && (l.Path.Len() != 1 || !validVersion(l.Version)):
		return "only an object has a version, major.minor"
	case l.Multiple && (l.Path.Len() != 3 || l.Dimension < 0):
		return "only a resource has a dimension"
	}
	for _, n := range l.Numbers {
		if !allowed(n.Name, n.Value) {
			return "an attribute that LwM2M does not have, or out of range"
		}
	}
	for _, a := range l.Other {
		if a.Name == "" || strings.ContainsFunc(a.Name, func(c rune) bool { return c > 0x7f || !isNameChar(byte(c)) }) {
			return "an attribute without a proper name"
		}
	}
	return ""
}

func (w *writer) discovered(enabler string, l DiscoverLink) {
	w.link(l.Path)
	if l.Version != "" {
		w.version(enabler, "ver", l.Version)
	}
	if l.Multiple {
		w.attr("dim", strconv.Itoa(l.Dimension))
	}
	for _, n := range l.Numbers {
		w.attr(n.Name, strconv.FormatFloat(n.Value, 'f', -1, 64))
	}
	for _, a := range l.Other {
		w.quoted(a.Name, a.Value)
	}
}

// ParseDiscover reads the answer to a Discover, as a server does. Every target is a path
// that comes once, and no attribute of LwM2M comes twice for it. Limits.Nodes counts links.
// The error is a [*lwm2m.DecodeError].
func ParseDiscover(data []byte, limits lwm2m.Limits) ([]DiscoverLink, error) {
	links, err := ParseLimited(data, limits)
	if err != nil {
		return nil, err
	}
	out := make([]DiscoverLink, len(links))
	seen := make(map[lwm2m.Path]struct{}, len(links))
	for i, l := range links {
		path, err := lwm2m.ParsePath(l.Target)
		if err != nil {
			return nil, refuse(path, lwm2m.ReasonPath, "a target is no numeric path")
		}
		if _, again := seen[path]; again {
			return nil, refuse(path, lwm2m.ReasonDuplicate, "path given twice")
		}
		seen[path] = struct{}{}
		out[i].Path = path
		if err := out[i].read(l.Attributes); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (l *DiscoverLink) read(attributes []Attribute) error {
	for _, a := range attributes {
		if err := l.attribute(a); err != nil {
			return err
		}
	}
	return nil
}

// attribute takes one attribute over.
func (l *DiscoverLink) attribute(a Attribute) error {
	_, number := numbers[a.Name]
	switch {
	case a.Name == "ver":
		return l.version(a.Value)
	case a.Name == "dim":
		return l.dimension(a.Value)
	case number:
		return l.number(a)
	}
	l.Other = append(l.Other, a)
	return nil
}

func (l *DiscoverLink) version(value string) error {
	if l.Version != "" {
		return l.twice()
	}
	if value == "" || !validVersion(value) {
		return refuse(l.Path, lwm2m.ReasonValue, "an object version is major.minor")
	}
	l.Version = value
	return nil
}

func (l *DiscoverLink) dimension(value string) error {
	if l.Multiple {
		return l.twice()
	}
	n, err := strconv.ParseUint(value, 10, 16)
	l.Multiple, l.Dimension = true, int(n)
	if err != nil {
		return refuse(l.Path, lwm2m.ReasonValue, "dim is a number of instances")
	}
	return nil
}

func (l *DiscoverLink) number(a Attribute) error {
	if _, again := l.Number(a.Name); again {
		return l.twice()
	}
	value, err := strconv.ParseFloat(a.Value, 64)
	if err != nil || strings.Trim(a.Value, "+-.eE0123456789") != "" || !allowed(a.Name, value) {
		return refuse(l.Path, lwm2m.ReasonValue, "an attribute is no number, or out of range")
	}
	l.Numbers = append(l.Numbers, Number{Name: a.Name, Value: value})
	return nil
}

func (l *DiscoverLink) twice() error {
	return refuse(l.Path, lwm2m.ReasonDuplicate, "attribute given twice")
}
