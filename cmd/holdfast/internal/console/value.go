package console

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// parseValue reads a value as somebody types it: of the type that the definition says,
// or the one that a prefix says, or one that it looks like.
func (c *Console) parseValue(path lwm2m.Path, text string) (lwm2m.Value, error) {
	if def, known := c.registry.Resource(path); known && def.Kind != lwm2m.KindNone {
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
		if v, err := parseKind(kind, text); err == nil && looksNumeric(text) {
			return v
		}
	}
	if text == "true" || text == "false" {
		return lwm2m.Boolean(text == "true")
	}
	return lwm2m.String(text)
}

// looksNumeric leaves out what Go takes for a float as well: Inf, NaN, 0x1p4.
func looksNumeric(text string) bool { return strings.Trim(text, "+-.eE0123456789") == "" }

// prefixes say of what type a value is.
var prefixes = map[string]lwm2m.Kind{
	"text": lwm2m.KindString, "int": lwm2m.KindInteger, "uint": lwm2m.KindUnsigned, "float": lwm2m.KindFloat,
	"bool": lwm2m.KindBoolean, "time": lwm2m.KindTime, "link": lwm2m.KindObjectLink, "corelink": lwm2m.KindCoreLink,
}

// cutType takes off a prefix. Those of an Opaque say how it is written, and stay.
func cutType(text string) (lwm2m.Kind, string, bool) {
	name, rest, found := strings.Cut(text, ":")
	if found && (name == "hex" || name == "base64") {
		return lwm2m.KindOpaque, text, true
	}
	kind, known := prefixes[name]
	return kind, rest, found && known
}

// parseKind reads a value of one type.
func parseKind(kind lwm2m.Kind, text string) (lwm2m.Value, error) {
	switch kind {
	case lwm2m.KindString:
		return lwm2m.String(text), nil
	case lwm2m.KindCoreLink:
		return lwm2m.CoreLink(text), nil
	case lwm2m.KindBoolean:
		return parseBoolean(text)
	case lwm2m.KindOpaque:
		return parseOpaque(text)
	case lwm2m.KindTime:
		return parseTime(text)
	case lwm2m.KindObjectLink:
		return parseLink(text)
	}
	return parseNumber(kind, text)
}

func parseNumber(kind lwm2m.Kind, text string) (v lwm2m.Value, err error) {
	switch kind {
	case lwm2m.KindInteger:
		var n int64
		n, err = strconv.ParseInt(text, 10, 64)
		v = lwm2m.Integer(n)
	case lwm2m.KindUnsigned:
		var n uint64
		n, err = strconv.ParseUint(text, 10, 64)
		v = lwm2m.Unsigned(n)
	default:
		var f float64
		f, err = strconv.ParseFloat(text, 64)
		v = lwm2m.Float(f)
	}
	if err != nil {
		return v, fmt.Errorf("%q is not one", text)
	}
	return v, nil
}

func parseBoolean(text string) (lwm2m.Value, error) {
	switch text {
	case "true", "1":
		return lwm2m.Boolean(true), nil
	case "false", "0":
		return lwm2m.Boolean(false), nil
	}
	return lwm2m.Value{}, fmt.Errorf("write true or false, not %q", text)
}

func parseOpaque(text string) (lwm2m.Value, error) {
	var data []byte
	var err error
	name, rest, _ := strings.Cut(text, ":")
	switch name {
	case "hex":
		data, err = hex.DecodeString(rest)
	case "base64":
		data, err = base64.StdEncoding.DecodeString(rest)
	default:
		return lwm2m.Value{}, fmt.Errorf("write hex:0a1b or base64:Chs=, not %q", text)
	}
	if err != nil {
		return lwm2m.Value{}, fmt.Errorf("%q is no %s", rest, name)
	}
	return lwm2m.Opaque(data), nil
}

func parseTime(text string) (lwm2m.Value, error) {
	if text == "now" {
		return lwm2m.Time(time.Now()), nil
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return lwm2m.Time(time.Unix(seconds, 0)), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return lwm2m.Value{}, fmt.Errorf("write now, 2026-01-31T12:00:00Z or seconds since 1970, not %q", text)
	}
	return lwm2m.Time(at), nil
}

func parseLink(text string) (lwm2m.Value, error) {
	object, instance, _ := strings.Cut(text, ":")
	first, err := strconv.ParseUint(object, 10, 16)
	second, errInstance := strconv.ParseUint(instance, 10, 16)
	if err != nil || errInstance != nil {
		return lwm2m.Value{}, fmt.Errorf("write an object and an instance, 3303:0, not %q", text)
	}
	return lwm2m.ObjectLink(uint16(first), uint16(second)), nil
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
		name, text, found := strings.Cut(w, "=")
		below, err := lwm2m.ParsePath(path.String() + "/" + name)
		if !found || err != nil {
			return nil, fmt.Errorf("%q: write NUMBER=VALUE, such as 0=5", w)
		}
		if err := c.assign(nodes, below, text); err != nil {
			return nil, err
		}
	}
	return inOrder(nodes), nil
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
