package records

import (
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// Names splits the paths of one pack into a base name and relative names.
type Names struct {
	Base   string
	target lwm2m.Path
	prefix int  // bytes of a full path that the base name covers
	whole  bool // the base name is that of all nodes
}

// NamesFor picks the base name: the target itself when all nodes are its value, else
// the target as a prefix. The resources of an instance that has no ID yet, whose
// target has [lwm2m.MaxID], are named below their object.
func NamesFor(target lwm2m.Path, nodes []lwm2m.Node) Names {
	base := target.String()
	if len(nodes) > 0 && nodes[0].Path == target {
		return Names{Base: base, target: target, whole: true}
	}
	if target.Len() > 0 {
		base += "/"
	}
	n := Names{Base: base, target: target, prefix: len(base)}
	if target.Len() == 2 && target.Instance() == lwm2m.MaxID {
		n.Base = target.Prefix(1).String() + "/"
	}
	return n
}

// Covers reports whether a node can be named: a resource has a value of its own or
// instances, and the names are made for one of them.
func (n Names) Covers(p lwm2m.Path) bool { return n.whole == (p == n.target) }

// Relative is the name of a node.
func (n Names) Relative(p lwm2m.Path) string {
	if n.whole {
		return ""
	}
	return p.String()[n.prefix:]
}

// Check finds nodes that a pack for target cannot carry. The error is a
// [*lwm2m.EncodeError].
func Check(format string, target lwm2m.Path, nodes []lwm2m.Node) error {
	for _, n := range nodes {
		if f := checkNode(target, n, len(nodes)); f != strict.None {
			return &lwm2m.EncodeError{Format: format, Path: n.Path, Reason: f.Reason, Detail: f.Detail}
		}
	}
	return nil
}

func checkNode(target lwm2m.Path, n lwm2m.Node, count int) strict.Fault {
	switch {
	case n.Path.Len() < 3 || !target.Contains(n.Path):
		return strict.Refuse(lwm2m.ReasonPath, "not a value of the target")
	case target.Len() == 3 && n.Path == target && count > 1:
		return strict.Refuse(lwm2m.ReasonDuplicate, "a single value among others")
	case n.Value.Kind() == lwm2m.KindNone:
		return strict.Refuse(lwm2m.ReasonMismatch, "no value to encode")
	case !utf8.ValidString(n.Value.Text()):
		return strict.Refuse(lwm2m.ReasonMismatch, "text that is not UTF-8")
	}
	return strict.None
}
