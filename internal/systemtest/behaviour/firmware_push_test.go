package behaviour

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// inFrame is the image with what a Content-Format has around it.
func inFrame(head []byte, size int64) io.Reader {
	return io.MultiReader(bytes.NewReader(head), image.Reader(size))
}

// tlvHead is what TLV has before a package of a size (LwM2M Core section 7.4.3), cborHead what
// CBOR has (RFC 8949 section 3).
func tlvHead(size uint32) []byte {
	return append([]byte{0b11_0_11_000, 0}, binary.BigEndian.AppendUint32(nil, size)[1:]...)
}

func cborHead(size uint32) []byte { return binary.BigEndian.AppendUint32([]byte{0x5a}, size) }

// push runs script with a client that is registered.
func pushing(t *testing.T, disk lwm2mtest.DiskFault, change func(*holdfast.Config), script func(*firmwareWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newFirmwareWorld(t)
		defer w.Close()
		cfg := w.config()
		if change != nil {
			change(&cfg)
		}
		c := w.Start(cfg, ending{disk: disk}.options()...)
		c.WaitFor(holdfast.Registered)
		w.observe(firmware.PathState, firmware.PathResult)
		script(w)
		c.ExpectClose(nil)
	})
}

func (w *firmwareWorld) push(body io.Reader, o lwm2mtest.PushOptions, want lwm2m.Code) {
	w.T.Helper()
	answer, err := w.Server.Push(context.Background(), systemtest.Endpoint, "/5/0/0", body, o)
	if err != nil || answer.Code != want {
		w.T.Fatalf("answered %s %q, %v; want %s", answer.Code, answer.Payload, err, want)
	}
}

// A package comes in each format that has bytes, in blocks of each size, and in one message.
func TestFirmwarePushedInEachFormat(t *testing.T) {
	for name, o := range map[string]struct {
		format *lwm2m.Format
		head   func(uint32) []byte
	}{
		"opaque": {format: new(lwm2m.FormatOpaque)}, "TLV": {new(lwm2m.FormatTLV), tlvHead}, "CBOR": {new(lwm2m.FormatCBOR), cborHead},
	} {
		for _, size := range []uint32{1, 1000, 1024, 10_000} {
			for _, block := range []int{64, 1024} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					pushing(t, nil, nil, func(w *firmwareWorld) {
						var head []byte
						if o.head != nil {
							head = o.head(size)
						}
						w.push(inFrame(head, int64(size)), lwm2mtest.PushOptions{Format: o.format, BlockSize: block}, lwm2m.CodeChanged)
						time.Sleep(time.Minute)
						w.execute("/5/0/2", lwm2m.CodeChanged)
						time.Sleep(time.Minute)
						w.wantValues(firmware.PathState, 0, 1, 2, 3, 0)
						w.wantValues(firmware.PathResult, 0, 1)
						w.wantInstalled(image, int64(size))
					})
				})
			}
		}
	}
}

// A package in a format that has no bytes, or whose frame cannot be, begins no update.
func TestFirmwarePushedInNoFormat(t *testing.T) {
	for name, o := range map[string]struct {
		format lwm2m.Format
		head   []byte
		want   lwm2m.Code
	}{
		"text":                      {lwm2m.FormatText, nil, lwm2m.CodeUnsupportedFormat},
		"SenML JSON":                {lwm2m.FormatSenMLJSON, nil, lwm2m.CodeUnsupportedFormat},
		"link-format":               {lwm2m.FormatLinkFormat, nil, lwm2m.CodeUnsupportedFormat},
		"TLV of another resource":   {lwm2m.FormatTLV, []byte{0b11_0_11_000, 1, 0, 0x27, 0x10}, lwm2m.CodeBadRequest},
		"TLV of an object instance": {lwm2m.FormatTLV, []byte{0b00_0_11_000, 0, 0, 0x27, 0x10}, lwm2m.CodeBadRequest},
		"CBOR of a text":            {lwm2m.FormatCBOR, []byte{0x7a, 0, 0, 0x27, 0x10}, lwm2m.CodeBadRequest},
		"CBOR without a length":     {lwm2m.FormatCBOR, []byte{0x5f}, lwm2m.CodeBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			pushing(t, nil, nil, func(w *firmwareWorld) {
				w.push(inFrame(o.head, 10_000), lwm2mtest.PushOptions{Format: &o.format}, o.want)
				w.wantState(0, 0)
			})
		})
	}
}

// How a package fails that cannot be taken: the answer says it to whoever sends, and the result
// to all.
func TestFirmwarePushThatFails(t *testing.T) {
	const size = 50_000
	for name, o := range map[string]struct {
		disk    lwm2mtest.DiskFault
		change  func(*holdfast.Config)
		head    []byte
		format  lwm2m.Format
		code    lwm2m.Code
		result  int64
		install lwm2mtest.InstallerOutcome
	}{
		"too large": {
			change: func(cfg *holdfast.Config) { cfg.Firmware.MaxSize = size - 1 }, format: lwm2m.FormatOpaque,
			code: lwm2m.CodeRequestEntityTooLarge, result: 2,
		},
		"full disk": {
			disk: imageFails(lwm2mtest.DiskWrite, 1, syscall.ENOSPC), format: lwm2m.FormatOpaque,
			code: lwm2m.CodeRequestEntityTooLarge, result: 2,
		},
		"no memory": {
			disk: imageFails(lwm2mtest.DiskWrite, 1, syscall.ENOMEM), format: lwm2m.FormatOpaque,
			code: lwm2m.CodeInternalServerError, result: 3,
		},
		"shorter than its TLV": {format: lwm2m.FormatTLV, head: tlvHead(size + 1), code: lwm2m.CodeBadRequest, result: 5},
		"longer than its TLV":  {format: lwm2m.FormatTLV, head: tlvHead(size - 1), code: lwm2m.CodeBadRequest, result: 5},
		"longer than its CBOR": {format: lwm2m.FormatCBOR, head: cborHead(size - 1), code: lwm2m.CodeBadRequest, result: 5},
	} {
		t.Run(name, func(t *testing.T) {
			pushing(t, o.disk, o.change, func(w *firmwareWorld) {
				w.push(inFrame(o.head, size), lwm2mtest.PushOptions{Format: &o.format}, o.code)
				time.Sleep(time.Minute)
				w.wantValues(firmware.PathState, 0, 1, 0)
				w.wantValues(firmware.PathResult, 0, o.result)
			})
		})
	}
}

