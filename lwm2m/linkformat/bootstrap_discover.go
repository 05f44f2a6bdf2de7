package linkformat

import (
	"strconv"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// EncodeBootstrapDiscover encodes the answer to Bootstrap-Discover on the root
// or on an object (section 6.1.7.4): every instance with the short server ID of
// its account and, since LwM2M 1.1, the server URI of Security instances. It
// shows no other value. enabler is the version "1.0", "1.1" or "1.2"; reg gives
// the object versions. Another target, or a version that is not "major.minor",
// is a [*lwm2m.EncodeError].
func EncodeBootstrapDiscover(enabler string, target lwm2m.Path, t *lwm2m.Tree, reg *lwm2m.Registry) ([]byte, error) {
	if target.Len() > 1 {
		return nil, &lwm2m.EncodeError{
			Format: format, Path: target, Reason: lwm2m.ReasonMismatch,
			Detail: "Bootstrap-Discover is for the root and for objects",
		}
	}
	var w writer
	w.enabler(enabler)
	for _, o := range ObjectLinks(t, reg) {
		if !target.Contains(lwm2m.PathOf(o.ID)) {
			continue
		}
		if !validVersion(o.Version) {
			return nil, badVersion(o.ID)
		}
		w.discoverObject(enabler, o, t)
	}
	return w.b, nil
}

// enabler writes the enabler version: a bare attribute in 1.0, which is no link
// of RFC 6690, and a root link since.
func (w *writer) enabler(version string) {
	if version == version10 {
		w.b = append(w.b, `lwm2m="1.0"`...)
		return
	}
	w.link(lwm2m.Path{})
	w.attr("lwm2m", version)
}

// discoverObject lists the object itself in 1.0 always, and since 1.1 only when
// it has a version to announce or no instance.
func (w *writer) discoverObject(enabler string, o ObjectLink, t *lwm2m.Tree) {
	if enabler == version10 || o.Version != "" || len(o.Instances) == 0 {
		w.object(enabler, o)
	}
	for _, id := range o.Instances {
		w.link(lwm2m.PathOf(o.ID, id))
		i, _ := t.Instance(o.ID, id)
		switch o.ID {
		case objects.Security:
			w.security(enabler, i)
		case objects.Server:
			w.shortServerID(i, objects.ServerShortServerID)
		}
	}
}

func (w *writer) security(enabler string, i lwm2m.Instance) {
	if bootstrap, _ := i.Value(objects.SecurityBootstrapServer); !bootstrap.Bool() {
		w.shortServerID(i, objects.SecurityShortServerID)
	}
	uri, found := i.Value(objects.SecurityServerURI)
	if found && enabler != version10 {
		w.quoted("uri", uri.Text())
	}
}

// shortServerID writes the account's ID when it is a usable one.
func (w *writer) shortServerID(i lwm2m.Instance, resource uint16) {
	v, _ := i.Value(resource)
	if id := v.Int(); id > 0 && id < lwm2m.MaxID {
		w.attr("ssid", strconv.FormatInt(id, 10))
	}
}
