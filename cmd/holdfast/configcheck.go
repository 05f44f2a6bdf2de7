package main

import (
	"cmp"
	"fmt"

	"github.com/holdfast-iot/holdfast/configfile"
)

// checkConfig is the command config check.
func (p *program) checkConfig(args []string) int {
	fs := p.flags("config check FILE")
	operands := 1
	if len(args) == 0 && p.configuredByEnvironment() {
		operands = 0
	}
	if exit, ok := p.parse(fs, args, operands); !ok {
		return exit
	}
	path := fs.Arg(0)
	loader := p.loader(path)
	if err := loader.Check(); err != nil {
		return p.fail(err)
	}
	p.warnOfClock(loader)
	fmt.Fprintf(p.stdout, "%s: valid\n", cmp.Or(path, "the environment"))
	return exitDone
}

// warnOfClock says, of a configuration that is valid, which certificates the clock
// is against. That is no fault: the clock is often set after the check, by the
// network.
func (p *program) warnOfClock(loader configfile.Loader) {
	file, err := loader.Load()
	if err != nil {
		return // it has changed since
	}
	for _, fault := range file.Config.ClockFaults() {
		p.complain("warning: %s: set the clock", fault)
	}
}
