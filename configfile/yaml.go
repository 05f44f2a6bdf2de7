package configfile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/holdfast-iot/holdfast"
)

// document is what a configuration file says, before anything is understood.
//
// The file is read from its syntax tree and not by decoding into a struct, for
// three reasons: every fault is found and not just the first; a key of digits
// (psk_key: 00112233) stays the text that was written and never becomes a
// number; and the environment can share the meaning of every value.
type document struct {
	wellFormed bool // it is YAML: what it does not set is really missing
	settings   []Setting
	folder     string   // that relative paths start from; empty: the working directory
	sections   []string // those of them that are there, even if empty
}

// maxBrackets bounds the work of the parser, whose time grows with the
// square of how deeply lists are nested: half a minute for 64 KiB of brackets.
const maxBrackets = 1024

// parse reads the YAML of a configuration. name is the file's, for the
// source of each setting.
func parse(data []byte, name string) (document, []holdfast.Fault) {
	switch {
	case !utf8.Valid(data):
		return document{}, []holdfast.Fault{{Problem: "the file is not UTF-8", Source: name}}
	case bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > maxBrackets:
		return document{}, []holdfast.Fault{{Problem: "the file has more than 1024 opening brackets", Source: name}}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return document{}, []holdfast.Fault{syntaxFault(err, name)}
	}
	r := &reader{name: name, keys: Keys(), seen: map[string]bool{}}
	r.documents(file.Docs)
	return r.file, r.faults
}

// syntaxFault keeps the parser's message but not its excerpt of the file,
// which may show a key.
func syntaxFault(err error, name string) holdfast.Fault {
	f := holdfast.Fault{Problem: "the file is not YAML", Source: name}
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		f.Problem = "the file is not YAML: " + strings.ReplaceAll(syntax.GetMessage(), "\t", `\t`)
		if t := syntax.GetToken(); t != nil && t.Position != nil {
			f.Source = positionIn(name, t.Position.Line, t.Position.Column)
		}
	}
	return f
}

func positionIn(name string, line, column int) string {
	return fmt.Sprintf("%s:%d:%d", name, line, column)
}

// reader walks the syntax tree of one file.
type reader struct {
	name   string
	keys   []string
	seen   map[string]bool
	file   document
	faults []holdfast.Fault
}

func (r *reader) fault(key, problem string, at ast.Node) {
	r.faults = append(r.faults, holdfast.Fault{Key: key, Problem: problem, Source: r.position(at)})
}

func (r *reader) position(n ast.Node) string {
	if n == nil {
		return r.name
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return r.name
	}
	return positionIn(r.name, t.Position.Line, t.Position.Column)
}

func (r *reader) documents(docs []*ast.DocumentNode) {
	docs = slices.DeleteFunc(slices.Clone(docs), isDirective)
	if len(docs) > 1 {
		r.fault("", "the file holds more than one YAML document", docs[1].Body)
		return
	}
	r.file.wellFormed = true
	if len(docs) == 0 {
		return
	}
	r.body(docs[0].Body)
}

// isDirective reports what the parser has for a document and is none: %YAML, which
// means nothing here, and %TAG, which means nothing without the tags.
func isDirective(doc *ast.DocumentNode) bool {
	_, directive := doc.Body.(*ast.DirectiveNode)
	return directive
}

// body reads what stands at the top of the file.
func (r *reader) body(body ast.Node) {
	switch body := body.(type) {
	case nil, *ast.CommentGroupNode, *ast.NullNode:
	case ast.MapNode:
		r.mapping("", body)
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		problem, inner := notation(body)
		r.fault("", "the file "+problem, body)
		r.file.wellFormed = inner != nil
		r.body(inner)
	default:
		r.file.wellFormed = false
		r.fault("", "the file is not a list of keys and values", body)
	}
}

// mapping reads the keys of the file, or of one section.
func (r *reader) mapping(prefix string, node ast.MapNode) {
	for it := node.MapRange(); it.Next(); {
		if name, plain := it.Key().(*ast.StringNode); plain {
			r.key(prefix, name, it.Value())
		} else {
			r.strangeKey(prefix, it.Key())
		}
	}
}

