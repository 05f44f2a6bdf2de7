package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/configfile"
)

// reloader reads the configuration of a running client anew.
type reloader struct {
	program *program
	loader  configfile.Loader
	file    configfile.File // in force
	level   slog.LevelVar   // of the log
	sources *sourceLog      // of the objects
	shown   bool            // events stand on the terminal already, and not in the log beside them
	asked   chan struct{}   // has room for one request while another is carried out
}

func newReloader(p *program, loader configfile.Loader, file configfile.File) *reloader {
	r := &reloader{program: p, loader: loader, file: file, asked: make(chan struct{}, 1)}
	r.level.Set(levels[file.Log.Level])
	return r
}

// ask has the configuration read. It does not wait for whatever it is read from.
func (r *reloader) ask() {
	select {
	case r.asked <- struct{}{}:
	default: // what it says now will be read in any case
	}
}

// run reads the configuration whenever that is asked for, until ctx ends.
func (r *reloader) run(ctx context.Context) {
	for {
		select {
		case <-r.asked:
			r.reload()
		case <-ctx.Done():
			return
		}
	}
}

// reload takes over what needs neither a new link nor a new socket, and says what
// takes a restart. A configuration that is invalid changes nothing.
func (r *reloader) reload() {
	if r.loader.Path == "" {
		r.program.complain("there is no configuration file to read: what the environment and the flags say takes a restart")
		return
	}
	next, err := r.loader.Load()
	if err != nil {
		r.program.complain("the configuration is not taken over:\n%s", plainCause(err))
		return
	}
	changed := configfile.Changes(r.file, next)
	if len(changed) == 0 {
		r.program.complain("the configuration was read, and has not changed")
		return
	}
	if i := slices.Index(changed, "log.level"); i >= 0 {
		changed = slices.Delete(changed, i, i+1)
		r.file.Log.Level = next.Log.Level
		r.level.Set(levels[next.Log.Level])
		r.program.complain("log.level is %s now", next.Log.Level)
	}
	if len(changed) > 0 {
		r.program.complain("restart the client to take over: %s", strings.Join(changed, ", "))
	}
}

// levels are those of log.level. Those above error have no records of the client's.
var levels = map[string]slog.Level{
	"trace": slog.LevelDebug - 4, "debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn,
	"error": slog.LevelError, "fatal": slog.LevelError + 4, "panic": slog.LevelError + 8, "disabled": slog.LevelError + 12,
}

// filtered is a handler whose level can be changed, and which leaves events out where
// they are shown already.
type filtered struct {
	slog.Handler
	config *reloader
}

// Enabled implements slog.Handler.
func (f filtered) Enabled(_ context.Context, level slog.Level) bool {
	return level >= f.config.level.Level()
}

// Handle implements slog.Handler.
func (f filtered) Handle(ctx context.Context, r slog.Record) error {
	if f.config.shown && isEvent(r) {
		return nil
	}
	return f.Handler.Handle(ctx, r)
}

// isEvent reports whether a record is that of an event (see holdfast.WithLogger).
func isEvent(r slog.Record) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == "event"
		return !found
	})
	return found
}

// WithAttrs implements slog.Handler.
func (f filtered) WithAttrs(attrs []slog.Attr) slog.Handler {
	return filtered{f.Handler.WithAttrs(attrs), f.config}
}

// WithGroup implements slog.Handler.
func (f filtered) WithGroup(name string) slog.Handler {
	return filtered{f.Handler.WithGroup(name), f.config}
}
