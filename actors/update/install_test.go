package update

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/messages"
)

// The server is told the result that the Installer has named.
func TestInstallerNamesTheResult(t *testing.T) {
	named := func(r firmware.Result) error {
		return fmt.Errorf("wrapped: %w", &firmware.ResultError{Result: r, Err: errors.New("because")})
	}
	for _, c := range []struct {
		method  Method
		err     error
		result  firmware.Result
		object5 int64
		phase   Phase
	}{
		{CallVerify, errors.New("no"), firmware.ResultPayloadCorrupted, firmware.Object5IntegrityFailed, Idle},
		{CallVerify, named(firmware.ResultUnsupportedPayload), firmware.ResultUnsupportedPayload, firmware.Object5UnsupportedPackage, Idle},
		{CallInstall, errors.New("no"), firmware.ResultInstallationFailed, firmware.Object5UpdateFailed, Downloaded},
		{CallInstall, named(firmware.ResultOutOfMemory), firmware.ResultOutOfMemory, firmware.Object5OutOfMemory, Downloaded},
		{CallInstall, named(firmware.ResultUnsupportedPayload), firmware.ResultUnsupportedPayload, firmware.Object5UnsupportedPackage, Idle},
		{CallInstall, named(firmware.ResultPayloadCorrupted), firmware.ResultPayloadCorrupted, firmware.Object5IntegrityFailed, Idle},
		{CallInstall, named(firmware.ResultSuccess), firmware.ResultInstallationFailed, firmware.Object5UpdateFailed, Downloaded},
		{CallInstall, named(firmware.ResultNone), firmware.ResultInstallationFailed, firmware.Object5UpdateFailed, Downloaded},
		{CallInstall, named(77), firmware.ResultInstallationFailed, firmware.Object5UpdateFailed, Downloaded},
	} {
		t.Run(fmt.Sprintf("%s: %v", c.method, c.err), func(t *testing.T) {
			w := running(t)
			w.installer = func(call Call) Called {
				out := Called{ID: call.ID, Method: call.Method, Done: firmware.InstallDone}
				if call.Method == c.method {
					out.Err = c.err
				}
				return out
			}
			_ = w.ask(AskURI, lwm2m.String(imageURI))
			w.download()
			_ = w.ask(AskUpdate, lwm2m.Value{})
			w.wantPhase(c.phase)
			if w.status.Result != c.result || w.status.Object5 != c.object5 {
				t.Errorf("%d and %d, want %d and %d", w.status.Result, w.status.Object5, c.result, c.object5)
			}
		})
	}
}

// What came of a former try is void when a server asks for the next one: also while the gateway
// is asked, and what a person reads of it.
func TestFormerTryIsVoid(t *testing.T) {
	w := runningAsked(t)
	w.answersCall(CallInstall, func(out *Called) { out.Err = errors.New("no room") })
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.authorise(messages.FirmwareGrant, 0)
	w.download()
	_ = w.ask(AskUpdate, lwm2m.Value{})
	w.authorise(messages.FirmwareGrant, 0)
	w.wantPhase(Downloaded)
	w.wantSeen(firmware.PathResult, "8")
	if w.status.Detail == "" {
		t.Fatal("nobody says why")
	}
	void := func(phase Phase) {
		t.Helper()
		w.wantPhase(phase)
		w.wantSeen(firmware.PathResult, "8", "0")
		if w.status.Detail != "" || w.status.Object5 != firmware.Object5Initial {
			t.Errorf("the status is %+v", w.status)
		}
	}
	_ = w.ask(AskUpdate, lwm2m.Value{})
	void(AskingInstall)
	w.answersCall(CallInstall, never)
	w.authorise(messages.FirmwareGrant, 0)
	void(Installing)
}

// panics is an Installer that does not return.
type panics struct{ firmware.Installer }

func (panics) Verify(context.Context, firmware.Image) error { panic("secret") }

func (panics) Reboot(context.Context) error { runtime.Goexit(); return nil }

func TestInstallerThatDoesNotReturnIsAnInternalError(t *testing.T) {
	for _, method := range []Method{CallVerify, CallReboot} {
		answers := make(chan Called, 1)
		go call(t.Context(), panics{}, Call{ID: 1, Method: method}, func(out any) { answers <- out.(Called) })
		out := <-answers
		if !out.Panicked || out.Err == nil {
			t.Fatalf("%s: %+v", method, out)
		}
		w := running(t)
		w.installer = func(call Call) Called {
			out.ID, out.Method = call.ID, call.Method
			return out
		}
		_ = w.ask(AskURI, lwm2m.String(imageURI))
		w.download()
		w.wantPhase(Idle)
		if w.status.Result != firmware.ResultInternal {
			t.Errorf("result %s", w.status.Result)
		}
	}
}

// Management and the supervisor are two: what a server observes in its session may be known
// before the session is.
func TestObservedBeforeTheSession(t *testing.T) {
	w := newWorld(t)
	w.observes, w.version = nil, "1.0"
	w.boot()
	w.epoch++
	w.input(messages.ReportsObserved{Peer: w.peer, Epoch: w.epoch})
	w.input(messages.SessionUp{Peer: w.peer, Epoch: w.epoch, Version: w.version})
	_ = w.ask(AskURI, lwm2m.String(imageURI))
	w.download()
	if n := len(w.m.record.Outbox); n > 0 {
		t.Errorf("%d reports wait for a server that observes nothing", n)
	}
}
