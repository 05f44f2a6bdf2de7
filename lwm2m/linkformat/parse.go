package linkformat

import (
	"strings"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Attribute is one attribute of a link.
type Attribute struct {
	Name  string
	Value string // without quotes and escapes; "" when there is none
}

// Link is one link: its target as written between the angle brackets, and its
// attributes in order.
type Link struct {
	Target     string
	Attributes []Attribute
}

// Attribute finds the first attribute of a name.
func (l Link) Attribute(name string) (string, bool) {
	for _, a := range l.Attributes {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// maxAttributes bounds the attributes of one link.
const maxAttributes = 32

// Parse parses a document of RFC 6690 with the default limits; Limits.Nodes
// counts links. Blanks around separators are tolerated. An empty document has no
// links. The error is a [*lwm2m.DecodeError].
func Parse(data []byte) ([]Link, error) { return ParseLimited(data, lwm2m.Limits{}) }

// ParseLimited is [Parse] with limits of the caller's.
func ParseLimited(data []byte, limits lwm2m.Limits) ([]Link, error) {
	limits = limits.OrDefault()
	p := &parser{in: string(data[:min(len(data), limits.Bytes)])}
	if len(data) > limits.Bytes {
		return nil, p.fail(lwm2m.ReasonLimit, "input too long")
	}
	if !utf8.ValidString(p.in) {
		return nil, p.fail(lwm2m.ReasonSyntax, "not UTF-8")
	}
	if len(p.in) == 0 {
		return nil, nil
	}
	return p.links(limits.Nodes)
}

// parser is a cursor on the document.
type parser struct {
	in string
	at int
}

func (p *parser) fail(r lwm2m.Reason, detail string) error {
	return &lwm2m.DecodeError{Format: format, Offset: p.at, Reason: r, Detail: detail}
}

func (p *parser) links(most int) ([]Link, error) {
	var links []Link
	for {
		if len(links) == most {
			return nil, p.fail(lwm2m.ReasonLimit, "too many links")
		}
		link, err := p.link()
		if err != nil {
			return nil, err
		}
		links = append(links, link)
		if p.at == len(p.in) {
			return links, nil
		}
		if !p.separator(',') {
			return nil, p.fail(lwm2m.ReasonSyntax, "want a comma between links")
		}
	}
}

// separator consumes c and the blanks around it.
func (p *parser) separator(c byte) bool {
	p.blanks()
	if p.at == len(p.in) || p.in[p.at] != c {
		return false
	}
	p.at++
	p.blanks()
	return true
}

func (p *parser) blanks() {
	for p.at < len(p.in) && (p.in[p.at] == ' ' || p.in[p.at] == '\t') {
		p.at++
	}
}

func (p *parser) link() (Link, error) {
	target, found := strings.CutPrefix(p.in[p.at:], "<")
	if !found {
		return Link{}, p.fail(lwm2m.ReasonSyntax, "a link begins with <")
	}
	target, _, found = strings.Cut(target, ">")
	if !found {
		return Link{}, p.fail(lwm2m.ReasonTruncated, "the link's target does not end")
	}
	if strings.ContainsFunc(target, notInTarget) {
		return Link{}, p.fail(lwm2m.ReasonSyntax, "a character that no target has")
	}
	p.at += len(target) + 2
	attributes, err := p.attributes()
	return Link{Target: target, Attributes: attributes}, err
}

func notInTarget(c rune) bool { return c <= ' ' || c == 0x7f || c == '<' || c == '"' }

func (p *parser) attributes() ([]Attribute, error) {
	var attributes []Attribute
	for p.separator(';') {
		if len(attributes) == maxAttributes {
			return nil, p.fail(lwm2m.ReasonLimit, "too many attributes")
		}
		a, err := p.attribute()
		if err != nil {
			return nil, err
		}
		attributes = append(attributes, a)
	}
	return attributes, nil
}

func (p *parser) attribute() (Attribute, error) {
	a := Attribute{Name: p.token(isNameChar)}
	if a.Name == "" {
		return a, p.fail(lwm2m.ReasonSyntax, "want an attribute name")
	}
	if p.at == len(p.in) || p.in[p.at] != '=' {
		return a, nil
	}
	p.at++
	if p.at < len(p.in) && p.in[p.at] == '"' {
		value, err := p.quotedString()
		a.Value = value
		return a, err
	}
	a.Value = p.token(isValueChar)
	if a.Value == "" {
		return a, p.fail(lwm2m.ReasonSyntax, "want an attribute value")
	}
	return a, nil
}

// token consumes the longest run of allowed bytes.
func (p *parser) token(allowed func(byte) bool) string {
	start := p.at
	for p.at < len(p.in) && allowed(p.in[p.at]) {
		p.at++
	}
	return p.in[start:p.at]
}

// isNameChar allows parmname of RFC 5987 and the star of extended attributes.
func isNameChar(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	default:
		return strings.IndexByte("!#$&+-.^_`|~*", c) >= 0
	}
}

// isValueChar allows ptoken of RFC 6690: printable ASCII without the quote, the
// backslash, and the separators of links and attributes.
func isValueChar(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`",;\`, c) < 0
}

// quotedString consumes a quoted-string, which begins at the cursor.
func (p *parser) quotedString() (string, error) {
	var b strings.Builder
	for i := p.at + 1; i < len(p.in); i++ {
		switch c := p.in[i]; {
		case c == '"':
			p.at = i + 1
			return b.String(), nil
		case c == '\\' && i+1 < len(p.in):
			i++
			b.WriteByte(p.in[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", p.fail(lwm2m.ReasonTruncated, "the quoted string does not end")
}
