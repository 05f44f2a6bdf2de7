package behaviour

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// asked runs script with a client that asks before it downloads and installs.
func asked(t *testing.T, script func(*firmwareWorld, *systemtest.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		w.Server.SetFile("image", image.File(imageSize))
		cfg := w.config()
		asking(&cfg)
		trusting(&cfg)
		c := w.Start(cfg)
		c.WaitFor(holdfast.Registered)
		w.observe(firmware.Reported()...)
		script(w, c)
		c.ExpectClose(nil)
	})
}

// decide answers what the gateway is asked, and demands what comes of it.
func decide(c *systemtest.Client, d holdfast.FirmwareDecision, period time.Duration, want error) {
	c.T.Helper()
	if err := c.AuthoriseFirmware(context.Background(), d, period); !systemtest.IsError(err, want) {
		c.T.Fatalf("%s: %v, want %v", d, err, want)
	}
}

// nextQuestion waits until the gateway is asked, and demands what.
func nextQuestion(c *systemtest.Client, want string) holdfast.Event {
	c.T.Helper()
	for {
		if e := c.Next(holdfast.EventFirmware); e.Firmware.Asks != "" {
			if e.Firmware.Asks != want {
				c.T.Fatalf("asked whether to %s", e.Firmware.Asks)
			}
			return e
		}
	}
}

// A download that is put off begins when it is due and granted; meanwhile nothing is fetched.
func TestFirmwareDownloadPutOff(t *testing.T) {
	asked(t, func(w *firmwareWorld, c *systemtest.Client) {
		decide(c, holdfast.FirmwareGrant, 0, holdfast.ErrNotAllowed)
		w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
		nextQuestion(c, "download")
		decide(c, holdfast.FirmwareDefer, 6*time.Hour, nil)
		putOff := time.Now()
		if s := c.Status().Firmware; !s.DeferredUntil.Equal(putOff.Add(6 * time.Hour)) {
			t.Errorf("%+v", s)
		}
		again := nextQuestion(c, "download")
		if d := again.Time.Sub(putOff); d != 6*time.Hour {
			t.Errorf("asked again after %v", d)
		}
		if n := w.Server.FetchCount("image"); n > 0 {
			t.Errorf("%d blocks were fetched", n)
		}
		decide(c, holdfast.FirmwareGrant, 0, nil)
		time.Sleep(time.Hour)
		w.wantState(2, 0)
	})
}

// What was put off can be granted before it is due, and refused.
func TestFirmwarePutOffIsDecidedEarly(t *testing.T) {
	asked(t, func(w *firmwareWorld, c *systemtest.Client) {
		w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
		nextQuestion(c, "download")
		decide(c, holdfast.FirmwareDefer, time.Hour, nil)
		decide(c, holdfast.FirmwareGrant, 0, nil)
		time.Sleep(time.Minute)
		w.execute("/5/0/2", lwm2m.CodeChanged)
		nextQuestion(c, "install")
		decide(c, holdfast.FirmwareDefer, time.Hour, nil)
		time.Sleep(time.Second)
		w.wantState(2, 11)
		decide(c, holdfast.FirmwareRefuse, 0, nil)
		time.Sleep(2 * time.Hour)
		w.wantState(2, 8)
		if calls := len(w.installer.Calls()); calls != 1 { // Verify
			t.Errorf("%d calls of the installer", calls)
		}
		w.execute("/5/0/2", lwm2m.CodeChanged) // the image is still there
		nextQuestion(c, "install")
		decide(c, holdfast.FirmwareGrant, 0, nil)
		time.Sleep(time.Minute)
		w.wantState(0, 1)
		w.wantInstalled(image, imageSize)
	})
}

