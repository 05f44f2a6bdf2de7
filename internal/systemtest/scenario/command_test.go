package scenario

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// command is one command of a script. A word is an argument without a value;
// every argument has to be taken by whoever carries the command out, so that a
// misspelt one does not go unnoticed.
type command struct {
	t     *testing.T // of the bubble
	at    string     // file and line
	verb  string
	words []string
	args  map[string]string
	lines []string // of input
}

func newCommand(path string, d *datadriven.TestData) *command {
	c := parseWords(d.Cmd, d.CmdArgs)
	c.at = path + strings.TrimPrefix(d.Pos, "<string>")
	if d.Input != "" {
		c.lines = strings.Split(d.Input, "\n")
	}
	return c
}

func parseWords(verb string, args []datadriven.CmdArg) *command {
	c := &command{verb: verb, args: map[string]string{}}
	for _, a := range args {
		if len(a.Vals) == 0 {
			c.words = append(c.words, a.Key)
			continue
		}
		c.args[a.Key] = strings.Join(a.Vals, ",")
	}
	return c
}

func (c *command) fatalf(format string, a ...any) {
	c.t.Helper()
	c.t.Fatalf("%s: %s: %s", c.at, c.verb, fmt.Sprintf(format, a...))
}

// word takes the next word; empty when there is none.
func (c *command) word() (w string) {
	if len(c.words) > 0 {
		w, c.words = c.words[0], c.words[1:]
	}
	return w
}

// has takes a word wherever it stands.
func (c *command) has(word string) bool {
	for i, w := range c.words {
		if w == word {
			c.words = append(c.words[:i:i], c.words[i+1:]...)
			return true
		}
	}
	return false
}

// text takes an argument, or returns the default.
func (c *command) text(key, otherwise string) string {
	v, given := c.args[key]
	if !given {
		return otherwise
	}
	delete(c.args, key)
	return v
}

// given reports whether there is such an argument, without taking it.
func (c *command) given(key string) bool {
	_, given := c.args[key]
	return given
}

func (c *command) duration(key string, otherwise time.Duration) time.Duration {
	if !c.given(key) {
		return otherwise
	}
	return c.parseDuration(c.text(key, ""))
}

func (c *command) parseDuration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		c.fatalf("%v", err)
	}
	return d
}

func (c *command) number(key string, otherwise int) int {
	if !c.given(key) {
		return otherwise
	}
	n, err := strconv.Atoi(c.text(key, ""))
	if err != nil {
		c.fatalf("%v", err)
	}
	return n
}

func (c *command) bytes(key string) []byte {
	b, err := hex.DecodeString(c.text(key, ""))
	if err != nil {
		c.fatalf("%v", err)
	}
	return b
}

// spent demands that everything was taken.
func (c *command) spent() {
	if len(c.words) > 0 || len(c.args) > 0 {
		c.fatalf("nobody understands %q %q", c.words, c.args)
	}
}

// operations parses the lines of input as commands.
func (c *command) operations() (all []*command) {
	for _, line := range c.lines {
		verb, args, err := datadriven.ParseLine(line)
		if err != nil {
			c.fatalf("%v", err)
		}
		o := parseWords(verb, args)
		o.t, o.at = c.t, c.at
		all = append(all, o)
	}
	return all
}
