package linkformat

import (
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// ObjectLink is one object of a registration.
type ObjectLink struct {
	ID        uint16
	Version   string   // "major.minor"; empty when not announced
	Instances []uint16 // in the order in which they are listed
}

// Registration is the object list of a Register or Update.
type Registration struct {
	// LwM2M is the enabler version, "1.0", "1.1" or "1.2", which decides the
	// syntax. It is not in the payload: the parser leaves it empty.
	LwM2M string
	// Root is the alternate path, "" for none. The parser sets it; the encoder
	// supports none.
	Root string
	// Formats are the supported Content-Formats to announce; none is fine.
	Formats []uint16
	Objects []ObjectLink
}

// lastCoreObject is the highest of the objects whose version follows from the
// enabler's.
const lastCoreObject = 7

// ObjectLinks lists the tree's objects with the versions that have to be
// announced: those of reg, except the initial one and those of the core objects
// 0 to 7, which follow from the enabler's version.
func ObjectLinks(t *lwm2m.Tree, reg *lwm2m.Registry) []ObjectLink {
	var links []ObjectLink
	for _, id := range t.Objects() {
		link := ObjectLink{ID: id, Instances: t.Instances(id)}
		def, known := reg.Object(id)
		if known && id > lastCoreObject && def.Version != "1.0" {
			link.Version = def.Version
		}
		links = append(links, link)
	}
	return links
}

// Hidden reports whether an object must never appear in a registration: those
// that hold credentials.
func Hidden(object uint16) bool {
	return slices.Contains([]uint16{0, 21, 23}, object)
}

// EncodeRegister encodes the object list. Hidden objects are left out. An object
// version that is not "major.minor" and an alternate path are a
// [*lwm2m.EncodeError].
func EncodeRegister(r Registration) ([]byte, error) {
	if r.Root != "" {
		return nil, &lwm2m.EncodeError{Format: format, Reason: lwm2m.ReasonMismatch, Detail: "alternate paths are not supported"}
	}
	var w writer
	if len(r.Formats) > 0 {
		w.rootFormats(r.LwM2M, r.Formats)
	}
	for _, o := range r.Objects {
		if Hidden(o.ID) {
			continue
		}
		if !validVersion(o.Version) {
			return nil, badVersion(o.ID)
		}
		if o.Version != "" || len(o.Instances) == 0 {
			w.object(r.LwM2M, o)
		}
		for _, i := range o.Instances {
			w.link(lwm2m.PathOf(o.ID, i))
		}
	}
	return w.b, nil
}

func badVersion(object uint16) error {
	return &lwm2m.EncodeError{
		Format: format, Path: lwm2m.PathOf(object), Reason: lwm2m.ReasonValue,
		Detail: "an object version is major.minor",
	}
}

// validVersion accepts "major.minor" and the empty version.
func validVersion(v string) bool {
	if v == "" {
		return true
	}
	major, minor, found := strings.Cut(v, ".")
	return found && digits(major) && digits(minor)
}

func digits(s string) bool {
	if s == "" {
		return false
	}
	return strings.IndexFunc(s, func(c rune) bool { return c < '0' || c > '9' }) < 0
}

// writer appends links and their attributes.
type writer struct{ b []byte }

// link begins a link.
func (w *writer) link(p lwm2m.Path) {
	if len(w.b) > 0 {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '<')
	w.b = append(w.b, p.String()...)
	w.b = append(w.b, '>')
}

// attr adds an attribute without quotes.
func (w *writer) attr(name, value string) {
	w.b = append(w.b, ';')
	w.b = append(w.b, name...)
	w.b = append(w.b, '=')
	w.b = append(w.b, value...)
}

// quoted adds an attribute as a quoted-string.
func (w *writer) quoted(name, value string) {
	w.attr(name, `"`+quoteReplacer.Replace(value)+`"`)
}

var quoteReplacer = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// version adds a version attribute in the syntax of the enabler version.
func (w *writer) version(enabler, name, value string) {
	if enabler == version10 {
		w.quoted(name, value)
		return
	}
	w.attr(name, value)
}

func (w *writer) object(enabler string, o ObjectLink) {
	w.link(lwm2m.PathOf(o.ID))
	if o.Version != "" {
		w.version(enabler, "ver", o.Version)
	}
}

// rootFormats writes the root link. A list needs quotes, a single number none.
func (w *writer) rootFormats(enabler string, formats []uint16) {
	w.link(lwm2m.Path{})
	if enabler == version10 {
		w.quoted("rt", resourceType)
	}
	numbers := make([]string, len(formats))
	for i, f := range formats {
		numbers[i] = strconv.Itoa(int(f))
	}
	if len(numbers) == 1 {
		w.attr("ct", numbers[0])
		return
	}
	w.quoted("ct", strings.Join(numbers, " "))
}

// resourceType marks the link under which the objects are found.
const resourceType = "oma.lwm2m"