// strangeKey reports a key that is more, or less, than a name.
func (r *reader) strangeKey(prefix string, key ast.Node) {
	if _, merge := key.(*ast.MergeKeyNode); merge {
		r.fault(prefix+"<<", "is a merge key: write out the keys that it brings in", key)
		return
	}
	name := "?"
	problem, inner := notation(key)
	if text, plain := inner.(*ast.StringNode); plain {
		name = printableKey(text.Value)
	}
	if problem == "" {
		problem = "is not a plain key"
	}
	r.fault(prefix+name, problem, key)
}

// notation says which notation of YAML that means nothing in a configuration a node
// has, if any, and returns what stands behind it.
func notation(n ast.Node) (problem string, inner ast.Node) {
	switch n := n.(type) {
	case *ast.AnchorNode:
		return "has an anchor (&): remove it; a value that begins with & takes quotes", n.Value
	case *ast.AliasNode:
		return "is an alias (*): write out what it stands for; a value that begins with * takes quotes", nil
	case *ast.TagNode:
		return "has a tag (!): remove it; a value that begins with ! takes quotes", n.Value
	}
	return "", nil
}

// key reads one key with its value, which may be a section.
func (r *reader) key(prefix string, at *ast.StringNode, value ast.Node) {
	path := prefix + at.Value
	section := slices.ContainsFunc(r.keys, func(k string) bool { return strings.HasPrefix(k, path+".") })
	switch {
	case !section && !slices.Contains(r.keys, path):
		r.unknown(prefix, at)
	case r.seen[path]:
		r.fault(path, "stands here a second time", at)
	case section:
		r.seen[path] = true
		r.section(path, value)
	case isList(path):
		r.seen[path] = true
		r.list(path, value)
	default:
		r.seen[path] = true
		r.leaf(path, value)
	}
}

// unknown reports a key that is none. One that cannot be repeated is not compared
// with others either.
func (r *reader) unknown(prefix string, at *ast.StringNode) {
	path := prefix + printableKey(at.Value)
	problem := "is not a key of the configuration"
	if path == prefix+at.Value {
		problem = unknownKey(path)
	}
	r.fault(path, problem, at)
}

// maxKey bounds how much of an unknown key a fault repeats.
const maxKey = 40

// printableKey replaces an unknown key that does not look like one: with a
// blank forgotten, a key and its secret value are one word.
func printableKey(name string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	if len(name) > maxKey || strings.Trim(name, letters) != "" {
		return "?"
	}
	return name
}

func (r *reader) section(path string, value ast.Node) {
	switch v := value.(type) {
	case nil, *ast.NullNode: // all of it is commented out
	case ast.MapNode:
		if slices.Contains(sections, path) {
			r.file.sections = append(r.file.sections, path)
		}
		r.mapping(path+".", v)
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		problem, inner := notation(v)
		r.fault(path, problem, v)
		r.section(path, inner)
	default:
		r.fault(path, "is a section: its keys belong below it, indented", value)
	}
}

func (r *reader) leaf(path string, value ast.Node) {
	text, problem := scalar(value)
	if problem != "" {
		r.fault(path, problem, value)
		return
	}
	r.file.settings = append(r.file.settings, Setting{Key: path, Text: text, Source: r.position(value)})
}

// list takes a list as it is: what it means is for its key to say.
func (r *reader) list(path string, value ast.Node) {
	switch value.(type) {
	case nil, *ast.NullNode: // all of it is commented out
	default:
		r.file.settings = append(r.file.settings, Setting{Key: path, Source: r.position(value), node: value, file: r.name})
	}
}

// scalar returns a value as it was written. No value is the empty text.
func scalar(value ast.Node) (text, problem string) {
	switch v := value.(type) {
	case nil, *ast.NullNode:
		return "", ""
	case *ast.StringNode:
		return v.Value, ""
	case *ast.LiteralNode:
		return strings.TrimSpace(v.Value.Value), ""
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return v.GetToken().Value, ""
	case ast.MapNode:
		return "", "takes a value, not keys of its own"
	case *ast.SequenceNode:
		return "", "takes one value, not a list"
	}
	problem, _ = notation(value)
	return "", cmp.Or(problem, "takes a plain value")
}
