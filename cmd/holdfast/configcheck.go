package main

import (
	"fmt"

	"github.com/holdfast-iot/holdfast/configfile"
)

// checkConfig is the command config check.
func (p *program) checkConfig(args []string) int {
	fs := p.flags("config check FILE")
	if exit, ok := p.parse(fs, args, 1); !ok {
		return exit
	}
	path := fs.Arg(0)
	if err := (configfile.Loader{Path: path, LookupEnv: p.lookupEnv}).Check(); err != nil {
		return p.fail(err)
	}
	fmt.Fprintf(p.stdout, "%s: valid\n", path)
	return exitDone
}
