package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/configfile"
)

// provision is the command provision.
func (p *program) provision(args []string) int {
	fs := p.flags("provision --state-dir DIR [--config FILE]")
	dir := fs.String("state-dir", p.variable("state_dir"), "the state directory `DIR` to write; required (else HOLDFAST_STATE_DIR)")
	path := fs.String("config", "", "the configuration `FILE` with the accounts to write; required, unless the environment has them")
	if exit, ok := p.parse(fs, args, 0); !ok {
		return exit
	}
	if *dir == "" || *path == "" && !p.configuredByEnvironment() {
		return p.misused(fs, "--state-dir and --config are required")
	}
	file, err := p.loader(*path, configfile.Setting{Key: "state_dir", Text: *dir, Source: "--state-dir"}).Load()
	if err != nil {
		return p.fail(err)
	}
	before := permissions(*dir)
	if err := holdfast.Provision(p.ctx, file.Config); err != nil {
		return p.failStore(err)
	}
	p.sayNarrowed(*dir, before)
	fmt.Fprintf(p.stdout, "%s: provisioned with %s\n", *dir, accountsOf(file.Config))
	return exitDone
}

// accountsOf names the accounts of a configuration.
func accountsOf(cfg holdfast.Config) string {
	var bootstrap, server string
	if cfg.Bootstrap != nil {
		bootstrap = "the bootstrap account " + cfg.Bootstrap.URI
	}
	if cfg.Server != nil {
		server = "the server account " + cfg.Server.URI
	}
	return joined(" and ", bootstrap, server)
}

// factoryReset is the command factory-reset.
func (p *program) factoryReset(args []string) int {
	fs := p.flags("factory-reset --state-dir DIR")
	dir := fs.String("state-dir", p.variable("state_dir"), "the state directory `DIR`; required (else HOLDFAST_STATE_DIR)")
	if exit, ok := p.parse(fs, args, 0); !ok {
		return exit
	}
	if *dir == "" {
		return p.misused(fs, "--state-dir is required")
	}
	if _, err := os.Stat(*dir); err != nil { // it would be made
		p.complain("the state directory cannot be used: %v", err)
		return exitFailed
	}
	before := permissions(*dir)
	if err := holdfast.FactoryReset(p.ctx, *dir); err != nil {
		return p.failStore(err)
	}
	p.sayNarrowed(*dir, before)
	fmt.Fprintf(p.stdout, "%s: back to the factory credentials\n", *dir)
	return exitDone
}

// permissions returns those of a directory; none when it is not there, or where they
// mean nothing.
func permissions(dir string) fs.FileMode {
	info, err := os.Stat(dir)
	if err != nil || runtime.GOOS == "windows" {
		return 0
	}
	return info.Mode().Perm()
}

// sayNarrowed says what became of a state directory that others could look into. A
// client says it in its log.
func (p *program) sayNarrowed(dir string, before fs.FileMode) {
	const ofOthers = 0o077
	switch after := permissions(dir); {
	case before&ofOthers == 0:
	case after&ofOthers == 0:
		p.complain("others could look into the state directory %s, which had mode %04o: it has %04o now", dir, before, after)
	default:
		p.complain("others may look into the state directory %s, which has mode %04o: give the client a directory of its own, of mode 0700", dir, after)
	}
}

// failStore is fail, with a hint for a directory in use: ask its client.
func (p *program) failStore(err error) int {
	exit := p.fail(err)
	if errors.Is(err, holdfast.ErrStoreInUse) {
		p.complain("while a client uses the directory, holdfast ctl factory-reset asks that client")
	}
	return exit
}