// A block that leaves a gap is refused, and the package goes on where it was, or from the
// beginning (RFC 7959 section 2.9.2).
func TestFirmwarePushWithAGap(t *testing.T) {
	pushing(t, nil, nil, func(w *firmwareWorld) {
		steps := []struct {
			number int
			want   lwm2m.Code
		}{
			{1, lwm2m.CodeRequestEntityIncomplete}, {0, lwm2m.CodeContinue}, {1, lwm2m.CodeContinue}, {3, lwm2m.CodeRequestEntityIncomplete},
		}
		for _, s := range steps {
			if code := w.block(s.number, true, 1024); code != s.want {
				t.Fatalf("block %d: answered %s", s.number, code)
			}
		}
		w.wantState(1, 0)
		for number, want := range []lwm2m.Code{lwm2m.CodeContinue, lwm2m.CodeContinue, lwm2m.CodeContinue, lwm2m.CodeChanged} {
			if code := w.block(number, number < 3, 1024); code != want {
				t.Fatalf("block %d: answered %s", number, code)
			}
		}
		time.Sleep(time.Minute)
		w.execute("/5/0/2", lwm2m.CodeChanged)
		time.Sleep(time.Minute)
		w.wantValues(firmware.PathState, 0, 1, 2, 3, 0)
		w.wantInstalled(image, 4096)
	})
}

// A package that does not go on has failed after EXCHANGE_LIFETIME.
func TestFirmwarePushThatStops(t *testing.T) {
	pushing(t, nil, nil, func(w *firmwareWorld) {
		if code := w.block(0, true, 1024); code != lwm2m.CodeContinue {
			t.Fatal(code)
		}
		time.Sleep(247*time.Second - time.Millisecond)
		w.wantValues(firmware.PathState, 0, 1)
		time.Sleep(time.Second)
		w.wantValues(firmware.PathState, 0, 1, 0)
		w.wantValues(firmware.PathResult, 0, 4)
		if code := w.block(1, true, 1024); code != lwm2m.CodeRequestEntityIncomplete {
			t.Errorf("a late block is answered %s", code)
		}
	})
}

// A server that gives up in the middle and resets can push anew at once.
func TestFirmwarePushGivenUp(t *testing.T) {
	pushing(t, nil, nil, func(w *firmwareWorld) {
		givenUp := errors.New("given up")
		_, err := w.Server.Push(context.Background(), systemtest.Endpoint, "/5/0/0", image.Reader(imageSize), lwm2mtest.PushOptions{
			Before: func(_ context.Context, offset int64) error {
				if offset >= 20*1024 {
					return givenUp
				}
				return nil
			},
		})
		if !errors.Is(err, givenUp) {
			t.Fatal(err)
		}
		w.write("/5/0/1", text(""), lwm2m.CodeChanged)
		time.Sleep(time.Second)
		w.push(lwm2mtest.Pattern(2).Reader(5000), lwm2mtest.PushOptions{}, lwm2m.CodeChanged)
		time.Sleep(time.Minute)
		w.execute("/5/0/2", lwm2m.CodeChanged)
		time.Sleep(time.Minute)
		w.wantValues(firmware.PathState, 0, 1, 0, 1, 2, 3, 0)
		w.wantInstalled(lwm2mtest.Pattern(2), 5000)
	})
}

// A package of which every datagram comes twice is the same package.
func TestFirmwarePushedTwiceOver(t *testing.T) {
	pushing(t, nil, nil, func(w *firmwareWorld) {
		w.push(image.Reader(20_000), lwm2mtest.PushOptions{Twice: true}, lwm2m.CodeChanged)
		time.Sleep(time.Minute)
		w.execute("/5/0/2", lwm2m.CodeChanged)
		time.Sleep(time.Minute)
		w.wantInstalled(image, 20_000)
	})
}

// A session that is lost in the middle ends the package: a transfer in blocks does not outlive
// its link.
func TestFirmwarePushAndARegistrationThatIsForgotten(t *testing.T) {
	pushing(t, nil, nil, func(w *firmwareWorld) {
		if code := w.block(0, true, 1024); code != lwm2m.CodeContinue {
			t.Fatal(code)
		}
		w.Server.Forget()
		time.Sleep(24 * time.Hour)
		w.wantState(0, 4)
		if calls := w.installer.Calls(); len(calls) > 0 || slices.Contains(w.values(firmware.PathState), 2) {
			t.Errorf("there was an image: %v", calls)
		}
	})
}
