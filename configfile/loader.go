package configfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// maxSize is the size of the largest configuration file in bytes.
const maxSize = 64 << 10

// Setting is the value of one key, in the form that a file would have.
type Setting struct {
	Key    string // "coap.ack_timeout"; see [Keys]
	Text   string
	Source string // for faults: "--log-level"; may be empty

	folder string   // that a relative path starts from; empty: the working directory
	node   ast.Node // the value, where it is a list in a file
	file   string   // that the node is in
}

// Loader reads a configuration from its sources. Overrides win over the
// environment, which wins over the file; a value that is overridden is not
// looked at. Any of the sources may have all of it. Variables of the environment
// that are empty count as not set, and those with the prefix HOLDFAST_ that belong
// to no key are faults.
//
// A relative path in the file starts from the file's folder, and so does the state
// directory that is left out, and that of images: a service manager starts programs in any
// working directory. What the environment and overrides say starts from the working
// directory, and so does everything where the file is a pipe or a descriptor, below
// /dev or /proc.
type Loader struct {
	// Path of the YAML file, at most 64 KiB. Empty: no file.
	Path string
	// LookupEnv returns an environment variable. Nil: os.LookupEnv.
	LookupEnv func(name string) (value string, found bool)
	// Environ returns the environment as "NAME=value", in which variables that
	// belong to no key are found. Nil: os.Environ, or nothing where LookupEnv is
	// given.
	Environ func() []string
	// Overrides win over everything else; of two with one key the last counts.
	Overrides []Setting
	// SourceFailed is called when a file or a command of the key objects has no value for a
	// server, and with a nil error once it has one again. It may be called from any goroutine,
	// and returns at once. Nil: each failure is left to the client's log.
	SourceFailed func(path lwm2m.Path, err error)
}

// Load reads and validates a configuration. The errors are those of the function
// [Load].
func (l Loader) Load() (File, error) {
	f, faults := l.load()
	if len(faults) > 0 {
		return File{}, invalid(faults)
	}
	return f, nil
}

// invalid lists faults in the order of the documentation, those of unknown keys
// and of the file as a whole first.
func invalid(faults []holdfast.Fault) error {
	paths := Keys()
	slices.SortStableFunc(faults, func(a, b holdfast.Fault) int {
		keyA, atA := part(a.Key)
		keyB, atB := part(b.Key)
		return cmp.Or(cmp.Compare(slices.Index(paths, keyA), slices.Index(paths, keyB)), cmp.Compare(atA, atB))
	})
	return coded(holdfast.CodeInvalidParameters, holdfast.PhaseConfig, &holdfast.ConfigError{Faults: faults})
}

// part tells the key of a list and the index from what is the key of an item, or of a part
// of one.
func part(path string) (key string, at int) {
	key, rest, _ := strings.Cut(path, "[")
	digits, _, _ := strings.Cut(rest, "]")
	at, _ = strconv.Atoi(digits)
	return key, at
}

func coded(code holdfast.ErrorCode, phase holdfast.Phase, cause error) error {
	return &holdfast.Error{Code: code, Phase: phase, Err: cause}
}

// Check is Load that also looks at what the configuration names, as
// [holdfast.Config.CheckFiles] does: the state directory, and the files of the
// accounts that are valid so far; and whether this machine has control.group. The
// error is nil, or joins those of the two.
func (l Loader) Check() error {
	f, faults := l.load()
	faults = append(faults, f.groupFaults()...)
	var wrong error
	if len(faults) > 0 {
		wrong = invalid(faults)
	}
	f.dropFaulty(faults)
	if unusable, ok := errors.AsType[*holdfast.CredentialsError](f.Config.CheckFiles()); ok {
		return errors.Join(wrong, coded(unusable.Code(), holdfast.PhaseStore, unusable))
	}
	return wrong
}

// dropFaulty takes the accounts, and the updates, out that have a fault.
func (f *File) dropFaulty(faults []holdfast.Fault) {
	for _, fault := range faults {
		switch section, _, _ := strings.Cut(fault.Key, "."); section {
		case sectionBootstrap:
			f.Config.Bootstrap = nil
		case sectionServer:
			f.Config.Server = nil
		case sectionFirmware:
			f.Config.Firmware = nil
		}
	}
}

