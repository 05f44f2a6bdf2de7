package main

import (
	"fmt"
	"runtime/debug"
	"slices"
)

// fixedModules are the pinned modules, whose versions matter for behaviour.
var fixedModules = []string{
	"github.com/asynkron/protoactor-go",
	"github.com/plgd-dev/go-coap/v3",
	"github.com/pion/dtls/v2",
	"github.com/rs/zerolog",
}

// version is the command version.
func (p *program) version(args []string) int {
	if exit, ok := p.parse(p.flags("version"), args, 0); !ok {
		return exit
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		p.complain("the program was built without module information")
		return exitFailed
	}
	fmt.Fprintf(p.stdout, "holdfast %s\n", info.Main.Version)
	fmt.Fprintf(p.stdout, "commit %s\n", commit(info.Settings))
	fmt.Fprintf(p.stdout, "go %s\n", info.GoVersion)
	for _, path := range fixedModules {
		fmt.Fprintf(p.stdout, "%s %s\n", path, moduleVersion(info.Deps, path))
	}
	return exitDone
}

// commit returns the revision that the program was built from.
func commit(settings []debug.BuildSetting) string {
	values := map[string]string{}
	for _, s := range settings {
		values[s.Key] = s.Value
	}
	switch revision := values["vcs.revision"]; {
	case revision == "":
		return "unknown"
	case values["vcs.modified"] == "true":
		return revision + " (modified)"
	default:
		return revision
	}
}

func moduleVersion(modules []*debug.Module, path string) string {
	i := slices.IndexFunc(modules, func(m *debug.Module) bool { return m.Path == path })
	if i < 0 {
		return "unknown"
	}
	return modules[i].Version
}
