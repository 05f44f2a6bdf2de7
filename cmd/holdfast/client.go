package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/configfile"
	"github.com/holdfast-iot/holdfast/control"
)

// closeBound is how long the client has to de-register at the end: with what comes
// after it the end takes no more than 5 s.
const closeBound = 4 * time.Second

// eventBuffer is how many events may wait for a slow reader of stdout.
const eventBuffer = 4096

// runClient is the command run.
func (p *program) runClient(args []string) int {
	fs := p.flags("run [--config FILE] [--json] [overrides]")
	path := fs.String("config", "", "the configuration `FILE`; required, unless the environment has all of it")
	asJSON := fs.Bool("json", false, "print events as one JSON object a line")
	overrides := overrideFlags(fs)
	if exit, ok := p.parse(fs, args, 0); !ok {
		return exit
	}
	if *path == "" && !p.configuredByEnvironment() {
		return p.misused(fs, "--config is required, unless the environment has the configuration")
	}
	sources := &sourceLog{}
	loader := p.loader(*path, overrides.settings...)
	loader.SourceFailed = sources.note
	config, ok := p.load(loader)
	switch {
	case !ok:
		return exitDone // as asked
	case config.err != nil:
		return p.fail(config.err)
	}
	reloader := newReloader(p, loader, config.file)
	reloader.sources = sources
	reloader.shown = !*asJSON && sameTerminal(p.stdout, p.stderr)
	return p.serveClient(reloader, p.eventPrinter(*asJSON))
}

// loader reads the configuration of a command.
func (p *program) loader(path string, overrides ...configfile.Setting) configfile.Loader {
	return configfile.Loader{Path: path, LookupEnv: p.lookupEnv, Environ: p.environ, Overrides: overrides}
}

// configuredByEnvironment tells whether a variable of the configuration is set.
func (p *program) configuredByEnvironment() bool {
	return slices.ContainsFunc(configfile.Keys(), func(key string) bool { return p.variable(key) != "" })
}

// variable returns the value that the environment has for a key, or "".
func (p *program) variable(key string) string {
	value, _ := p.lookupEnv(configfile.Variable(key))
	return value
}

// serveClient runs a client until the program's context ends, or until somebody
// closes the client through its control API.
func (p *program) serveClient(config *reloader, show func(holdfast.Event)) int {
	file := config.file
	logger := p.logger(config)
	config.sources.logger = logger
	file.Config.Objects = append(file.Config.Objects, file.Machine(config.sources.note)...)
	client, err := holdfast.New(file.Config, holdfast.WithLogger(logger))
	if err != nil {
		return p.fail(err)
	}
	if file.Control.Listen != "" || file.Control.Metrics != "" {
		if _, err := control.Attach(client, control.Config(file.Control)); err != nil {
			return p.fail(err)
		}
	}
	events, unsubscribe := client.Events(eventBuffer)
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		for e := range events { // until the client is closed
			show(e)
		}
	}()
	// No defer waits for the printer: it ends with the client, which a panic here
	// would leave open.
	if err, ok := unlessEnded(p, func() error { return client.Start(p.ctx) }); !ok || err != nil {
		unsubscribe() // that nothing was registered is no news
		p.closeClient(client)
		<-printed
		if p.ctx.Err() != nil {
			return exitDone // as asked
		}
		return p.fail(err)
	}
	reloading, end := context.WithCancel(p.ctx)
	defer end()
	go config.run(reloading)
	for running := true; running; {
		select {
		case <-p.ctx.Done():
			running = false
		case <-printed:
			running = false
		case <-p.hangups:
			config.ask()
		}
	}
	p.closeClient(client)
	<-printed // nothing is lost that was said until the end
	if dropped := client.Status().Dropped; dropped > 0 {
		p.complain("%d events were not printed, as nobody read them", dropped)
	}
	return exitDone
}

// closeClient ends the client. A failed de-registration has its own event and is
// not a failure of the program, which was asked to end.
func (p *program) closeClient(client *holdfast.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), closeBound)
	defer cancel()
	_ = client.Close(ctx)
}

// fail prints an error and returns its exit code: 78 when the configuration or
// a file that it names is at fault.
func (p *program) fail(err error) int {
	p.complain("%s", plainCause(err))
	for _, config := range []error{holdfast.ErrInvalidParameters, holdfast.ErrInvalidCredentials, holdfast.ErrReadCredentials} {
		if errors.Is(err, config) {
			return exitConfig
		}
	}
	return exitFailed
}

// plainCause returns the list of faults where there is one; the code's name
// before it would say nothing more.
func plainCause(err error) string {
	var config *holdfast.ConfigError
	var files *holdfast.CredentialsError
	var lists []string
	if errors.As(err, &config) {
		lists = append(lists, config.Error())
	}
	if errors.As(err, &files) {
		lists = append(lists, files.Error())
	}
	if len(lists) == 0 {
		return err.Error()
	}
	return strings.Join(lists, "\n")
}

// eventPrinter returns what prints an event to stdout.
func (p *program) eventPrinter(asJSON bool) func(holdfast.Event) {
	if asJSON {
		encode := jsonLines(p.stdout)
		return func(e holdfast.Event) { encode(e) }
	}
	r := renderer{out: p.stdout, coloured: p.coloured(p.stdout)}
	return r.event
}

// jsonLines returns what writes one JSON object a line. Errors of stdout are
// ignored: the client works without a reader too.
func jsonLines(w io.Writer) func(any) {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return func(v any) { _ = encoder.Encode(v) }
}

// logger writes to stderr in the format of the configuration, whose values were
// validated, what is at least of its level.
func (p *program) logger(config *reloader) *slog.Logger {
	out := p.stderr
	if config.file.Log.Format == "console" {
		out = zerolog.ConsoleWriter{Out: p.stderr, NoColor: !p.coloured(p.stderr), TimeFormat: time.TimeOnly}
	}
	logger := zerolog.New(out).Level(zerolog.TraceLevel).With().Timestamp().Logger()
	return slog.New(filtered{zerolog.NewSlogHandler(logger), config})
}

// overrides collects the flags that stand for keys of the configuration.
type overrides struct{ settings []configfile.Setting }

// overrideFlags defines a flag for every key but the pre-shared keys: everyone
// on the machine can read a command line.
func overrideFlags(fs *flag.FlagSet) *overrides {
	o := &overrides{}
	for _, key := range configfile.Keys() {
		if strings.HasSuffix(key, ".psk_key") {
			continue
		}
		name := strings.NewReplacer(".", "-", "_", "-").Replace(key)
		fs.Func(name, "overrides `"+key+"`", func(text string) error {
			o.settings = append(o.settings, configfile.Setting{Key: key, Text: text, Source: "--" + name})
			return nil
		})
	}
	return o
}
