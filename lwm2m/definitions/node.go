package definitions

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of one file. The largest definition of the registry has 34 kB.
const (
	maxBytes = 1 << 20
	maxDepth = 8 // the schema has 5
	maxNodes = 100_000
)

// node is one element with its text.
type node struct {
	name     string
	line     int
	id       string // the attribute ID, or ObjectType
	text     string
	children []*node
}

// reader builds nodes, and collects what is wrong.
type reader struct {
	file    string
	decoder *xml.Decoder
	nodes   int
	faults  Faults
	remarks []*Fault
}

// fault notes what keeps a definition from being used.
func (r *reader) fault(line int, element, format string, args ...any) {
	r.faults = append(r.faults, &Fault{r.file, line, element, fmt.Sprintf(format, args...)})
}

// remark notes what is left out.
func (r *reader) remark(line int, element, format string, args ...any) {
	r.remarks = append(r.remarks, &Fault{r.file, line, element, fmt.Sprintf(format, args...)})
}

// document reads the root element; nil when there is none that can be used.
func (r *reader) document(source io.Reader) *node {
	text, err := io.ReadAll(io.LimitReader(source, maxBytes+1))
	switch {
	case err != nil:
		r.fault(0, "", "cannot be read: %v", err)
		return nil
	case len(text) > maxBytes:
		r.fault(0, "", "has more than %d bytes, which no definition has; check that it is the right file", maxBytes)
		return nil
	case !utf8.Valid(text):
		r.fault(1+bytes.Count(text[:invalid(text)], []byte{'\n'}), "", "is not UTF-8, but another encoding, such as UTF-16 or ISO 8859-1; save it as UTF-8")
		return nil
	}
	r.decoder = xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	r.decoder.CharsetReader = charset
	root := &node{}
	if !r.content(root, 0) {
		return nil
	}
	switch len(root.children) {
	case 0:
		r.fault(0, "", "has no element LWM2M; check that it is a file of the OMA's registry")
		return nil
	case 1:
		return root.children[0]
	}
	second := root.children[1]
	r.fault(second.line, second.name, "is a second outermost element; a file has one, LWM2M, with all Objects in it")
	return nil
}

// charsetError says that a file declares an encoding that is not read.
type charsetError string

func (e charsetError) Error() string { return "encoding " + string(e) }

// charset reads what is declared to be in another encoding than UTF-8: ASCII is UTF-8 too.
func charset(name string, source io.Reader) (io.Reader, error) {
	if strings.EqualFold(name, "us-ascii") || strings.EqualFold(name, "ascii") {
		return source, nil
	}
	return nil, charsetError(clip(name))
}

// invalid is where text that is not UTF-8 ceases to be.
func invalid(text []byte) (at int) {
	for at < len(text) {
		c, size := utf8.DecodeRune(text[at:])
		if c == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// content reads what is in an element, to its end. It reports whether all of it could
// be read.
func (r *reader) content(parent *node, depth int) bool {
	var text strings.Builder
	for {
		token, err := r.decoder.Token()
		if err == io.EOF && depth == 0 {
			return true
		}
		if err != nil {
			r.syntax(err)
			return false
		}
		switch token := token.(type) {
		case xml.StartElement:
			if !r.element(parent, token, depth+1) {
				return false
			}
		case xml.EndElement:
			parent.text = strings.TrimSpace(text.String())
			return true
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(token)) > 0 {
				r.fault(r.line(), "", "has text outside of its elements; check that it is the right file, and that it is UTF-8")
				return false
			}
			text.Write(token)
		case xml.Directive:
			r.fault(r.line(), "", "has a document type, which definitions have not; take it out")
			return false
		}
	}
}

func (r *reader) element(parent *node, start xml.StartElement, depth int) bool {
	n := &node{name: start.Name.Local, line: r.line()}
	for _, a := range start.Attr {
		if a.Name.Local == "ID" || a.Name.Local == "ObjectType" {
			n.id = strings.TrimSpace(a.Value)
		}
	}
	parent.children = append(parent.children, n)
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		r.fault(n.line, n.name, "is too much or too deep for a definition; check that it is a file of the OMA's registry")
		return false
	}
	return r.content(n, depth)
}

func (r *reader) line() int {
	line, _ := r.decoder.InputPos()
	return line
}

// syntax notes an error of the decoder.
func (r *reader) syntax(err error) {
	var s *xml.SyntaxError
	var encoding charsetError
	switch {
	case errors.As(err, &encoding):
		r.fault(r.line(), "", "is declared to be in the encoding %q; save it as UTF-8, and say so in its first line", string(encoding))
	case errors.As(err, &s):
		r.fault(s.Line, "", "is no well-formed XML: %s; correct it, or fetch the file again", s.Msg)
	default:
		r.fault(r.line(), "", "cannot be read as XML: %v; correct it, or fetch the file again", err)
	}
}
