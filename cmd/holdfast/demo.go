package main

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/cmd/holdfast/internal/demo"
	"github.com/holdfast-iot/holdfast/configfile"
)

// runDemo is the command demo.
func (p *program) runDemo(args []string) int {
	fs := p.flags("demo [--only NAME,...] [--list] [--json]")
	list := fs.Bool("list", false, "list the scenarios, and run none")
	only := fs.String("only", "", "run these scenarios: `NAME,...` of a scenario or an error")
	asJSON := fs.Bool("json", false, "print events and results as one JSON object a line")
	if exit, ok := p.parse(fs, args, 0); !ok {
		return exit
	}
	options := demo.Options{Only: splitNames(*only), Out: p.stdout, JSON: *asJSON, Coloured: p.coloured(p.stdout), Command: p.another}
	if *list {
		return p.demoExit(demo.List(options))
	}
	return p.demoExit(demo.Run(p.ctx, options))
}

// demoExit complains about an error and returns its exit code.
func (p *program) demoExit(err error) int {
	if err == nil {
		return exitDone
	}
	if p.ctx.Err() != nil {
		p.complain("interrupted")
		return exitFailed
	}
	p.complain("%v", err)
	var unknown *demo.UnknownScenarioError
	if errors.As(err, &unknown) {
		return exitUsage
	}
	return exitFailed
}

// splitNames splits a list at its commas; spaces around a name do not count.
func splitNames(list string) []string {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// another returns a command that runs this program once more, as a client with the
// configuration in a file. What the environment says of a configuration is left out of its
// environment.
func (p *program) another(config string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "run", "--json", "--config", config)
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.ContainsFunc(configfile.Keys(), func(key string) bool { return configfile.Variable(key) == name }) {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	return cmd, nil
}
