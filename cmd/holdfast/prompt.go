package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/holdfast-iot/holdfast/cmd/holdfast/internal/console"
)

// prompt is a terminal at which somebody types commands, with history and completion.
// What is printed meanwhile stands above the line that is being typed.
type prompt struct {
	file    *os.File // where keys come from
	line    *term.Terminal
	restore func()
	out     *output // never waits for the terminal
}

// longestTyped is the length at which the terminal drops what goes on being typed, in
// characters.
const longestTyped = 4096

// screen is the output side of a prompt.
type screen struct {
	*term.Terminal
	file *os.File
}

// openPrompt makes a prompt of the program's terminal. It is nil where there is none: somebody types
// and reads at the same one, which can do more than a teleprinter, and the program
// is in its foreground.
func (p *program) openPrompt() *prompt {
	keys, isFile := p.stdin.(*os.File)
	if name, _ := p.lookupEnv("TERM"); !isFile || name == "dumb" || !sameTerminal(keys, p.stdout) || !p.atTerminal() {
		return nil
	}
	t := &prompt{file: keys, line: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{keys, fileBehind(p.stdout)}, "> ")}
	if !t.makeRaw() {
		return nil
	}
	t.out = newOutput(screen{t.line, fileBehind(p.stdout)}, nil)
	return t
}

// atTerminal reports whether keys may be read: a process in the background that reads
// from its terminal is stopped.
func (p *program) atTerminal() bool {
	keys, isFile := p.stdin.(*os.File)
	return !isFile || !p.terminal(keys) || answers(keys, inForeground)
}

// makeRaw has the terminal deliver keys one by one, without an echo.
func (t *prompt) makeRaw() (ok bool) {
	return answers(t.file, func(fd uintptr) bool {
		before, err := term.MakeRaw(int(fd))
		t.restore = func() {
			answers(t.file, func(fd uintptr) bool { return term.Restore(int(fd), before) == nil })
		}
		return err == nil
	})
}

// of returns the program with its outputs at the prompt: both, where both are at this
// terminal.
func (t *prompt) of(p *program) program {
	inner := *p
	if sameTerminal(t.file, p.stderr) {
		inner.stderr = t.out
	}
	inner.stdout = t.out
	out := renderer{out: t.out, coloured: p.coloured(p.stdout)}
	out.line(time.Now(), faint, "commands", "help shows them, Tab completes, Ctrl-D ends the server")
	return inner
}

// leave closes the prompt, and says if something could not be printed there.
func (t *prompt) leave(p *program) {
	if lost := t.close(); lost > 0 {
		p.complain("%s of the output %s lost: %s", count(lost, "line"), wereOrWas(lost), unread(t.out.why()))
	}
}

// close prints what is left, as far as the terminal takes it, and gives it back as it was.
func (t *prompt) close() (lost int) {
	most, cancel := context.WithTimeout(context.Background(), flushBound)
	defer cancel()
	lost = t.out.close(most)
	t.restore()
	return lost
}

// read hands lines over until the terminal is gone, or until somebody ends them with
// Ctrl-C or Ctrl-D; only then it returns true.
func (t *prompt) read(c *console.Console) (ended bool) {
	t.line.AutoCompleteCallback = func(line string, cursor int, key rune) (string, int, bool) {
		if key != '\t' {
			return line, cursor, false
		}
		line, cursor, choices := c.Edit(line, cursor)
		if len(choices) > 0 {
			fmt.Fprintln(t.line, strings.Join(console.Choices(choices), "\n"))
		}
		return line, cursor, true
	}
	for {
		t.fit()
		line, err := t.line.ReadLine()
		switch {
		case err != nil && !errors.Is(err, term.ErrPasteIndicator): // which is no fault: the line is whole
			return err == io.EOF
		case utf8.RuneCountInString(line) >= longestTyped:
			fmt.Fprintf(t.line, "a line that is typed has less than %d characters, and this one was cut off there: pipe it to the server instead\n", longestTyped)
		default:
			c.Do(line)
		}
	}
}

// fit tells the line how wide the terminal is, if that does.
func (t *prompt) fit() {
	answers(t.file, func(fd uintptr) bool {
		width, height, err := term.GetSize(int(fd))
		return err == nil && width > 0 && t.line.SetSize(width, height) == nil
	})
}
