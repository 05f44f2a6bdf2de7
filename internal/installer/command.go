// Package installer has the installer that a configuration can name: a command that is given
// the file with the image. Gateways that need more implement firmware.Installer themselves.
package installer

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/internal/command"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// Command installs images by a command: a program and its arguments, without a shell, to
// which the path of the image is added. Exit status 0 says that the new version runs; any
// other is a failed installation. It never asks for a restart of the machine.
//
// The command runs in a process group of its own, which is killed when the client is closed;
// what it leaves running when it has ended goes on, and should print nothing. Its standard
// input is empty, and the last line that it prints is told where it fails. There is no limit
// to how long it takes. Its environment is the client's, without the variables of the
// configuration, and with
//
//	HOLDFAST_IMAGE_VERSION      of the manifest; empty for an image that came through object 5
//	HOLDFAST_IMAGE_COMPONENT    what the image is for, such as MAIN
//	HOLDFAST_IMAGE_SIZE         in bytes
//	HOLDFAST_IMAGE_SHA256       in hexadecimal
//	HOLDFAST_IMAGE_VENDOR_DATA  of the manifest, in hexadecimal
//
// A client that ended meanwhile runs it again: it must notice that it has installed the
// version, and exit with 0. So must one that restarts the client, or the machine. One of a client
// that was killed may still be running then.
type Command struct {
	argv []string
}

var _ firmware.Installer = (*Command)(nil)

// New returns an installer that runs a command. argv has at least the program.
func New(argv []string) *Command { return &Command{argv: slices.Clone(argv)} }

// Error says why an image was not installed.
type Error struct {
	Reason string // what is wrong
	Output string // the last line that the command has printed; may be empty
	Err    error  // the cause: an *exec.ExitError, an *fs.PathError ...; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Reason
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Output != "" {
		text += ": it says " + strconv.Quote(e.Output)
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

var errNoRegular = errors.New("it is no regular file")

// Verify sees that the image is there and that the program can be run: an update that is
// bound to fail is not reported as downloaded. What is in the image is for the command.
func (c *Command) Verify(_ context.Context, image firmware.Image) error {
	info, err := os.Stat(image.Path)
	if err == nil && !info.Mode().IsRegular() {
		err = errNoRegular
	}
	if err != nil {
		return &firmware.ResultError{
			Result: firmware.ResultReadFailed, Err: &Error{Reason: "the image cannot be read", Err: err},
		}
	}
	if info.Size() != image.Size {
		return &Error{Reason: "the image has " + strconv.FormatInt(info.Size(), 10) + " bytes, not " + strconv.FormatInt(image.Size, 10)}
	}
	if _, err := exec.LookPath(c.argv[0]); err != nil {
		return &firmware.ResultError{
			Result: firmware.ResultInstallationFailed, Err: &Error{Reason: "the install command cannot be run", Err: err},
		}
	}
	return nil
}

// Install runs the command. The error is that of the context when it has ended, else an
// *Error.
func (c *Command) Install(ctx context.Context, image firmware.Image) (firmware.Installed, error) {
	argv := append(slices.Clone(c.argv), image.Path)
	cmd := command.Prepare(ctx, argv, environment(image)...)
	said := new(tail)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = said, said, command.Drain
	err := cmd.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // it has ended well
		return firmware.InstallDone, nil
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	}
	return 0, &Error{Reason: "the install command has failed", Output: said.lastLine(), Err: err}
}

func environment(image firmware.Image) []string {
	return []string{
		"HOLDFAST_IMAGE_VERSION=" + image.Version,
		"HOLDFAST_IMAGE_COMPONENT=" + image.Component,
		"HOLDFAST_IMAGE_SIZE=" + strconv.FormatInt(image.Size, 10),
		"HOLDFAST_IMAGE_SHA256=" + hex.EncodeToString(image.Hash[:]),
		"HOLDFAST_IMAGE_VENDOR_DATA=" + hex.EncodeToString(image.VendorData),
	}
}

// errNoRestart is what is left of an update that another installer began, which needed a
// restart of the machine.
var errNoRestart = &Error{Reason: "the install command needs no restart of the machine: another installer has begun this update"}

// Reboot is never asked for, as Install never says that it is needed.
func (c *Command) Reboot(context.Context) error { return errNoRestart }

// Confirm is never asked for, as Install says it all.
func (c *Command) Confirm(context.Context, firmware.Image) error { return errNoRestart }

// RollBack is never asked for. A command that fails leaves what was there before.
func (c *Command) RollBack(context.Context, firmware.Image) error { return errNoRestart }

const (
	tailLen = 1024 // bytes that are kept of what a command prints
	lineLen = 200  // bytes that are told of a line
)

// tail keeps the end of what a command prints.
type tail struct{ data []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p[max(0, len(p)-tailLen):]...)
	if excess := len(t.data) - tailLen; excess > 0 {
		t.data = append(t.data[:0], t.data[excess:]...)
	}
	return len(p), nil
}

// lastLine returns the last line that is not blank, or the beginning of it.
func (t *tail) lastLine() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.data), "?"))
	line := text[strings.LastIndexAny(text, "\r\n")+1:]
	return strings.ToValidUTF8(line[:min(len(line), lineLen)], "")
}
