package configfile

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/holdfast-iot/holdfast"
)

// list is the value of a key that takes a list: in a file as YAML has it, elsewhere as a
// text of YAML.
type list struct {
	key     string
	setting Setting
	items   []ast.Node
	places  map[string]string // where the parts stand, by their keys: "objects[0].path"
	faults  []holdfast.Fault
}

// listKey is a key that takes a list, of which items finds the items.
func listKey(path string, items func(ast.Node) ([]ast.Node, string), take func(f *File, l *list), value func(f *File) any) key {
	read := func(f *File, s Setting) *list {
		l := newList(path, s, items)
		if len(l.faults) == 0 {
			take(f, l)
		}
		return l
	}
	return key{path: path, read: read, value: value, set: func(f *File, text string) string {
		if l := read(f, Setting{Key: path, Text: text}); len(l.faults) > 0 {
			return l.faults[0].Problem
		}
		return ""
	}}
}

// isList reports whether a key takes a list.
func isList(path string) bool {
	for _, k := range allKeys() {
		if k.path == path {
			return k.read != nil
		}
	}
	return false
}

func newList(key string, s Setting, itemsOf func(ast.Node) ([]ast.Node, string)) *list {
	l := &list{key: key, setting: s, places: map[string]string{}}
	node := s.node
	if node == nil {
		var problem string
		if node, problem = textNode(s.Text); problem != "" {
			l.fault(key, problem, nil)
			return l
		}
	}
	items, problem := itemsOf(node)
	if problem != "" {
		l.fault(key, problem, node)
	}
	l.items = items
	return l
}

// textNode parses a list that does not stand in a file.
func textNode(text string) (ast.Node, string) {
	const problem = "is not a list: write [a, b], as in a configuration file"
	if len(text) > maxSize || strings.Count(text, "[")+strings.Count(text, "{") > maxBrackets {
		return nil, "is too long: write it into a configuration file"
	}
	file, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil || len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, problem
	}
	return file.Docs[0].Body, ""
}

// itemsOf returns the items of a list.
func itemsOf(node ast.Node) ([]ast.Node, string) {
	if n, is := node.(*ast.SequenceNode); is {
		return n.Values, ""
	}
	problem, _ := notation(node)
	return nil, cmp.Or(problem, "takes a list: [a, b]")
}

// wordsOf returns the items of a list of texts. One word is a list of one.
func wordsOf(node ast.Node) ([]ast.Node, string) {
	items, problem := itemsOf(node)
	if problem == "" {
		return items, ""
	}
	if text, wrong := scalar(node); wrong != "" || text == "" || strings.ContainsAny(text, " \t\r\n") {
		return nil, cmp.Or(problem, "takes a list: [a, b]")
	}
	return []ast.Node{node}, ""
}

// fault notes what is wrong with a part of the list.
func (l *list) fault(key, problem string, at ast.Node) {
	l.faults = append(l.faults, holdfast.Fault{Key: key, Problem: problem, Source: l.place(at)})
}

// place says where a part stands: in a file the line, else where all of it comes from.
func (l *list) place(n ast.Node) string {
	if l.setting.node == nil || n == nil {
		return l.setting.Source
	}
	r := reader{name: l.setting.file}
	return r.position(n)
}

// texts returns the items as texts, none of them empty.
func (l *list) texts() []string {
	var all []string
	for i, item := range l.items {
		text, problem := scalar(item)
		if problem == "" && text == "" {
			problem = "is empty"
		}
		if problem != "" {
			l.fault(fmt.Sprintf("%s[%d]", l.key, i), problem, item)
		}
		all = append(all, text)
	}
	return all
}

// textsKey is a key that takes a list of texts. finish puts them in place.
func textsKey(path string, field func(*File) *[]string, finish func(folder string, texts []string)) key {
	return listKey(path, wordsOf, func(f *File, l *list) {
		texts := l.texts()
		finish(l.setting.folder, texts)
		*field(f) = texts
	}, func(f *File) any { return fmt.Sprintf("%q", *field(f)) })
}

// pathsFrom puts all paths in place.
func pathsFrom(folder string, paths []string) {
	for i := range paths {
		paths[i] = pathFrom(folder, paths[i])
	}
}

// commandFrom puts the path of a program in place. A mere name is looked up when it is
// run, as a shell does; the arguments are the program's own matter. What was a path stays one,
// also in the working directory: as a mere name it would be another program, or none.
func commandFrom(folder string, argv []string) {
	if len(argv) == 0 || !strings.ContainsRune(argv[0], '/') {
		return
	}
	if argv[0] = pathFrom(folder, argv[0]); filepath.Base(argv[0]) == argv[0] {
		argv[0] = "." + string(filepath.Separator) + argv[0]
	}
}
