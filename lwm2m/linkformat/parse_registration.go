package linkformat

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// ParseRegistration reads the object list of a Register or Update, as a server
// does. Objects and instances come out sorted. An alternate path, marked with
// rt="oma.lwm2m", is taken off the targets; links outside it are ignored. The
// error is a [*lwm2m.DecodeError].
func ParseRegistration(data []byte, limits lwm2m.Limits) (Registration, error) {
	links, err := ParseLimited(data, limits)
	if err != nil {
		return Registration{}, err
	}
	r := registrationParser{objects: make(map[uint16]*ObjectLink)}
	r.out.Root = alternatePath(links)
	for _, l := range links {
		if err := r.link(l); err != nil {
			return Registration{}, err
		}
	}
	return r.result(), nil
}

// alternatePath is the target of the link that says where the objects are.
func alternatePath(links []Link) string {
	for _, l := range links {
		if rt, _ := l.Attribute("rt"); slices.Contains(strings.Fields(rt), resourceType) {
			return strings.TrimSuffix(l.Target, "/")
		}
	}
	return ""
}

type registrationParser struct {
	out     Registration
	objects map[uint16]*ObjectLink
}

func (r *registrationParser) link(l Link) error {
	target, inside := strings.CutPrefix(l.Target, r.out.Root)
	if !inside || target != "" && target[0] != '/' && r.out.Root != "" {
		return nil // such as /lwm2m2 beside /lwm2m
	}
	if target == "" || target == "/" {
		return r.root(l)
	}
	path, err := lwm2m.ParsePath(target)
	if err != nil {
		return refuse(path, lwm2m.ReasonPath, "a target is no numeric path")
	}
	if path.Len() > 2 {
		return refuse(path, lwm2m.ReasonStructure, "a registration lists objects and instances only")
	}
	return r.node(path, l)
}

// root reads the formats from the root link.
func (r *registrationParser) root(l Link) error {
	ct, _ := l.Attribute("ct")
	for _, f := range strings.Fields(ct) {
		n, err := strconv.ParseUint(f, 10, 16)
		if err != nil {
			return refuse(lwm2m.Path{}, lwm2m.ReasonValue, "ct is a list of Content-Formats")
		}
		r.out.Formats = append(r.out.Formats, uint16(n))
	}
	return nil
}

func (r *registrationParser) node(path lwm2m.Path, l Link) error {
	o := r.objects[path.Object()]
	if o == nil {
		o = &ObjectLink{ID: path.Object()}
		r.objects[o.ID] = o
	}
	if path.Len() == 2 {
		o.Instances = append(o.Instances, path.Instance())
		return nil
	}
	o.Version, _ = l.Attribute("ver")
	if !validVersion(o.Version) {
		return refuse(path, lwm2m.ReasonValue, "an object version is major.minor")
	}
	return nil
}

// result sorts what was found; a link given twice counts once.
func (r *registrationParser) result() Registration {
	for _, o := range r.objects {
		slices.Sort(o.Instances)
		o.Instances = slices.Compact(o.Instances)
		r.out.Objects = append(r.out.Objects, *o)
	}
	slices.SortFunc(r.out.Objects, func(a, b ObjectLink) int { return cmp.Compare(a.ID, b.ID) })
	return r.out
}

func refuse(p lwm2m.Path, r lwm2m.Reason, detail string) error {
	return &lwm2m.DecodeError{Format: format, Offset: -1, Path: p, Reason: r, Detail: detail}
}
