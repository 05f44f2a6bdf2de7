package main

import (
	"bufio"
	"errors"
	"io"

	"github.com/holdfast-iot/holdfast/cmd/holdfast/internal/console"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// longestCommand is the length of a line that is read as a command, in bytes.
const longestCommand = 64 << 10

// console makes the console of a server, which prints its answers where the program prints
// events.
func (p *program) console(server *lwm2mtest.Server, registry *lwm2m.Registry, asJSON bool, quit func()) *console.Console {
	o := console.Options{Server: server, Registry: registry, Quit: quit}
	if asJSON {
		encode := jsonLines(p.stdout)
		o.Print = func(a console.Answer) { encode(a) }
		return console.New(o)
	}
	out := renderer{out: p.stdout, coloured: p.coloured(p.stdout)}
	o.Print = func(a console.Answer) {
		line, table := a.Text()
		out.block(a.Time, answerColour(a), joined(" ", a.Command, notified(a)), line, table)
	}
	return console.New(o)
}

func notified(a console.Answer) string {
	if a.Type == console.TypeNotification {
		return "<-"
	}
	return ""
}

func answerColour(a console.Answer) string {
	switch {
	case a.Failed():
		return red
	case a.Type == console.TypeWaiting:
		return yellow
	}
	return green
}

// readCommands reads commands for as long as there are any: a server without an input goes on. It
// returns at once; what it begins ends with the input.
func (p *program) readCommands(c *console.Console, at *prompt, quit func()) {
	switch {
	case at != nil:
		go func() {
			if at.read(c) {
				quit()
			}
		}()
	case p.atTerminal():
		go readLines(p.stdin, c.Do, func() { p.complain("a command is longer than %d bytes", longestCommand) })
	}
}

// readLines hands lines over until there are no more. One that is too long is left
// out.
func readLines(in io.Reader, do func(string), tooLong func()) {
	lines := bufio.NewReaderSize(in, longestCommand)
	for whole := true; ; {
		text, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if whole {
				tooLong()
			}
			whole = false
			continue
		case whole:
			do(string(text))
		}
		if whole = true; err != nil {
			return
		}
	}
}
