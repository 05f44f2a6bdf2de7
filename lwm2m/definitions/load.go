package definitions

import (
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Load reads the definitions of one file, most often one. name is what faults call the
// file. remarks are what it has that does not count. The error is [Faults]; then there
// are no definitions.
func Load(name string, source io.Reader) (defs []lwm2m.ObjectDef, remarks []*Fault, err error) {
	defs, remarks, faults := load(name, source)
	if len(faults) > 0 {
		return nil, remarks, faults
	}
	return defs, remarks, nil
}

func load(name string, source io.Reader) (defs []lwm2m.ObjectDef, remarks []*Fault, faults Faults) {
	r := &reader{file: name}
	if root := r.document(source); root != nil {
		defs = r.objects(root)
	}
	if len(r.faults) > 0 {
		defs = nil
	}
	return defs, r.remarks, r.faults
}

func (r *reader) objects(root *node) (defs []lwm2m.ObjectDef) {
	if root.name != "LWM2M" {
		r.fault(root.line, root.name, "is the outermost element, which is LWM2M in a definition; check that it is the right file")
		return nil
	}
	seen := map[uint16]bool{}
	for _, n := range root.children {
		if n.name != "Object" {
			r.fault(n.line, n.name, "is no element of the schema here; LWM2M has Objects only")
			continue
		}
		def, ok := r.object(n)
		if ok && seen[def.ID] {
			r.fault(n.line, fmt.Sprintf("Object %d", def.ID), "is there twice; take one out")
		}
		seen[def.ID] = ok || seen[def.ID]
		defs = append(defs, def)
	}
	if len(root.children) == 0 {
		r.fault(root.line, "LWM2M", "has no Object; check that it is the right file")
	}
	return defs
}

// LoadFS reads the files that match the patterns of [fs.Glob], in their order. A pattern that
// matches nothing is a fault, and so is an object that two files define. A file that
// several patterns match is read once. What is wrong in one file does not keep the others
// from being read: defs has what they define.
func LoadFS(files fs.FS, patterns ...string) (defs []lwm2m.ObjectDef, remarks []*Fault, err error) {
	var faults Faults
	definedBy, read := map[uint16]string{}, map[string]bool{}
	for _, pattern := range patterns {
		names, err := fs.Glob(files, pattern)
		if err != nil || len(names) == 0 {
			faults = append(faults, &Fault{File: pattern, Reason: "matches no file; check the name"})
		}
		for _, name := range names {
			if read[name] {
				continue
			}
			read[name] = true
			some, more, err := loadFile(files, name)
			remarks, faults = append(remarks, more...), append(faults, err...)
			for _, def := range some {
				if other := definedBy[def.ID]; other != "" {
					reason := "is defined by " + other + " too; leave one out"
					faults = append(faults, &Fault{File: name, Element: fmt.Sprintf("Object %d", def.ID), Reason: reason})
					continue
				}
				definedBy[def.ID] = name
				defs = append(defs, def)
			}
		}
	}
	if len(faults) > 0 {
		return defs, remarks, faults
	}
	return defs, remarks, nil
}

func loadFile(files fs.FS, name string) ([]lwm2m.ObjectDef, []*Fault, Faults) {
	file, err := files.Open(name)
	if err != nil {
		return nil, nil, Faults{{File: name, Reason: "cannot be opened: " + strings.TrimPrefix(err.Error(), "open "+name+": ")}}
	}
	defer func() { _ = file.Close() }() // nothing was written
	return load(name, file)
}
