package configfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// Resource is one entry of the key objects: a resource, or an instance of one, that
// management servers see. It has a value of its own, or that of a file or a command.
type Resource struct {
	Path string // "/3303/0/5700", or of four segments
	// Type is that of the value. Without one it is that of the definition (see
	// [File.Definitions]), else that which the OMA has registered for the ID of the
	// resource, if that is one of the reusable ones; else what Looks says, Float for what is
	// scaled, and String for other files and commands.
	Type  lwm2m.Kind
	Units string // "Cel"; may be empty

	Value string // as it is written
	// Looks is what Value looks like: Float, Boolean or String; KindNone where there is none.
	Looks    lwm2m.Kind
	Writable bool // servers can write it; it is kept in memory

	File    string   // that holds the value
	Command []string // that prints the value
	// Scale and Offset make the value of the number that is read: number * Scale +
	// Offset. A Scale of 0 is 1.
	Scale, Offset float64
	// Every is how often the value is read while a server observes it; see
	// [DefaultFileEvery] and [DefaultCommandEvery].
	Every time.Duration
}

// The defaults of [Resource.Every].
const (
	DefaultFileEvery    = time.Second
	DefaultCommandEvery = 10 * time.Second
)

// Bounds of Resource.Every.
const (
	leastEvery = 100 * time.Millisecond
	mostEvery  = 24 * time.Hour
)

// field is a key of an entry.
type field struct {
	name string
	// set returns what is wrong with the text, or "".
	set func(r *Resource, text string) string
}

// The keys of an entry that have a meaning beside that of their text.
const (
	fieldPath     = "path"
	fieldValue    = "value"
	fieldType     = "type"
	fieldWritable = "writable"
	fieldFile     = "file"
	fieldCommand  = "command"
	fieldScale    = "scale"
	fieldOffset   = "offset"
)

func fields() []field {
	return []field{
		{fieldPath, setPath}, {fieldValue, setValue}, {fieldFile, setFile}, {fieldCommand, nil}, {fieldType, setType},
		{"units", func(r *Resource, text string) string { r.Units = text; return "" }},
		{fieldWritable, setWritable},
		{fieldScale, func(r *Resource, text string) string {
			return setFloat(&r.Scale, text, "is not a number other than 0, such as 0.001")
		}},
		{fieldOffset, setOffset}, {"every", setEvery},
	}
}

// fieldNames are the keys of an entry.
func fieldNames() (names []string) {
	for _, f := range fields() {
		names = append(names, f.name)
	}
	return names
}

// takeObjects reads the entries of objects.
func takeObjects(f *File, l *list) {
	f.Objects = nil
	for i, item := range l.items {
		e := &entry{list: l, key: fmt.Sprintf("%s[%d]", l.key, i)}
		l.places[e.key] = l.place(item)
		if m, is := item.(ast.MapNode); is {
			e.read(m)
			e.complete(item)
		} else {
			l.fault(e.key, "is not an entry: write {path: /3303/0/5700, value: 21.5}", item)
		}
		f.Objects = append(f.Objects, e.resource)
	}
}

// entry is one of objects as it is read.
type entry struct {
	*list
	key      string
	resource Resource
	misspelt bool // a key is, so that the one that it stands for is missing
}

func (e *entry) read(m ast.MapNode) {
	for it := m.MapRange(); it.Next(); {
		name, plain := it.Key().(*ast.StringNode)
		if !plain {
			e.fault(e.key+".?", "is not a plain key", it.Key())
			continue
		}
		e.field(name, it.Value())
	}
}

func (e *entry) field(name *ast.StringNode, value ast.Node) {
	key := e.key + "." + printableKey(name.Value)
	at := slices.IndexFunc(fields(), func(f field) bool { return f.name == name.Value })
	switch {
	case at < 0:
		meant := didYouMean(name.Value, fieldNames())
		e.misspelt = e.misspelt || meant != ""
		e.fault(key, "is not a key of an entry of objects"+meant, name)
	case e.has(name.Value):
		e.fault(key, "stands here a second time", name)
	default:
		e.places[key] = e.place(value)
		if problem := e.set(fields()[at], value); problem != "" {
			e.fault(key, problem, value)
		}
	}
}

// has reports whether a key of the entry is there.
func (e *entry) has(name string) bool {
	_, found := e.places[e.key+"."+name]
	return found
}

func (e *entry) set(f field, value ast.Node) (problem string) {
	if f.name == fieldCommand {
		return e.command(value)
	}
	text, problem := scalar(value)
	if problem != "" {
		return problem
	}
	if f.name == fieldValue {
		e.resource.Looks = looksOf(value)
	}
	if problem = f.set(&e.resource, text); problem == "" && f.name == fieldFile {
		e.resource.File = pathFrom(e.setting.folder, text)
	}
	return problem
}

