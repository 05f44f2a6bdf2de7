package console

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Candidate is what the word at the cursor may become.
type Candidate struct {
	Text string // as it is typed
	Name string // what it is called, or ""
	// Open says that the word goes on: no blank follows.
	Open bool
}

// Edit completes the word before the cursor, whose position in the line is in bytes, as
// far as only one thing is possible. When there are several, and nothing could be
// completed, choices are what is possible.
func (c *Console) Edit(line string, cursor int) (newLine string, newCursor int, choices []Candidate) {
	start, candidates := c.Complete(line[:cursor])
	typed := line[start:cursor]
	text := shared(candidates)
	switch {
	case len(candidates) == 0:
		return line, cursor, nil
	case len(candidates) == 1:
		text += candidates[0].follows()
	case !strings.HasPrefix(text, typed) || text == typed:
		return line, cursor, candidates
	}
	return line[:start] + text + line[cursor:], start + len(text), nil
}

// follows is what is typed behind a candidate.
func (a Candidate) follows() string {
	switch {
	case !a.Open:
		return " "
	case strings.HasPrefix(a.Text, "/") && a.Text != "/":
		return "/"
	}
	return ""
}

// shared is the beginning that all candidates have.
func shared(candidates []Candidate) string {
	if len(candidates) == 0 {
		return ""
	}
	text := candidates[0].Text
	for _, c := range candidates[1:] {
		for !strings.HasPrefix(c.Text, text) {
			text = text[:len(text)-1]
		}
	}
	return text
}

// Choices is a table of candidates, for a person.
func Choices(candidates []Candidate) (table []string) {
	rows := make([][]string, min(len(candidates), mostChoices))
	for i := range rows {
		rows[i] = []string{candidates[i].Text, candidates[i].Name}
	}
	table = aligned(rows)
	if more := len(candidates) - len(rows); more > 0 {
		table = append(table, fmt.Sprintf("and %d more", more))
	}
	return table
}

// mostChoices is how many fit on a usual terminal.
const mostChoices = 40

// Complete returns what the last word of the beginning of a line may become, sorted, and
// where in it that word begins. It never waits for anything.
func (c *Console) Complete(begun string) (start int, candidates []Candidate) {
	words, open := cut(begun)
	if open {
		return len(begun), nil
	}
	partial := word{start: len(begun)}
	if n := len(words); n > 0 && !strings.HasSuffix(begun, " ") {
		partial, words = words[n-1], words[:n-1]
	}
	return partial.start, c.candidates(words, partial.text)
}

func (c *Console) candidates(before []word, partial string) []Candidate {
	if len(before) == 0 {
		return commandNames(partial)
	}
	cmd, found := find(before[0].text)
	if !found || len(cmd.operand) == 0 {
		return nil
	}
	at := len(before) - 1
	endpoint, left := c.endpointAmong(cmd, before)
	if left { // the client is left out
		at++
	}
	kind := cmd.operand[min(at, len(cmd.operand)-1)]
	if kind == clientName && strings.HasPrefix(partial, "/") {
		kind = pathName
	}
	return c.ofKind(kind, endpoint, partial)
}

// endpointAmong finds the client that a line is about, and reports whether that is left
// out in it.
func (c *Console) endpointAmong(cmd command, before []word) (endpoint string, left bool) {
	endpoints := c.server.Endpoints()
	if len(before) < 2 || strings.HasPrefix(before[1].text, "/") {
		endpoint, _ = only(endpoints)
		return endpoint, len(before) >= 2 && cmd.operand[0] == clientName
	}
	endpoint, _ = abbreviated(endpoints, before[1].text)
	return endpoint, false
}

func (c *Console) ofKind(kind operand, endpoint, partial string) []Candidate {
	switch kind {
	case clientName:
		return c.clientNames(partial)
	case pathName:
		return c.paths(endpoint, partial)
	case attributeName:
		return matching(attributes, partial, true, "=")
	case formatWord:
		var names []string
		for _, n := range formatNames {
			names = append(names, n.name)
		}
		return matching(names, partial, false, "")
	case commandName:
		return commandNames(partial)
	}
	return nil
}

func matching(names []string, partial string, open bool, suffix string) (all []Candidate) {
	for _, name := range names {
		if strings.HasPrefix(name, partial) {
			all = append(all, Candidate{Text: name + suffix, Open: open})
		}
	}
	slices.SortFunc(all, func(a, b Candidate) int { return strings.Compare(a.Text, b.Text) })
	return all
}

func commandNames(partial string) []Candidate {
	var all []Candidate
	for _, cmd := range commandTable() {
		if strings.HasPrefix(cmd.name, partial) {
			all = append(all, Candidate{Text: cmd.name, Name: cmd.does})
		}
	}
	slices.SortFunc(all, func(a, b Candidate) int { return strings.Compare(a.Text, b.Text) })
	return all
}

// clientNames offers the clients and, when there is one only, a path of it.
func (c *Console) clientNames(partial string) (all []Candidate) {
	for _, e := range c.server.Endpoints() {
		if strings.HasPrefix(e, partial) {
			all = append(all, Candidate{Text: quoted(e)})
		}
	}
	return all
}

// paths offers what continues a path by one number: objects and instances that the
// client has announced, and resources that are defined. The last number may also be
// begun by a name, which the number then takes the place of.
func (c *Console) paths(endpoint, partial string) (all []Candidate) {
	k, ok := c.client(endpoint)
	cutAt := strings.LastIndexByte(partial, '/')
	if !ok || cutAt < 0 {
		return matching([]string{"/"}, partial, true, "")
	}
	parent, err := lwm2m.ParsePath("/" + strings.Trim(partial[:cutAt], "/"))
	if err != nil || parent.Len() == 4 {
		return nil
	}
	for _, path := range c.children(k, parent) {
		last := path.Segments()[parent.Len()]
		name := c.name(path)
		if matches(last, name, partial[cutAt+1:]) {
			all = append(all, Candidate{Text: path.String(), Name: name, Open: path.Len() < 3})
		}
	}
	return all
}

// matches reports whether something typed begins a number, or the name that goes with it.
func matches(number, name, typed string) bool {
	return strings.HasPrefix(number, typed) ||
		len(typed) <= len(name) && strings.EqualFold(name[:len(typed)], typed)
}

// children lists the paths below one that are known, in order.
func (c *Console) children(k client, parent lwm2m.Path) (paths []lwm2m.Path) {
	switch parent.Len() {
	case 0:
		for _, o := range k.list.Objects {
			paths = append(paths, parent.Child(o.ID))
		}
	case 1:
		for _, i := range k.instances(parent.Object()) {
			paths = append(paths, parent.Child(i))
		}
	case 2:
		object, known := c.registry.Object(parent.Object())
		if !known {
			return nil
		}
		for _, def := range object.Resources {
			paths = append(paths, parent.Child(def.ID))
		}
	}
	return paths
}
