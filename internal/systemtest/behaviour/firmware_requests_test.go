package behaviour

import (
	"context"
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

// reach brings an update through object 5 into a state.
func (w *firmwareWorld) reach(state int64) {
	w.T.Helper()
	w.Server.SetFile("image", image.File(imageSize))
	if state == firmware.Object5Downloading {
		w.Server.SpoilFile("image", -1, lwm2mtest.FileFault{From: 50_000, Behaviour: lwm2mtest.Behaviour{Silent: true}})
	}
	if state == firmware.Object5Idle {
		return
	}
	w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
	time.Sleep(time.Minute)
	if state == firmware.Object5Updating {
		w.installer.On(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{Hang: true})
		w.execute("/5/0/2", lwm2m.CodeChanged)
		time.Sleep(time.Second)
	}
	w.wantState(state, firmware.Object5Initial)
}

// wantState demands what the server reads of object 5.
func (w *firmwareWorld) wantState(state, result int64) {
	w.T.Helper()
	if s, r := w.number("/5/0/3"), w.number("/5/0/5"); s != state || r != result {
		w.T.Fatalf("state %d and result %d, want %d and %d", s, r, state, result)
	}
}

// updateRequests are what a server can ask of object 5.
var updateRequests = map[string]func(*firmwareWorld, lwm2m.Code){
	"empty URI":     func(w *firmwareWorld, want lwm2m.Code) { w.write("/5/0/1", text(""), want) },
	"empty package": func(w *firmwareWorld, want lwm2m.Code) { w.write("/5/0/0", opaque(nil), want) },
	"NUL package":   func(w *firmwareWorld, want lwm2m.Code) { w.write("/5/0/0", opaque([]byte{0}), want) },
	"empty URI in the instance": func(w *firmwareWorld, want lwm2m.Code) {
		c, err := lwm2mtest.Encode(lwm2m.FormatTLV, "/5/0", lwm2m.Node{Path: lwm2m.PathOf(5, 0, 1), Value: lwm2m.String("")})
		if err != nil {
			w.T.Fatal(err)
		}
		w.T.Helper()
		answer, err := w.Server.Write(context.Background(), systemtest.Endpoint, "/5/0", lwm2mtest.Merge, c)
		if err != nil || answer.Code != want {
			w.T.Fatal(answer.Code, err)
		}
	},
	"URI":     func(w *firmwareWorld, want lwm2m.Code) { w.write("/5/0/1", text(imageURI+"?2"), want) },
	"bad URI": func(w *firmwareWorld, want lwm2m.Code) { w.write("/5/0/1", text("ftp://192.0.2.1/image"), want) },
	"package": func(w *firmwareWorld, want lwm2m.Code) { w.write("/5/0/0", opaque([]byte("an image")), want) },
	"block of a package": func(w *firmwareWorld, want lwm2m.Code) {
		if code := w.block(0, true, 1024); code != want {
			w.T.Fatalf("answered %s, want %s", code, want)
		}
	},
	"Update": func(w *firmwareWorld, want lwm2m.Code) { w.execute("/5/0/2", want) },
	"Cancel": func(w *firmwareWorld, want lwm2m.Code) { w.execute("/5/0/10", want) },
}

// block pushes one block of the image, of 1024 bytes.
func (w *firmwareWorld) block(number int, more bool, size int) lwm2m.Code {
	w.T.Helper()
	payload := make([]byte, size)
	_, _ = image.ReadAt(payload, int64(number)*1024) // does not fail
	answer, _, err := w.Server.DoBlock(context.Background(), systemtest.Endpoint, lwm2mtest.BlockRequest{
		Request: lwm2mtest.Request{Method: lwm2m.CodePUT, Path: "/5/0/0", Format: new(lwm2m.FormatOpaque), Payload: payload},
		Block:   lwm2mtest.Block{Number: number, More: more, Size: 1024},
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return answer.Code
}

// What a request does in each state (LwM2M Core Appendix E.6): one that resets works in all but
// Updating; one that begins an update begins none while there is one, and changes nothing.
func TestFirmwareRequestsInEachState(t *testing.T) {
	const changed, bad, not, next = lwm2m.CodeChanged, lwm2m.CodeBadRequest, lwm2m.CodeMethodNotAllowed, lwm2m.CodeContinue
	type answer struct {
		code          lwm2m.Code
		state, result int64
	}
	reset := answer{changed, 0, 0}
	for name, answers := range map[string][4]answer{
		"empty URI":                 {reset, reset, reset, {not, 3, 0}},
		"empty URI in the instance": {reset, reset, reset, {not, 3, 0}},
		"empty package":             {reset, reset, reset, {not, 3, 0}},
		"NUL package":               {reset, reset, reset, {not, 3, 0}},
		"URI":                       {{changed, 0, 7}, {bad, 1, 0}, {bad, 2, 0}, {bad, 3, 0}},
		"bad URI":                   {{bad, 0, 9}, {bad, 1, 0}, {bad, 2, 0}, {bad, 3, 0}},
		"package":                   {{changed, 2, 0}, {bad, 1, 0}, {bad, 2, 0}, {bad, 3, 0}},
		"block of a package":        {{next, 1, 0}, {bad, 1, 0}, {bad, 2, 0}, {bad, 3, 0}},
		"Update":                    {{not, 0, 0}, {not, 1, 0}, {changed, 0, 1}, {not, 3, 0}},
		"Cancel":                    {{not, 0, 0}, {changed, 0, 10}, {changed, 0, 10}, {not, 3, 0}},
	} {
		for state, want := range answers {
			t.Run(fmt.Sprintf("%s in state %d", name, state), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newFirmwareWorld(t)
					defer w.Close()
					c := w.Start(w.config())
					c.WaitFor(holdfast.Registered)
					w.reach(int64(state))
					if name == "URI" && state == 0 {
						w.Server.RemoveFile("image")
					}
					updateRequests[name](w, want.code)
					time.Sleep(time.Minute)
					w.wantState(want.state, want.result)
					c.ExpectClose(nil)
				})
			})
		}
	}
}

