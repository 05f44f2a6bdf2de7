package console

import (
	"fmt"
	"slices"
	"strings"
)

// command is one that can be typed.
type command struct {
	name     string
	operands string // as the usage shows them
	does     string
	more     []string // further lines of help
	operand  []operand
	prepare  func(c *Console, words []string) (job, error)
}

// operand says how a word of a command is completed.
type operand uint8

// The operands of commands. The last of a command stands for all that follow.
const (
	freely     operand = iota // not at all
	clientName                // may be left out before a path
	pathName
	attributeName
	formatWord
	commandName
)

func (cmd command) usage() string { return joined(" ", cmd.name, cmd.operands) }

// commandTable lists the commands in the order of help. It is a function, as help lists them.
func commandTable() []command {
	return append(append(readingCommands(), writingCommands()...), otherCommands()...)
}

func readingCommands() []command {
	return []command{
		{"clients", "", "who is registered", []string{
			"CLIENT is the endpoint name of one of them. It may be abbreviated, and left out when there is only one client. A name with",
			"blanks stands in double quotes.",
		}, nil, (*Console).clients},
		{"discover", "[CLIENT] PATH", "what is at and below a path, and with which attributes", nil,
			[]operand{clientName, pathName, freely}, (*Console).discover},
		{"read", "[CLIENT] PATH [FORMAT]", "values", []string{
			"FORMAT is text, opaque, cbor, tlv, json, senml-json, senml-cbor or a number; without it, one that the client announces.",
		}, []operand{clientName, pathName, formatWord, freely}, (*Console).read},
		{"observe", "[CLIENT] PATH [NAME=VALUE ...]", "values, and each change of them from now on", []string{
			"Attributes such as pmin=5 are written first, see attr. Notifications end with cancel, or with the registration.",
		}, []operand{clientName, pathName, attributeName}, (*Console).observe},
		{"cancel", "[CLIENT] PATH", "ends an observation; of observe-composite, PATH is all of its paths", nil,
			[]operand{clientName, pathName}, (*Console).cancelObservation},
		{"read-composite", "[CLIENT] PATH ...", "values of any objects in one answer", nil,
			[]operand{clientName, pathName}, (*Console).readComposite},
		{"observe-composite", "[CLIENT] PATH ...", "the same, and each change from now on", nil,
			[]operand{clientName, pathName}, (*Console).observeComposite},
	}
}

func writingCommands() []command {
	return []command{
		{"write", "[CLIENT] PATH (VALUE | NUMBER=VALUE ...)", "a value, or several of an instance or of a multiple resource", writeHelp,
			[]operand{clientName, pathName, freely}, (*Console).write},
		{"replace", "[CLIENT] PATH NUMBER=VALUE ...", "the same, and removes what is not mentioned", nil,
			[]operand{clientName, pathName, freely}, (*Console).replace},
		{"write-composite", "[CLIENT] PATH=VALUE ...", "values of any objects, all of them or none", valueHelp,
			[]operand{clientName, pathName}, (*Console).writeComposite},
		{"attr", "[CLIENT] PATH NAME=VALUE ...", "sets attributes of notifications; NAME alone unsets one", []string{
			"NAME is one of " + strings.Join(attributes, ", ") + ".",
		}, []operand{clientName, pathName, attributeName}, (*Console).writeAttributes},
		{"exec", "[CLIENT] PATH [ARGUMENTS]", "executes a resource; arguments are written as 0='10',2", nil,
			[]operand{clientName, pathName, freely}, (*Console).execute},
		{"create", "[CLIENT] PATH [ID] NUMBER=VALUE ...", "an instance of an object; without ID the client chooses it", valueHelp,
			[]operand{clientName, pathName, freely}, (*Console).create},
		{"delete", "[CLIENT] PATH", "an instance", nil,
			[]operand{clientName, pathName, freely}, (*Console).deleteInstance},
	}
}

func otherCommands() []command {
	return []command{
		{"update", "[CLIENT]", "has the client send an Update", nil, []operand{clientName, freely}, (*Console).triggerUpdate},
		{"bootstrap", "[CLIENT]", "has the client bootstrap again", nil, []operand{clientName, freely}, (*Console).triggerBootstrap},
		{"help", "[COMMAND]", "this, or more about a command", nil, []operand{commandName, freely}, (*Console).help},
		{"quit", "", "ends the server once the commands before it are answered", nil, nil, (*Console).leave},
	}
}

var valueHelp = []string{
	"VALUE has the type that the resource is defined with. Where no definition is known, a number, true and false are taken for",
	"what they look like, and everything else for text; a prefix says what it is: text:, int:, uint:, float:, bool:, time:, link:,",
	"hex: or base64:. A value with blanks stands in double quotes. NUMBER is a resource of an instance (5700=21), or an instance",
	"of a multiple resource (0=21).",
}

var writeHelp = append(slices.Clone(valueHelp), "file:NAME as the one value of a resource that is opaque, or not known here, writes the content of a file: a firmware package, say.")

// attributes are those of LwM2M Core section 5.1.2.
var attributes = []string{"pmin", "pmax", "gt", "lt", "st", "epmin", "epmax", "edge", "con", "hqmax"}

// Commands returns the names of all commands.
func Commands() (names []string) {
	for _, cmd := range commandTable() {
		names = append(names, cmd.name)
	}
	return names
}

func noSuchCommand(name string) error {
	return fmt.Errorf("%q is not a command: help lists them", brief(name))
}

func find(name string) (command, bool) {
	for _, cmd := range commandTable() {
		if cmd.name == name {
			return cmd, true
		}
	}
	return command{}, false
}

// described is a command in the JSON form of help.
type described struct {
	Command string `json:"command"`
	Usage   string `json:"usage"`
	Does    string `json:"does"`
}

func (c *Console) help(words []string) (job, error) {
	table := commandTable()
	var more []string
	switch len(words) {
	case 0:
	case 1:
		cmd, found := find(words[0])
		if !found {
			return job{}, noSuchCommand(words[0])
		}
		table, more = []command{cmd}, cmd.more
	default:
		return job{}, errTooMany
	}
	return job{answer: helpAbout(table, more)}, nil
}

func helpAbout(table []command, more []string) Answer {
	var a Answer
	var all []described
	for _, cmd := range table {
		all = append(all, described{cmd.name, cmd.usage(), cmd.does})
		a.rows = append(a.rows, []string{cmd.usage(), cmd.does})
	}
	a.Value = all
	for _, line := range more {
		a.rows = append(a.rows, []string{line})
	}
	return a
}

func (c *Console) leave(words []string) (job, error) {
	if len(words) > 0 {
		return job{}, errTooMany
	}
	c.mu.Lock()
	pending, again := c.pending, c.leaving
	c.leaving = true
	c.mu.Unlock()
	if pending == 0 || again {
		return job{then: c.quit}, nil
	}
	return job{answer: Answer{Detail: fmt.Sprintf("waiting for %s; quit again to end now", answersTo(pending))}}, nil
}

func answersTo(commands int) string {
	if commands == 1 {
		return "the answer to 1 command"
	}
	return fmt.Sprintf("the answers to %d commands", commands)
}
