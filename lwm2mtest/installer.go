package lwm2mtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/internal/alarm"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// InstallerStep is a method of [firmware.Installer].
type InstallerStep string

// The steps, in the order in which an update takes them.
const (
	StepVerify   InstallerStep = "verify"
	StepInstall  InstallerStep = "install"
	StepReboot   InstallerStep = "reboot"
	StepConfirm  InstallerStep = "confirm"
	StepRollBack InstallerStep = "roll back"
)

// InstallerOutcome is what becomes of a call. The zero value is success at once.
type InstallerOutcome struct {
	After       time.Duration // how long the call takes
	Hang        bool          // until its context ends, whose error it returns
	Panic       any           // what it panics with, when not nil
	Err         error         // what it returns
	NeedsReboot bool          // Install only: says so instead of being done
}

// InstallerCall is a call that an [Installer] has had.
type InstallerCall struct {
	Time  time.Time
	Step  InstallerStep
	Image firmware.Image // zero for StepReboot
	// Size and Digest are of the bytes that were in the file: their number, and their SHA-256.
	Size   int64
	Digest [32]byte
	Err    error // why the file could not be read
}

// Installer is a [firmware.Installer] for tests: it installs nothing, does what it is told by
// [Installer.On], and remembers what it was called for. It reads the file that it is given,
// and needs nothing else of the machine. It outlives the clients that use it, as the flash of
// a gateway does, and is safe for concurrent use. It must be made with NewInstaller.
type Installer struct {
	mu       sync.Mutex
	outcomes map[InstallerStep][]InstallerOutcome
	calls    []InstallerCall
	taken    int           // of calls, by Next
	changed  chan struct{} // closed and replaced by every call
}

var _ firmware.Installer = (*Installer)(nil)

// ErrWrongImage is what a call fails with that finds the file changed since the image was
// downloaded.
var ErrWrongImage = errors.New("lwm2mtest: the file is not the image that was downloaded")

// NewInstaller returns an installer with which everything succeeds, without a reboot.
func NewInstaller() *Installer {
	return &Installer{outcomes: map[InstallerStep][]InstallerOutcome{}, changed: make(chan struct{})}
}

// On says what becomes of the next calls of a step, one after the other; the last outcome
// counts for all calls that follow. It replaces what was said before; with no outcome calls
// succeed again.
func (i *Installer) On(step InstallerStep, outcomes ...InstallerOutcome) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.outcomes[step] = slices.Clone(outcomes)
}

// Calls returns all calls so far, oldest first.
func (i *Installer) Calls() []InstallerCall {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.calls)
}

// Next returns the oldest call that Next has not returned yet, and waits for it. The error is
// that of the context.
func (i *Installer) Next(ctx context.Context) (InstallerCall, error) {
	for {
		i.mu.Lock()
		if i.taken < len(i.calls) {
			i.taken++
			call := i.calls[i.taken-1]
			i.mu.Unlock()
			return call, nil
		}
		changed := i.changed
		i.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return InstallerCall{}, context.Cause(ctx)
		}
	}
}

// Verify implements [firmware.Installer]. Without another outcome it fails where the file is
// not the image that was downloaded; so do the others that are given one.
func (i *Installer) Verify(ctx context.Context, image firmware.Image) error {
	return i.withImage(ctx, StepVerify, image).Err
}

// Install implements [firmware.Installer].
func (i *Installer) Install(ctx context.Context, image firmware.Image) (firmware.Installed, error) {
	outcome := i.withImage(ctx, StepInstall, image)
	switch {
	case outcome.Err != nil:
		return 0, outcome.Err
	case outcome.NeedsReboot:
		return firmware.InstallNeedsReboot, nil
	}
	return firmware.InstallDone, nil
}

// Reboot implements [firmware.Installer]. The test is what restarts: it closes the client,
// and starts another one with the same installer.
func (i *Installer) Reboot(ctx context.Context) error {
	return i.call(ctx, InstallerCall{Step: StepReboot}).Err
}

// Confirm implements [firmware.Installer].
func (i *Installer) Confirm(ctx context.Context, image firmware.Image) error {
	return i.withImage(ctx, StepConfirm, image).Err
}

// RollBack implements [firmware.Installer].
func (i *Installer) RollBack(ctx context.Context, image firmware.Image) error {
	return i.withImage(ctx, StepRollBack, image).Err
}

// withImage is call with the image's file read. Where that is not what was downloaded, the
// call fails.
func (i *Installer) withImage(ctx context.Context, step InstallerStep, image firmware.Image) InstallerOutcome {
	call := InstallerCall{Step: step, Image: image}
	call.Size, call.Digest, call.Err = digest(image.Path)
	outcome := i.call(ctx, call)
	switch {
	case outcome.Err != nil:
	case call.Err != nil:
		outcome.Err = call.Err
	case call.Digest != image.Hash || call.Size != image.Size:
		outcome.Err = ErrWrongImage
	}
	return outcome
}

// digest reads a file.
func digest(path string) (size int64, sum [32]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, sum, err
	}
	defer f.Close() // it was only read
	hash := sha256.New()
	size, err = io.Copy(hash, f)
	return size, [32]byte(hash.Sum(nil)), err
}

// call remembers a call and does what was said of it.
func (i *Installer) call(ctx context.Context, call InstallerCall) InstallerOutcome {
	outcome := i.note(call)
	if err := outcome.wait(ctx); err != nil {
		outcome.Err = err
	}
	if outcome.Panic != nil {
		panic(outcome.Panic)
	}
	return outcome
}

func (i *Installer) note(call InstallerCall) (outcome InstallerOutcome) {
	i.mu.Lock()
	defer i.mu.Unlock()
	call.Time = time.Now()
	i.calls = append(i.calls, call)
	close(i.changed)
	i.changed = make(chan struct{})
	if outcomes := i.outcomes[call.Step]; len(outcomes) > 0 {
		outcome = outcomes[0]
		i.outcomes[call.Step] = outcomes[min(1, len(outcomes)-1):]
	}
	return outcome
}

// wait takes the time that the call is to take; the error is that of the context.
func (o InstallerOutcome) wait(ctx context.Context) error {
	if o.Hang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if o.After <= 0 {
		return nil
	}
	over := make(chan struct{})
	defer alarm.After(o.After, func() { close(over) }).Stop()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
