package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// command is one subcommand. Its name may have several words.
type command struct {
	name    string
	summary string
	run     func(p *program, args []string) int
}

// commands is the table of all subcommands, in the order of the usage text.
func commands() []command {
	return []command{
		{"demo", "provoke every error against embedded servers and show the recovery", streamed((*program).runDemo)},
		{"run", "run the client until SIGINT or SIGTERM", streamed((*program).runClient)},
		{"server", "run a bootstrap and management server to try a client against (trials only: see SECURITY.md)", streamed((*program).runServer)},
		{"ctl", "see why a running client is not connected, and steer it", finite((*program).ctl)},
		{"provision", "write the factory credentials into a state directory", finite((*program).provision)},
		{"factory-reset", "go back to the factory credentials, while no client runs", finite((*program).factoryReset)},
		{"config check", "check a configuration file and the files that it names", finite((*program).checkConfig)},
		{"firmware key", "make a key to sign manifests of firmware updates with, and its certificate (for trials)", finite((*program).firmwareKey)},
		{"firmware sign", "make the signed manifest of a firmware update", finite((*program).firmwareSign)},
		{"firmware show", "print what a manifest says, and check its signature", finite((*program).firmwareShow)},
		{"version", "print versions", finite((*program).version)},
	}
}

// dispatch finds the command whose name begins the arguments.
func (p *program) dispatch(args []string) int {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		return finite((*program).help)(p, args)
	}
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			if c.name != "run" && !p.noHangup { // run reads its configuration anew
				p.endOnHangup()
			}
			return guarded(p, func(p *program) int { return c.run(p, args[len(words):]) })
		}
	}
	return finite((*program).noCommand)(p, args)
}

// noCommand says that there is no such command. The first word of some is none by itself: then
// these are what is shown.
func (p *program) noCommand(args []string) int {
	p.complain("%q is not a command", args[0])
	begin := func(c command) bool { return strings.HasPrefix(c.name, args[0]+" ") }
	some := slices.DeleteFunc(commands(), func(c command) bool { return !begin(c) })
	if len(some) == 0 {
		some = commands()
	}
	printUsage(p.stderr, some)
	return exitUsage
}

// help prints the usage: where it was asked for, or where nothing was.
func (p *program) help(args []string) int {
	if len(args) == 0 {
		printUsage(p.stderr, commands())
		return exitUsage
	}
	printUsage(p.stdout, commands())
	return exitDone
}

// endOnHangup makes a hangup of the terminal end the command in order.
func (p *program) endOnHangup() {
	ctx, end := context.WithCancel(p.ctx)
	p.ctx = ctx
	go func() {
		select {
		case <-p.hangups:
			end()
		case <-ctx.Done():
		}
	}()
}

func printUsage(w io.Writer, of []command) {
	fmt.Fprintln(w, "usage: holdfast COMMAND [flags]")
	fmt.Fprintln(w)
	for _, c := range of {
		fmt.Fprintf(w, "  %-14s %s\n", c.name, c.summary)
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "holdfast COMMAND -h shows the flags of a command.")
}

// complain writes a line to stderr.
func (p *program) complain(format string, args ...any) {
	fmt.Fprintf(p.stderr, "holdfast: "+format+"\n", args...)
}

// flags returns an empty set of flags for a command; synopsis is what follows
// the program's name.
func (p *program) flags(synopsis string) *flag.FlagSet {
	fs := flag.NewFlagSet(synopsis, flag.ContinueOnError)
	fs.SetOutput(p.stderr)
	fs.Usage = func() {} // parse says what is fit for the occasion
	return fs
}

// anyNumber has parse leave it to the command how many arguments there are.
const anyNumber = -1

// parse parses the flags and makes sure that there are as many arguments beside them as the
// command takes. When it is not ok, the command ends with the exit code.
func (p *program) parse(fs *flag.FlagSet, args []string, operands int) (exit int, ok bool) {
	switch err := parseAll(fs, args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(p.stdout, "usage: holdfast %s\n", fs.Name())
		fs.SetOutput(p.stdout)
		fs.PrintDefaults()
		return exitDone, false
	case err != nil: // the flag set has said why
		return p.misused(fs, ""), false
	case operands != anyNumber && fs.NArg() != operands:
		return p.misused(fs, fmt.Sprintf("%d arguments where %d are expected", fs.NArg(), operands)), false
	}
	return exitDone, true
}

// parseAll parses flags wherever they are, before the arguments, between them or behind them, up
// to a "--". The flag set then has the arguments only.
func parseAll(fs *flag.FlagSet, args []string) error {
	operands := []string{"--"}
	for {
		if err := fs.Parse(args); err != nil {
			return err
		}
		rest := fs.Args()
		if parsed := len(args) - len(rest); len(rest) == 0 || parsed > 0 && args[parsed-1] == "--" {
			return fs.Parse(append(operands, rest...))
		}
		operands, args = append(operands, rest[0]), rest[1:]
	}
}

// misused says why a command line cannot be carried out, and what a correct one
// looks like.
func (p *program) misused(fs *flag.FlagSet, problem string) int {
	if problem != "" {
		p.complain("%s", problem)
	}
	fmt.Fprintf(p.stderr, "usage: holdfast %s (-h shows the flags)\n", fs.Name())
	return exitUsage
}

// coloured reports whether output to w may have colours: it is a terminal that
// knows them, and nobody asked for none (no-color.org).
func (p *program) coloured(w io.Writer) bool {
	if value, found := p.lookupEnv("NO_COLOR"); found && value != "" {
		return false
	}
	if term, found := p.lookupEnv("TERM"); found && term == "dumb" {
		return false
	}
	return p.terminal(w)
}