func (e *entry) command(value ast.Node) string {
	items, problem := wordsOf(value)
	if problem != "" || len(items) == 0 {
		return "takes a list: [/usr/local/bin/read-sensor, argument]. There is no shell"
	}
	words := &list{key: e.key + "." + fieldCommand, setting: e.setting, items: items}
	argv := words.texts()
	e.faults = append(e.faults, words.faults...)
	commandFrom(e.setting.folder, argv)
	e.resource.Command = argv
	return ""
}

// looksOf is what a value looks like as it is written.
func looksOf(value ast.Node) lwm2m.Kind {
	switch value.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return lwm2m.KindFloat
	case *ast.BoolNode:
		return lwm2m.KindBoolean
	}
	return lwm2m.KindString
}

// complete reports what is missing in an entry, and what contradicts another part.
func (e *entry) complete(m ast.Node) {
	if !e.has(fieldPath) && !e.misspelt {
		e.fault(e.key, "has no path: give that of a resource, such as path: /3303/0/5700", m)
	}
	var from []string
	for _, name := range []string{fieldValue, fieldFile, fieldCommand} {
		if e.has(name) {
			from = append(from, name)
		}
	}
	switch {
	case len(from) == 0 && e.misspelt:
	case len(from) == 0:
		e.fault(e.key, "has none of value, file and command: give one", m)
	case len(from) > 1:
		e.contradiction(from[1], "stands beside "+from[0]+": give one of value, file and command")
	case from[0] == fieldValue:
		for _, name := range []string{fieldScale, fieldOffset, "every"} {
			e.contradiction(name, "is for a file or a command: leave it out beside value")
		}
	default:
		e.contradiction(fieldWritable, "is for a value: what a file or a command says cannot be written")
	}
}

// contradiction is a fault of a key, if it is there.
func (e *entry) contradiction(name, problem string) {
	if key := e.key + "." + name; e.has(name) {
		e.faults = append(e.faults, fault(key, problem, e.places[key]))
	}
}

func setPath(r *Resource, text string) string {
	path, err := lwm2m.ParsePath(text)
	r.Path = path.String()
	switch {
	case err != nil || path.Len() < 3:
		return "is not the path of a resource, such as /3303/0/5700"
	case path.Object() == objects.Device:
		return "is in object 3, which is filled by the keys of device and by the machine"
	case slices.Contains([]uint16{objects.Security, objects.Server, objects.AccessControl, objects.OSCORE, cose}, path.Object()):
		return "is in object " + strconv.Itoa(int(path.Object())) + ", which is the client's own: use another"
	}
	return ""
}

// cose is the ID of the object COSE, which has keys, as OSCORE has.
const cose = 23

func setValue(r *Resource, text string) string {
	r.Value = text
	return ""
}

func setFile(_ *Resource, text string) string {
	if text == "" {
		return "is empty: name a file"
	}
	return ""
}

// types are the names of the types, in the order in which they are told.
var types = []struct {
	name string
	kind lwm2m.Kind
}{
	{"string", lwm2m.KindString}, {"integer", lwm2m.KindInteger}, {"unsigned", lwm2m.KindUnsigned}, {"float", lwm2m.KindFloat},
	{"boolean", lwm2m.KindBoolean}, {"opaque", lwm2m.KindOpaque}, {"time", lwm2m.KindTime}, {"objlnk", lwm2m.KindObjectLink},
	{"corelnk", lwm2m.KindCoreLink},
}

func setType(r *Resource, text string) string {
	var names []string
	for _, t := range types {
		if t.name == text {
			r.Type = t.kind
			return ""
		}
		names = append(names, t.name)
	}
	return "is none of " + strings.Join(names, ", ")
}

func setWritable(r *Resource, text string) string {
	r.Writable = text == "true"
	if text != "true" && text != "false" {
		return "is neither true nor false"
	}
	return ""
}

// setFloat sets a number that is not 0.
func setFloat(field *float64, text, problem string) string {
	v, ok := lwm2m.ParseValue(lwm2m.KindFloat, text)
	*field = v.Float64()
	if !ok || *field == 0 {
		return problem
	}
	return ""
}

func setOffset(r *Resource, text string) string {
	v, ok := lwm2m.ParseValue(lwm2m.KindFloat, text)
	r.Offset = v.Float64()
	if !ok {
		return "is not a number, such as -273.15"
	}
	return ""
}

func setEvery(r *Resource, text string) string {
	every, err := time.ParseDuration(text)
	r.Every = every
	if err != nil || every < leastEvery || every > mostEvery {
		return "is not a duration from 100ms to 24h"
	}
	return ""
}
