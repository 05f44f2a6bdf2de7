package source

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// maxText is how much a file or a command may say, in bytes. Values are short; what
// is longer is something else.
const maxText = 4096

// Source says something, anew each time that it is asked. Safe for concurrent use: callers
// wait for each other, as long as their contexts allow.
type Source struct {
	kind string
	turn chan struct{} // has room for the one reader
	read func(ctx context.Context) ([]byte, error)
}

// Error says why a source has no value. What it has said is not in it.
type Error struct {
	Source string // "file" or "command"
	Reason string // what is wrong, and what to do; may be empty where Err tells
	Err    error  // the cause; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	parts := []string{"the " + e.Source}
	if e.Reason != "" {
		parts = append(parts, e.Reason)
	}
	text := strings.Join(parts, " ")
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// The kinds of sources.
const (
	kindFile    = "file"
	kindCommand = "command"
)

// File is what a file holds.
func File(path string) *Source {
	return newSource(kindFile, func(context.Context) ([]byte, error) { return readFile(path) })
}

func newSource(kind string, read func(context.Context) ([]byte, error)) *Source {
	return &Source{kind: kind, turn: make(chan struct{}, 1), read: read}
}

// Text returns what the source says now, without the blanks and line ends around it: at most
// 4096 bytes of UTF-8. The error is an [*Error], or that of the context when it has ended.
func (s *Source) Text(ctx context.Context) (string, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	data, err := s.read(ctx)
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil:
		return "", s.failed(err)
	case len(data) > maxText:
		return "", s.failed(errTooLong)
	case !utf8.Valid(data):
		return "", s.failed(errNoText)
	}
	return strings.TrimSpace(string(data)), nil
}

// What is wrong with what a source says.
var (
	errTooLong    = errors.New("says more than 4096 bytes")
	errNoText     = errors.New("says what is not UTF-8")
	errNotRegular = errors.New("is none: name a regular file, since others may have nothing to read for ever")
	errTimeout    = errors.New("has not ended within 5 s, and was killed")
)

// failed makes a cause an Error. What is wrong by our own rules is the reason itself.
func (s *Source) failed(err error) error {
	for _, rule := range []error{errTooLong, errNoText, errNotRegular, errTimeout} {
		if errors.Is(err, rule) {
			return &Error{Source: s.kind, Reason: rule.Error()}
		}
	}
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return &Error{Source: s.kind, Reason: path.Path + " cannot be read", Err: path.Err}
	}
	return &Error{Source: s.kind, Reason: "has failed", Err: err}
}

// readFile reads a regular file. A pipe is not waited for, even when it is opened.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblocking, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return io.ReadAll(io.LimitReader(f, maxText+1))
}
