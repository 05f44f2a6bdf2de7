package lwm2mtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// downloaded writes an image, as a client has it when it is downloaded.
func downloaded(t *testing.T, content string) firmware.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return firmware.Image{Path: path, Size: int64(len(content)), Hash: sha256.Sum256([]byte(content)), Version: "2.0.0"}
}

// installerSteps calls every method, and returns what each has said.
func installerSteps(ctx context.Context, i *Installer, image firmware.Image) (installed firmware.Installed, errs map[InstallerStep]error) {
	errs = map[InstallerStep]error{}
	errs[StepVerify] = i.Verify(ctx, image)
	installed, errs[StepInstall] = i.Install(ctx, image)
	errs[StepReboot] = i.Reboot(ctx)
	errs[StepConfirm] = i.Confirm(ctx, image)
	errs[StepRollBack] = i.RollBack(ctx, image)
	return installed, errs
}

func TestInstallerRemembers(t *testing.T) {
	i, image := NewInstaller(), downloaded(t, "image")
	installed, errs := installerSteps(t.Context(), i, image)
	for step, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", step, err)
		}
	}
	if installed != firmware.InstallDone || len(i.Calls()) != 5 {
		t.Errorf("%v, %+v", installed, i.Calls())
	}
	for _, want := range []InstallerStep{StepVerify, StepInstall, StepReboot, StepConfirm, StepRollBack} {
		call, err := i.Next(t.Context())
		if err != nil || call.Step != want || want != StepReboot && (call.Image.Version != "2.0.0" || call.Digest != image.Hash || call.Size != 5) {
			t.Errorf("%s: %+v, %v", want, call, err)
		}
	}
}

// Each outcome is had once, and the last one again and again.
func TestInstallerOutcomes(t *testing.T) {
	i, image := NewInstaller(), downloaded(t, "image")
	bad := errors.New("bad")
	i.On(StepConfirm, InstallerOutcome{}, InstallerOutcome{Err: bad})
	for n, want := range []error{nil, bad, bad} {
		if err := i.Confirm(t.Context(), image); err != want {
			t.Errorf("%d: %v", n, err)
		}
	}
	i.On(StepConfirm)
	i.On(StepInstall, InstallerOutcome{NeedsReboot: true})
	installed, errs := installerSteps(t.Context(), i, image)
	if installed != firmware.InstallNeedsReboot || errors.Join(errs[StepInstall], errs[StepConfirm]) != nil {
		t.Errorf("%v, %v", installed, errs)
	}
	for _, step := range []InstallerStep{StepVerify, StepInstall, StepReboot, StepConfirm, StepRollBack} {
		i.On(step, InstallerOutcome{Err: bad})
	}
	installed, errs = installerSteps(t.Context(), i, image)
	for step, err := range errs {
		if err != bad {
			t.Errorf("%s: %v", step, err)
		}
	}
	if installed != 0 {
		t.Error(installed)
	}
}

// A file that is not what was downloaded is not installed.
func TestInstallerReadsTheImage(t *testing.T) {
	i, image := NewInstaller(), downloaded(t, "image")
	other, missing := image, image
	other.Hash[0]++
	missing.Path += "x"
	if err := i.Verify(t.Context(), other); !errors.Is(err, ErrWrongImage) {
		t.Error(err)
	}
	if got, err := i.Install(t.Context(), missing); got != 0 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, %v", got, err)
	}
	if call := i.Calls()[1]; !errors.Is(call.Err, os.ErrNotExist) {
		t.Errorf("%+v", call)
	}
}

func TestInstallerTakesItsTime(t *testing.T) {
	image := downloaded(t, "image")
	synctest.Test(t, func(t *testing.T) {
		i, begun := NewInstaller(), time.Now()
		i.On(StepInstall, InstallerOutcome{After: time.Minute}, InstallerOutcome{After: time.Minute}, InstallerOutcome{Hang: true})
		if _, err := i.Install(t.Context(), image); err != nil || time.Since(begun) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		for range 2 { // one takes longer than it may, one does not end
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			begun = time.Now()
			if _, err := i.Install(ctx, image); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
				t.Errorf("%v after %v", err, time.Since(begun))
			}
			cancel()
		}
	})
}

func TestInstallerPanics(t *testing.T) {
	i := NewInstaller()
	i.On(StepReboot, InstallerOutcome{Panic: "no flash"})
	defer func() {
		if got := recover(); got != "no flash" {
			t.Error(got)
		}
	}()
	_ = i.Reboot(t.Context())
}

// Next waits for a call that is to come, as long as its context allows.
func TestInstallerNextWaits(t *testing.T) {
	image := downloaded(t, "image")
	synctest.Test(t, func(t *testing.T) {
		i, begun := NewInstaller(), time.Now()
		go func() {
			time.Sleep(time.Second)
			_ = i.Verify(t.Context(), image) // the call counts
		}()
		if call, err := i.Next(t.Context()); err != nil || call.Step != StepVerify || call.Time.Sub(begun) != time.Second {
			t.Errorf("%+v, %v", call, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := i.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