// After each way of giving an update up the next one is a good one: nothing is left of the
// former image.
func TestFirmwareAfterAReset(t *testing.T) {
	for _, name := range []string{"empty URI", "empty package", "NUL package", "Cancel"} {
		for _, state := range []int64{firmware.Object5Downloading, firmware.Object5Downloaded} {
			t.Run(fmt.Sprintf("%s in state %d", name, state), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newFirmwareWorld(t)
					defer w.Close()
					c := w.Start(w.config())
					c.WaitFor(holdfast.Registered)
					w.reach(state)
					updateRequests[name](w, lwm2m.CodeChanged)
					w.Server.MendFiles()
					w.Server.SetFile("image", lwm2mtest.Pattern(2).File(imageSize+1))
					w.write("/5/0/1", text(imageURI), lwm2m.CodeChanged)
					time.Sleep(time.Minute)
					w.execute("/5/0/2", lwm2m.CodeChanged)
					time.Sleep(time.Minute)
					w.wantState(0, 1)
					w.wantInstalled(lwm2mtest.Pattern(2), imageSize+1)
					c.ExpectClose(nil)
				})
			})
		}
	}
}

// wantInstalled demands that the last image that was installed is a certain one.
func (w *firmwareWorld) wantInstalled(content lwm2mtest.Pattern, size int64) {
	w.T.Helper()
	for _, call := range w.installer.Calls() {
		if call.Step == lwm2mtest.StepInstall && call.Digest == content.SHA256(size) {
			return
		}
	}
	w.T.Error("the image was not installed")
}

// Update twice: the second is refused, and the first goes on.
func TestFirmwareUpdateTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		c := w.Start(w.config())
		c.WaitFor(holdfast.Registered)
		w.reach(firmware.Object5Downloaded)
		w.installer.On(lwm2mtest.StepInstall, lwm2mtest.InstallerOutcome{After: time.Minute})
		w.execute("/5/0/2", lwm2m.CodeChanged)
		w.execute("/5/0/2", lwm2m.CodeMethodNotAllowed)
		time.Sleep(2 * time.Minute)
		w.wantState(0, 1)
		w.execute("/5/0/2", lwm2m.CodeMethodNotAllowed)
		w.wantState(0, 1)
		c.ExpectClose(nil)
	})
}
