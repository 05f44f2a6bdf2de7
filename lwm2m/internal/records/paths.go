package records

import (
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// Paths returns the paths that records without values name: those of a Read-Composite
// or Observe-Composite (section 6.3.8), in order of appearance, each once. One that lies
// below another stays. The error is a [*lwm2m.DecodeError].
func (p Pack) Paths(records []Record) ([]lwm2m.Path, error) {
	var (
		base cursor
		out  []lwm2m.Path
		seen = make(map[lwm2m.Path]struct{}, len(records))
	)
	for i := range records {
		base.next(&records[i])
		path, named, f := base.wanted(&records[i])
		if f != strict.None {
			return nil, p.Fail(i, path, f)
		}
		if _, again := seen[path]; named && !again {
			seen[path] = struct{}{}
			out = append(out, path)
		}
	}
	if len(out) == 0 {
		return nil, p.Fail(-1, lwm2m.Path{}, strict.Refuse(lwm2m.ReasonStructure, "no path"))
	}
	return out, nil
}

// wanted is the path that a record of a path list names; a record that has only a
// base name which ends in a slash, or only a time, names none.
func (c *cursor) wanted(rec *Record) (path lwm2m.Path, named bool, f strict.Fault) {
	if rec.valued() {
		return path, false, strict.Refuse(lwm2m.ReasonStructure, "a path list has no values")
	}
	if !rec.Named && (rec.BaseName == nil || strings.HasSuffix(c.name, "/") || c.name == "") {
		return path, false, strict.None
	}
	path, f = c.path(rec)
	return path, true, f
}