// For how long an installation may be put off, the server says (/5/0/13): then it begins by
// itself, nobody is asked, and with 0 it may not be put off at all.
func TestFirmwareMaximumDeferPeriod(t *testing.T) {
	for period, want := range map[string]struct {
		refused error
		after   time.Duration
	}{
		"0": {refused: holdfast.ErrNotAllowed}, "60": {after: time.Minute}, "": {after: 24 * time.Hour}, "4294967295": {after: 24 * time.Hour},
	} {
		t.Run("of "+period, func(t *testing.T) {
			asked(t, func(w *firmwareWorld, c *systemtest.Client) {
				if period != "" {
					w.write("/5/0/13", text(period), lwm2m.CodeChanged)
				}
				w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
				nextQuestion(c, "download")
				decide(c, holdfast.FirmwareGrant, 0, nil)
				time.Sleep(time.Minute)
				w.execute("/5/0/2", lwm2m.CodeChanged)
				nextQuestion(c, "install")
				decide(c, holdfast.FirmwareDefer, 24*time.Hour, want.refused)
				if want.refused != nil {
					w.wantState(2, 0)
					decide(c, holdfast.FirmwareGrant, 0, nil)
					time.Sleep(time.Minute)
					w.wantState(0, 1)
					return
				}
				time.Sleep(want.after - time.Second)
				w.wantState(2, 11)
				time.Sleep(2 * time.Second)
				if want.after == time.Minute {
					w.wantState(0, 1)
					w.wantValues(firmware.PathResult, 0, 11, 0, 1)
					return
				}
				if asks := c.Status().Firmware.Asks; asks != "install" {
					t.Errorf("asks %q", asks)
				}
			})
		})
	}
}

// An update by a manifest that was put off can be set off by the server (/10252/0/9).
func TestFirmwareTrigger(t *testing.T) {
	asked(t, func(w *firmwareWorld, c *systemtest.Client) {
		w.execute("/10252/0/9", lwm2m.CodeMethodNotAllowed)
		w.write("/10252/0/1", signed(t, nil), lwm2m.CodeChanged)
		nextQuestion(c, "download")
		w.execute("/10252/0/9", lwm2m.CodeMethodNotAllowed) // the gateway has not answered yet
		decide(c, holdfast.FirmwareDefer, 24*time.Hour, nil)
		w.execute("/10252/0/9", lwm2m.CodeChanged)
		nextQuestion(c, "install")
		decide(c, holdfast.FirmwareDefer, 24*time.Hour, nil)
		w.execute("/10252/0/9", lwm2m.CodeChanged)
		time.Sleep(time.Minute)
		w.wantValues(firmware.PathManifestState, 1, -1, 3, 2, 4, 6, 2, 7, 1)
		w.wantValues(firmware.PathManifestResult, -1, 18)
	})
}

// The manifest of the update under way once more is the server's doubt whether it has come;
// another one is refused until the first has ended. POST is how some services write it.
func TestManifestsDuringAnUpdate(t *testing.T) {
	for name, mode := range map[string]lwm2mtest.WriteMode{"PUT": lwm2mtest.Replace, "POST": lwm2mtest.Merge} {
		t.Run(name, func(t *testing.T) {
			asked(t, func(w *firmwareWorld, c *systemtest.Client) {
				write := func(content lwm2mtest.Content, want lwm2m.Code) {
					t.Helper()
					answer, err := w.Server.Write(context.Background(), systemtest.Endpoint, "/10252/0/1", mode, content)
					if err != nil || answer.Code != want {
						t.Fatalf("answered %s %q, %v; want %s", answer.Code, answer.Payload, err, want)
					}
				}
				first := signed(t, nil)
				write(first, lwm2m.CodeChanged)
				nextQuestion(c, "download")
				write(first, lwm2m.CodeChanged)
				write(signedByHand(t, 3, map[int][]byte{fieldVendorData: []byte("other")}), lwm2m.CodeBadRequest)
				w.write("/5/0/1", text(imageURI), lwm2m.CodeBadRequest)
				w.write("/5/0/1", text(""), lwm2m.CodeBadRequest) // object 5 has not begun it
				w.execute("/5/0/10", lwm2m.CodeMethodNotAllowed)
				w.execute("/5/0/2", lwm2m.CodeMethodNotAllowed)
				decide(c, holdfast.FirmwareGrant, 0, nil)
				nextQuestion(c, "install")
				write(first, lwm2m.CodeChanged)
				decide(c, holdfast.FirmwareGrant, 0, nil)
				time.Sleep(time.Minute)
				w.wantValues(firmware.PathManifestState, 1, -1, 3, 4, 6, 7, 1)
				w.wantValues(firmware.PathManifestResult, -1, 18)

				write(first, lwm2m.CodeChanged) // replayed: that version is installed
				time.Sleep(time.Minute)
				w.wantValues(firmware.PathManifestResult, -1, 18, -1, 27)
			})
		})
	}
}

// restart ends the client and starts it anew, as a restart of the machine does.
func (w *firmwareWorld) restart(c *systemtest.Client, cfg holdfast.Config) *systemtest.Client {
	w.T.Helper()
	c.ExpectClose(nil)
	next := w.Start(cfg)
	next.WaitFor(holdfast.Registered)
	return next
}

