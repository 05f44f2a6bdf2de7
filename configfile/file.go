package configfile

import (
	"errors"
	"slices"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/localaddr"
)

// File is what a configuration says.
type File struct {
	// Config is the client's. What the configuration leaves out is zero, which
	// stands for the default, but for the directories of state and of images: the default
	// is in the folder of the file. Paths are in place (see [Loader]).
	Config  holdfast.Config
	Control Control
	Log     Log
	// Objects are the entries of the key objects. Config.Objects has what is made of them.
	Objects []Resource
	// Definitions are XML files of the OMA's registry that define such objects, read by
	// Load. Without one an object has the resources that its entries name.
	Definitions []string
	Gateway     Gateway
}

// Control is about the control API (package control).
type Control struct {
	// Listen is unix:/path, a socket that only this user can connect to, or a
	// loopback host:port; port 0 lets the system choose. Empty: off.
	Listen string
	// Group is the name or the number of a group whose members can connect to the
	// unix sockets, too. Empty: none.
	Group string
	// Metrics is unix:/path or any host:port for metrics and health alone. Empty:
	// they have no address of their own.
	Metrics string
}

// Log is about the log of a program. A client logs where [holdfast.WithLogger]
// says.
type Log struct {
	// Level is the least level to log: trace, debug, info, warn, error, fatal,
	// panic or disabled. Default DefaultLevel.
	Level string
	// Format is console, for people, or json. Default DefaultFormat.
	Format string
}

// The defaults of [Log], which Load fills in.
const (
	DefaultLevel  = "info"
	DefaultFormat = "console"
)

// Load reads and validates the YAML file at path and the environment, as
// [Loader] does. Files that the configuration names are not looked at, but for definitions of
// objects; see [Loader.Check]. The error is a [*holdfast.Error] for which
// errors.Is(err, holdfast.ErrInvalidParameters) holds, and whose cause is a
// [*holdfast.ConfigError] with every fault.
func Load(path string) (File, error) { return Loader{Path: path}.Load() }

// faults returns what is wrong with the values, all of them together.
func (f File) faults() []holdfast.Fault {
	var faults []holdfast.Fault
	if invalid, ok := errors.AsType[*holdfast.ConfigError](f.Config.Validate()); ok {
		faults = invalid.Faults
	}
	faults = append(faults, f.Gateway.faults()...)
	for _, fault := range localaddr.Addresses(f.Control).Faults() {
		faults = appendFault(faults, fault.Key, fault.Problem)
	}
	levels := []string{"trace", "debug", "info", "warn", "error", "fatal", "panic", "disabled"}
	if !slices.Contains(levels, f.Log.Level) {
		faults = appendFault(faults, "log.level", "is none of trace, debug, info, warn, error, fatal, panic and disabled")
	}
	if f.Log.Format != "console" && f.Log.Format != "json" {
		faults = appendFault(faults, "log.format", "is neither console nor json")
	}
	return faults
}

// appendFault appends a fault if there is a problem.
func appendFault(faults []holdfast.Fault, key, problem string) []holdfast.Fault {
	if problem == "" {
		return faults
	}
	return append(faults, holdfast.Fault{Key: key, Problem: problem})
}

// account returns the account of a section and makes it if need be.
func (f *File) account(section string) *holdfast.Account {
	field := &f.Config.Server
	if section == sectionBootstrap {
		field = &f.Config.Bootstrap
	}
	if *field == nil {
		*field = &holdfast.Account{}
	}
	return *field
}

// groupFaults says whether this machine has the group that the sockets are for.
func (f File) groupFaults() []holdfast.Fault {
	if f.Control.Group == "" {
		return nil
	}
	_, problem := localaddr.Group(f.Control.Group)
	return appendFault(nil, "control.group", problem)
}
