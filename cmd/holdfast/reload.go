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

// levelled is a handler whose level can be changed.
type levelled struct {
	slog.Handler
	level *slog.LevelVar
}

// Enabled implements slog.Handler.
func (l levelled) Enabled(_ context.Context, level slog.Level) bool { return level >= l.level.Level() }

// WithAttrs implements slog.Handler.
func (l levelled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return levelled{l.Handler.WithAttrs(attrs), l.level}
}

// WithGroup implements slog.Handler.
func (l levelled) WithGroup(name string) slog.Handler {
	return levelled{l.Handler.WithGroup(name), l.level}
}
