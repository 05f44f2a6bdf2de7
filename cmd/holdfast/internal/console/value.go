package console

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// parseValue reads a value as somebody types it: of the type that the definition says,
// or the one that a prefix says, or one that it looks like.
func (c *Console) parseValue(path lwm2m.Path, text string) (lwm2m.Value, error) {
	if def, known := c.resource(path); known && def.Kind != lwm2m.KindNone {
		return parseDefined(def, text)
	}
	if kind, rest, typed := cutType(text); typed {
		return parseKind(kind, rest)
	}
	return guess(text), nil
}

// parseDefined reads a value of a known resource. One that is of another type all the same is sent as
// it is: that the client refuses it may be what is to be seen.
func parseDefined(def lwm2m.ResourceDef, text string) (lwm2m.Value, error) {
	kind, rest, typed := cutType(text)
	textual := def.Kind == lwm2m.KindString || def.Kind == lwm2m.KindCoreLink
	if !typed || textual && kind != lwm2m.KindString {
		kind, rest = def.Kind, text
	}
	v, err := parseKind(kind, rest)
	if err != nil {
		return v, fmt.Errorf("%s is %s: %w", def.Name, article(def.Kind.String()), err)
	}
	return v, nil
}

// guess takes what looks like a number or a boolean for one, and all else for text.
func guess(text string) lwm2m.Value {
	for _, kind := range []lwm2m.Kind{lwm2m.KindInteger, lwm2m.KindUnsigned, lwm2m.KindFloat} {
		if v, ok := lwm2m.ParseValue(kind, text); ok {
			return v
		}
	}
	if text == "true" || text == "false" {
		return lwm2m.Boolean(text == "true")
	}
	return lwm2m.String(text)
}

// prefixes say of what type a value is.
var prefixes = map[string]lwm2m.Kind{
	"text": lwm2m.KindString, "int": lwm2m.KindInteger, "uint": lwm2m.KindUnsigned, "float": lwm2m.KindFloat,
	"bool": lwm2m.KindBoolean, "time": lwm2m.KindTime, "link": lwm2m.KindObjectLink, "corelink": lwm2m.KindCoreLink,
}

// encoded says what follows the prefixes of an Opaque.
var encoded = map[string]string{"hex": "an even number of hexadecimal digits", "base64": "base64"}

// cutType takes off a prefix. Those of an Opaque say how it is written, and stay.
func cutType(text string) (lwm2m.Kind, string, bool) {
	name, rest, found := strings.Cut(text, ":")
	if found && encoded[name] != "" {
		return lwm2m.KindOpaque, text, true
	}
	kind, known := prefixes[name]
	return kind, rest, found && known
}

// parseKind reads a value of one type.
func parseKind(kind lwm2m.Kind, text string) (lwm2m.Value, error) {
	if kind == lwm2m.KindTime && text == "now" {
		return lwm2m.Time(time.Now()), nil
	}
	v, ok := lwm2m.ParseValue(kind, text)
	encoding, rest, _ := strings.Cut(text, ":")
	switch hint := hints[kind]; {
	case ok:
		return v, nil
	case kind == lwm2m.KindOpaque && encoded[encoding] != "":
		return v, fmt.Errorf("%q is not %s", brief(rest), encoded[encoding])
	case hint != "":
		return v, fmt.Errorf("write %s, not %q", hint, brief(text))
	}
	return v, fmt.Errorf("%q is not one", brief(text))
}

// hints say how values are written whose type does not say it.
var hints = map[lwm2m.Kind]string{
	lwm2m.KindBoolean:    "true or false",
	lwm2m.KindOpaque:     "hex:0a1b or base64:Chs=",
	lwm2m.KindTime:       "now, 2026-01-31T12:00:00Z or seconds since 1970",
	lwm2m.KindObjectLink: "an object and an instance, 3303:0",
	lwm2m.KindInteger:    "a whole number of 64 bits at most, such as -5",
	lwm2m.KindUnsigned:   "a whole number of 64 bits at most, such as 5",
	lwm2m.KindFloat:      "a number such as 21.5",
}

func article(noun string) string {
	if strings.ContainsAny(noun[:1], "aeiou") {
		return "an " + noun
	}
	return "a " + noun
}

// assignments reads words such as 5700=21.5, whose numbers are below path.
func (c *Console) assignments(path lwm2m.Path, words []string) ([]lwm2m.Node, error) {
	nodes := map[lwm2m.Path]lwm2m.Node{}
	for _, w := range words {
		at, text, err := assigned(path, w)
		if err != nil {
			return nil, err
		}
		if err := c.assign(nodes, at, text); err != nil {
			return nil, err
		}
	}
	return inOrder(nodes), nil
}

// assigned divides a word such as 5700=21.5, whose number is below path.
func assigned(path lwm2m.Path, w string) (at lwm2m.Path, text string, err error) {
	name, text, found := strings.Cut(w, "=")
	at, err = lwm2m.ParsePath(path.String() + "/" + name)
	if !found || err != nil {
		return at, "", fmt.Errorf("%q: write NUMBER=VALUE, such as %s", brief(w), example(path))
	}
	return at, text, nil
}

// example is an assignment below an instance, or below a resource with several instances.
func example(path lwm2m.Path) string {
	if path.Len() < 3 {
		return "5700=21.5"
	}
	return "0=21.5"
}

func (c *Console) assign(nodes map[lwm2m.Path]lwm2m.Node, path lwm2m.Path, text string) error {
	if _, twice := nodes[path]; twice {
		return fmt.Errorf("%s has two values", path)
	}
	v, err := c.parseValue(path, text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	nodes[path] = lwm2m.Node{Path: path, Value: v}
	return nil
}

func inOrder(nodes map[lwm2m.Path]lwm2m.Node) []lwm2m.Node {
	return slices.SortedFunc(maps.Values(nodes), func(a, b lwm2m.Node) int { return a.Path.Compare(b.Path) })
}
