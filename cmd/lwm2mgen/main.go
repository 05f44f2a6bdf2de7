// Command lwm2mgen writes Go for the objects that XML files of the OMA's registry
// define: for each a struct type whose tags name the resources, its definition, a
// constructor, and constants for the IDs.
//
//	lwm2mgen -package main 3303.xml > temperature.go
//
// What it writes is the same every time, formatted, and needs lwm2m and lwm2m/object
// only. Descriptions become comments: the licence of the file counts for them. Where a
// resource is to be computed, the definition serves a struct of one's own, whose tags name
// IDs.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/definitions"
)

// The exit codes, those of holdfast.
const (
	exitDone   = 0 // done as asked
	exitFailed = 1 // a file cannot be read or written, or is wrong
	exitUsage  = 2 // wrong usage
)

const usage = "usage: lwm2mgen [-o DIR|FILE.go] [-package NAME] FILE.xml...\n"

const help = usage + `
Writes Go for the objects that XML files of the OMA's LwM2M registry define: a struct
for each, with its definition, a constructor and constants for its IDs. What is left out
of a definition, such as a range in words, is said on standard error.

  -o DIR|FILE.go   where to write: a directory gets a file for each object, a file all of
                   them; without it they go to standard output. A file that lwm2mgen has
                   not written is left as it is
  -package NAME    the package of what is written (default: the name of the directory
                   where that is one, else objects)
`

func main() {
	p := &program{stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(p.run(os.Args[1:]))
}

// program is one invocation.
type program struct {
	stdout, stderr io.Writer
	out, pkg       string
	files          []string
}

func (p *program) complain(format string, args ...any) {
	fmt.Fprintf(p.stderr, "lwm2mgen: "+format+"\n", args...)
}

func (p *program) run(args []string) int {
	switch err := p.parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(p.stdout, help)
		return exitDone
	case err != nil:
		p.complain("%v", err)
		fmt.Fprint(p.stderr, usage)
		return exitUsage
	}
	objects, ok := p.load()
	if !ok {
		return exitFailed
	}
	if err := p.write(objects); err != nil {
		p.complain("%v", err)
		return exitFailed
	}
	return exitDone
}

// parse reads the command line. Flags may stand behind files too.
func (p *program) parse(args []string) error {
	flags := flag.NewFlagSet("lwm2mgen", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&p.out, "o", "", "")
	flags.StringVar(&p.pkg, "package", "", "")
	for {
		if err := flags.Parse(args); err != nil {
			return err
		}
		if args = flags.Args(); len(args) == 0 {
			break
		}
		p.files, args = append(p.files, args[0]), args[1:]
	}
	if len(p.files) == 0 {
		return errors.New("no file is named; name the XML of an object, such as 3303.xml")
	}
	return p.choosePackage()
}

// choosePackage settles the name of the package.
func (p *program) choosePackage() error {
	if p.pkg == "" {
		if p.pkg = p.folderName(); !isPackageName(p.pkg) {
			p.pkg = "objects"
		}
	}
	if !isPackageName(p.pkg) {
		return fmt.Errorf("%q is no name for a package; use small letters and digits, and no word of the language", p.pkg)
	}
	return nil
}

// folderName is the name of the directory that is written to, "" for standard output.
func (p *program) folderName() string {
	if p.out == "" {
		return ""
	}
	folder := p.out
	if p.toFile() {
		folder = filepath.Dir(folder)
	}
	whole, err := filepath.Abs(folder)
	if err != nil {
		return ""
	}
	return filepath.Base(whole)
}

// toFile reports whether everything goes into one file.
func (p *program) toFile() bool { return strings.HasSuffix(p.out, ".go") }

// source is one object, and the file that defines it.
type source struct {
	def  lwm2m.ObjectDef
	file string
}

// load reads the files, and says everything that is wrong in them.
func (p *program) load() (objects []source, ok bool) {
	ok = true
	definedBy := map[uint16]string{}
	for _, name := range p.files {
		defs, err := p.loadFile(name)
		if err != nil {
			p.complain("%s", strings.ReplaceAll(err.Error(), "\n", "\nlwm2mgen: "))
			ok = false
		}
		for _, def := range defs {
			if other := definedBy[def.ID]; other != "" {
				p.complain("%s: object %d is defined by %s too; leave one out", name, def.ID, other)
				ok = false
			}
			definedBy[def.ID] = name
			objects = append(objects, source{def, filepath.Base(name)})
		}
	}
	slices.SortFunc(objects, func(a, b source) int { return int(a.def.ID) - int(b.def.ID) })
	return objects, ok
}

func (p *program) loadFile(name string) ([]lwm2m.ObjectDef, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // nothing was written
	defs, remarks, err := definitions.Load(name, file)
	for _, r := range remarks {
		p.complain("%v", r)
	}
	return defs, err
}

// write writes the objects where they belong.
func (p *program) write(sources []source) error {
	objects := nameAll(sources)
	switch {
	case p.out == "":
		text, err := generate(p.pkg, objects...)
		if err != nil {
			return err
		}
		_, err = p.stdout.Write(text)
		return err
	case p.toFile():
		return writeFile(p.out, p.pkg, objects...)
	}
	if err := os.MkdirAll(p.out, 0o777); err != nil {
		return err
	}
	for _, o := range objects {
		if err := writeFile(filepath.Join(p.out, o.fileName()), p.pkg, o); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes one file, in place of an earlier one of ours only: an object may have the
// name of something that a person has written.
func writeFile(name, pkg string, objects ...*objectNames) error {
	text, err := generate(pkg, objects...)
	if err != nil {
		return err
	}
	before, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(before) > 0 && !bytes.HasPrefix(before, []byte(generatedBy)) {
		return fmt.Errorf("%s is there, and lwm2mgen has not written it; name another place with -o, or take it away", name)
	}
	return os.WriteFile(name, text, 0o666)
}
