package main

import (
	"cmp"
	"fmt"
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
	if err := p.loader(path).Check(); err != nil {
		return p.fail(err)
	}
	fmt.Fprintf(p.stdout, "%s: valid\n", cmp.Or(path, "the environment"))
	return exitDone
}