func (l Loader) load() (File, []holdfast.Fault) {
	doc, faults := l.readFile()
	if len(faults) > 0 && !doc.wellFormed {
		return File{}, faults
	}
	s := newSources(doc)
	s.hasFile, s.failed = l.Path != "", l.SourceFailed
	l.environment(s)
	for _, o := range l.Overrides {
		s.put(o)
	}
	return s.file(append(l.strangers(), faults...))
}

// readFile returns what the file says and what is wrong with it.
func (l Loader) readFile() (document, []holdfast.Fault) {
	if l.Path == "" {
		return document{wellFormed: true}, nil
	}
	data, err := readBounded(l.Path)
	if err != nil {
		return document{}, []holdfast.Fault{{Problem: readProblem(err), Source: l.Path, Err: err}}
	}
	if len(data) > maxSize {
		return document{}, []holdfast.Fault{{Problem: "the configuration file is larger than 64 KiB", Source: l.Path}}
	}
	doc, faults := parse(data, l.Path)
	doc.startFrom(folderOf(l.Path))
	return doc, faults
}

// readBounded reads one byte more than the limit, which tells a file that is
// too large.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	return io.ReadAll(io.LimitReader(f, maxSize+1))
}

func readProblem(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "the configuration file does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "the configuration file may not be read by this user"
	}
	var path *fs.PathError // whose path is the fault's source
	if errors.As(err, &path) {
		err = path.Err
	}
	return "the configuration file cannot be read: " + err.Error()
}

// sources holds the value of each key that counts.
type sources struct {
	hasFile  bool
	folder   string // of the file
	sections []string
	settings map[string]Setting
	order    []string          // keys that are unknown are reported in their order
	places   map[string]string // of the parts of lists
	failed   func(lwm2m.Path, error)
}

func newSources(file document) *sources {
	s := &sources{folder: file.folder, sections: file.sections, settings: map[string]Setting{}, places: map[string]string{}}
	for _, setting := range file.settings {
		s.put(setting)
	}
	return s
}

func (s *sources) put(setting Setting) {
	if _, known := s.settings[setting.Key]; !known {
		s.order = append(s.order, setting.Key)
	}
	s.settings[setting.Key] = setting
}

// file makes the File and adds what is wrong to the faults of the document, one
// for each key: what cannot be read is not out of range or missing as well.
func (s *sources) file(faults []holdfast.Fault) (File, []holdfast.Fault) {
	f := File{Log: Log{Level: DefaultLevel, Format: DefaultFormat}}
	if s.folder != "" {
		f.Config.StateDir = pathFrom(s.folder, holdfast.DefaultStateDir)
	}
	for _, section := range s.sections {
		f.present(section)
	}
	faults = append(faults, s.apply(&f)...)
	if w := f.Config.Firmware; w != nil && w.Dir == "" && s.folder != "" {
		w.Dir = pathFrom(s.folder, holdfast.DefaultFirmwareDir)
	}
	faulty := make(map[string]bool)
	for _, fault := range faults {
		faulty[fault.Key] = true
	}
	wrong := func(at int) bool {
		part := fmt.Sprintf("%s[%d]", keyObjects, at)
		return slices.ContainsFunc(faults, func(f holdfast.Fault) bool { return f.Key == part || strings.HasPrefix(f.Key, part+".") })
	}
	for _, fault := range append(f.build(wrong, s.failed), f.faults()...) {
		if !faulty[fault.Key] {
			fault.Source = s.sourceOf(fault.Key)
			faults = append(faults, fault)
		}
	}
	return f, faults
}

// sourceOf returns where a value came from. Without a file it is the environment
// that what is missing should come from.
func (s *sources) sourceOf(path string) string {
	if place := s.places[path]; place != "" {
		return place
	}
	if _, set := s.settings[path]; !set && !s.hasFile {
		return Variable(path)
	}
	return s.settings[path].Source
}

func (s *sources) apply(f *File) []holdfast.Fault {
	known := make(map[string]key)
	for _, k := range allKeys() {
		known[k.path] = k
	}
	var faults []holdfast.Fault
	for _, path := range s.order {
		setting := s.settings[path]
		problem := unknownKey(path)
		k, found := known[path]
		switch {
		case found && k.read != nil:
			l := k.read(f, setting)
			maps.Copy(s.places, l.places)
			faults = append(faults, l.faults...)
			continue
		case found:
			problem = k.set(f, k.located(setting))
		}
		if problem != "" {
			faults = append(faults, holdfast.Fault{Key: path, Problem: problem, Source: setting.Source})
		}
	}
	return faults
}
