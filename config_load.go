package holdfast

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// configMaxSize is the size of the largest configuration file in bytes.
const configMaxSize = 64 << 10

// Setting is the value of one key, in the form that a file would have.
type Setting struct {
	Key    string // "coap.ack_timeout"; see [ConfigKeys]
	Text   string
	Source string // for faults: "--log-level"; may be empty
}

// ConfigLoader reads a configuration from its sources. Overrides win over the
// environment, which wins over the file; a value that is overridden is not
// looked at.
//
// The environment variable of a key is its path in capitals with underscores
// for dots, after HOLDFAST_: HOLDFAST_BOOTSTRAP_URI. Variables that are empty
// count as not set, and others with that prefix are ignored.
type ConfigLoader struct {
	// Path of the YAML file, at most 64 KiB. Empty: no file.
	Path string
	// LookupEnv returns an environment variable. Nil: os.LookupEnv.
	LookupEnv func(name string) (value string, found bool)
	// Overrides win over everything else; of two with one key the last counts.
	Overrides []Setting
}

// LoadConfig reads and validates the YAML file at path and the environment, as
// [ConfigLoader] does. Files that the configuration names are not looked at;
// see [Config.CheckFiles]. The error is an [*Error] with code
// ConnectInvalidParameters whose cause is a [*ConfigError] with every fault.
func LoadConfig(path string) (Config, error) { return ConfigLoader{Path: path}.Load() }

// Load reads and validates a configuration. In what it returns every field
// that has a default is set. The errors are those of [LoadConfig].
func (l ConfigLoader) Load() (Config, error) {
	c, faults := l.load()
	if len(faults) > 0 {
		return Config{}, configInvalid(faults)
	}
	return c, nil
}

// configInvalid lists faults in the order of the documentation, those of
// unknown keys and of the file as a whole first.
func configInvalid(faults []Fault) error {
	paths := ConfigKeys()
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Compare(slices.Index(paths, a.Key), slices.Index(paths, b.Key))
	})
	return codeError(CodeInvalidParameters, PhaseConfig, &ConfigError{Faults: faults})
}

// Check is Load that also looks at what the configuration names: the state
// directory, and the files of the accounts that are valid so far. The error is nil, or joins the *Errors of
// [LoadConfig] and [Config.CheckFiles].
func (l ConfigLoader) Check() error {
	c, faults := l.load()
	var invalid error
	if len(faults) > 0 {
		invalid = configInvalid(faults)
	}
	c.dropFaulty(faults)
	return errors.Join(invalid, c.checkNamed())
}

// dropFaulty takes the accounts out that have a fault.
func (c *Config) dropFaulty(faults []Fault) {
	for _, f := range faults {
		switch section, _, _ := strings.Cut(f.Key, "."); section {
		case configBootstrap:
			c.Bootstrap = nil
		case configServer:
			c.Server = nil
		}
	}
}

func (l ConfigLoader) load() (Config, []Fault) {
	file, faults := l.readFile()
	if len(faults) > 0 && !file.wellFormed {
		return Config{}, faults
	}
	s := newConfigSources(file)
	l.environment(s)
	for _, o := range l.Overrides {
		s.put(o)
	}
	return s.config(faults)
}

// readFile returns what the file says and what is wrong with it.
func (l ConfigLoader) readFile() (configFile, []Fault) {
	if l.Path == "" {
		return configFile{wellFormed: true}, nil
	}
	data, err := configRead(l.Path)
	if err != nil {
		return configFile{}, []Fault{{Problem: configReadProblem(err), Source: l.Path, Err: err}}
	}
	if len(data) > configMaxSize {
		return configFile{}, []Fault{{Problem: "the configuration file is larger than 64 KiB", Source: l.Path}}
	}
	return parseConfig(data, l.Path)
}

// configRead reads one byte more than the limit, which tells a file that is
// too large.
func configRead(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	return io.ReadAll(io.LimitReader(f, configMaxSize+1))
}

func configReadProblem(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "the configuration file does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "the configuration file may not be read by this user"
	}
	return "the configuration file cannot be read"
}

// environment takes the variables of all keys.
func (l ConfigLoader) environment(s *configSources) {
	lookup := l.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	for _, path := range ConfigKeys() {
		name := configEnvName(path)
		if text, found := lookup(name); found && text != "" {
			s.put(Setting{Key: path, Text: text, Source: name})
		}
	}
}

// configSources holds the value of each key that counts.
type configSources struct {
	sections []string
	settings map[string]Setting
	order    []string // keys that are unknown are reported in their order
}

func newConfigSources(file configFile) *configSources {
	s := &configSources{sections: file.sections, settings: map[string]Setting{}}
	for _, setting := range file.settings {
		s.put(setting)
	}
	return s
}

func (s *configSources) put(setting Setting) {
	if _, known := s.settings[setting.Key]; !known {
		s.order = append(s.order, setting.Key)
	}
	s.settings[setting.Key] = setting
}

// config makes the configuration and adds what is wrong to the file's faults,
// one for each key: what cannot be read is not out of range or missing as well.
func (s *configSources) config(faults []Fault) (Config, []Fault) {
	c := Config{}.withDefaults()
	for _, section := range s.sections {
		c.account(section)
	}
	faults = append(faults, s.apply(&c)...)
	faulty := make(map[string]bool)
	for _, f := range faults {
		faulty[f.Key] = true
	}
	for _, f := range c.faults() {
		if !faulty[f.Key] {
			f.Source = s.settings[f.Key].Source
			faults = append(faults, f)
		}
	}
	return c, faults
}

func (s *configSources) apply(c *Config) []Fault {
	known := make(map[string]configKey)
	for _, k := range configKeys() {
		known[k.path] = k
	}
	var faults []Fault
	for _, path := range s.order {
		setting := s.settings[path]
		problem := "is not a key of the configuration"
		if k, found := known[path]; found {
			problem = k.set(c, setting.Text)
		}
		if problem != "" {
			faults = append(faults, Fault{Key: path, Problem: problem, Source: setting.Source})
		}
	}
	return faults
}