// How a new version proves itself after the restart, or does not, decides what is reported. A
// step that has not returned when the client ends is asked for again by the next one.
func TestFirmwareConfirmation(t *testing.T) {
	failing := errors.New("no network")
	hang := lwm2mtest.InstallerOutcome{Hang: true}
	for name, o := range map[string]struct {
		confirm, rollBack []lwm2mtest.InstallerOutcome
		restarts          int
		state, result     int64
		steps             string
	}{
		"good":  {restarts: 1, state: 0, result: 1, steps: "[verify install reboot confirm]"},
		"fails": {confirm: []lwm2mtest.InstallerOutcome{{Err: failing}}, restarts: 1, state: 2, result: 8, steps: "[verify install reboot confirm roll back]"},
		"names a result": {confirm: []lwm2mtest.InstallerOutcome{names(firmware.ResultOutOfMemory)}, restarts: 1, state: 2, result: 3,
			steps: "[verify install reboot confirm roll back]"},
		"panics":           {confirm: []lwm2mtest.InstallerOutcome{{Panic: "x"}}, restarts: 1, state: 2, result: 8, steps: "[verify install reboot confirm roll back]"},
		"hangs, then good": {confirm: []lwm2mtest.InstallerOutcome{hang, {}}, restarts: 2, state: 0, result: 1, steps: "[verify install reboot confirm confirm]"},
		"cannot go back": {confirm: []lwm2mtest.InstallerOutcome{{Err: failing}}, rollBack: []lwm2mtest.InstallerOutcome{{Err: failing}},
			restarts: 1, state: 0, result: 8, steps: "[verify install reboot confirm roll back]"},
		"hangs when going back": {confirm: []lwm2mtest.InstallerOutcome{{Err: failing}}, rollBack: []lwm2mtest.InstallerOutcome{hang, {}},
			restarts: 2, state: 2, result: 8, steps: "[verify install reboot confirm roll back roll back]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFirmwareWorld(t)
				defer w.Close()
				w.installer.On(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{NeedsReboot: true})
				w.installer.On(lwm2mtest.StepConfirm, o.confirm...)
				w.installer.On(lwm2mtest.StepRollBack, o.rollBack...)
				w.Server.SetFile("image", image.File(imageSize))
				cfg := w.config()
				c := w.Start(cfg)
				c.WaitFor(holdfast.Registered)
				w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
				time.Sleep(time.Minute)
				w.execute("/5/0/2", lwm2m.CodeChanged)
				time.Sleep(2 * time.Minute)
				for range o.restarts {
					w.wantState(3, 0)
					c = w.restart(c, cfg)
					time.Sleep(time.Minute)
				}
				w.wantState(o.state, o.result)
				var steps []lwm2mtest.InstallerStep
				for _, call := range w.installer.Calls() {
					steps = append(steps, call.Step)
				}
				if got := fmt.Sprint(steps); got != o.steps {
					t.Errorf("the installer was called for %s, want %s", got, o.steps)
				}
				c.ExpectClose(nil)
			})
		})
	}
}

// A restart of the machine that does not come is asked for again, and one that cannot be asked
// for ends the update.
func TestFirmwareReboot(t *testing.T) {
	for name, o := range map[string]struct {
		reboot        lwm2mtest.InstallerOutcome
		state, result int64
		least         int
	}{
		"does not come": {state: 3, least: 6},
		"fails":         {reboot: lwm2mtest.InstallerOutcome{Err: errors.New("no permission")}, state: 2, result: 8, least: 1},
		"panics":        {reboot: lwm2mtest.InstallerOutcome{Panic: "x"}, state: 2, result: 8, least: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newFirmwareWorld(t)
				defer w.Close()
				w.installer.On(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{NeedsReboot: true})
				w.installer.On(lwm2mtest.StepReboot, o.reboot)
				c := w.Start(w.config())
				c.WaitFor(holdfast.Registered)
				w.reach(firmware.Object5Downloaded)
				w.execute("/5/0/2", lwm2m.CodeChanged)
				time.Sleep(time.Hour)
				w.wantState(o.state, o.result)
				reboots := 0
				for _, call := range w.installer.Calls() {
					if call.Step == lwm2mtest.StepReboot {
						reboots++
					}
				}
				if reboots < o.least || reboots > o.least+1 {
					t.Errorf("asked %d times for a restart", reboots)
				}
				c.ExpectClose(nil)
			})
		})
	}
}
