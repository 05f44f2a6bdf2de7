package update

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-iot/holdfast/internal/download"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// partSize is how much of an image is fetched by HTTP at a time.
const partSize = 32 << 10

// fetch is one attempt to fetch an image by HTTP, on a goroutine of its own. It has one part
// at a time: the next is read when it is asked for.
type fetch struct {
	id     uint64
	ctx    context.Context
	cancel context.CancelFunc
	more   chan struct{} // has room for one
}

func newFetch(ctx context.Context, id uint64) *fetch {
	f := &fetch{id: id, more: make(chan struct{}, 1)}
	f.ctx, f.cancel = context.WithCancel(ctx)
	return f
}

// run fetches, until the end or until it is stopped; then nothing more is told.
func (f *fetch) run(what HTTPFetch, client *download.Client, tell func(any)) {
	defer f.cancel()
	body, err := client.Open(f.ctx, what.Location, download.Fetch{From: what.From, Validator: string(what.ETag), Size: what.Size})
	if err == nil {
		defer body.Close()
		err = f.read(body, tell)
	}
	if err != nil && f.ctx.Err() == nil {
		tell(HTTPFailed{ID: f.id, Err: err})
	}
}

// read tells the parts. Each has memory of its own, which is that of the one who gets it.
func (f *fetch) read(body *download.Body, tell func(any)) error {
	at := body.From
	for {
		part := make([]byte, partSize)
		n, err := body.Next(part)
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		tell(HTTPPart{ID: f.id, Offset: at, Data: part[:n], ETag: []byte(body.Validator), Size: body.Total, Last: last})
		if last {
			return nil
		}
		at += int64(n)
		select {
		case <-f.more:
		case <-f.ctx.Done():
			return f.ctx.Err()
		}
	}
}

// caller calls the Installer: one method at a time, also after the actor was started anew.
type caller struct {
	ctx       context.Context
	turn      chan struct{}
	installer firmware.Installer
	tell      func(any)

	id     uint64 // of the latest call
	cancel context.CancelFunc
}

// call begins a call on a goroutine of its own, behind one that has been given up and has not
// returned yet.
func (c *caller) call(what Call) {
	c.end(c.id)
	ctx, cancel := context.WithCancel(c.ctx)
	c.id, c.cancel = what.ID, cancel
	go func() {
		defer cancel()
		select {
		case c.turn <- struct{}{}:
			defer func() { <-c.turn }()
			if ctx.Err() == nil {
				call(ctx, c.installer, what, c.tell)
			}
		case <-ctx.Done():
		}
	}()
}

// end has a call end early.
func (c *caller) end(id uint64) {
	if c.cancel != nil && c.id == id {
		c.cancel()
	}
}

// call calls the Installer on the goroutine that it is called on. A panic is its answer.
func call(ctx context.Context, installer firmware.Installer, c Call, tell func(any)) {
	out := Called{ID: c.ID, Method: c.Method}
	returned := false
	defer func() {
		if reason := recover(); reason != nil {
			out.Panicked, out.Err = true, fmt.Errorf("the Installer has panicked in %s", c.Method)
		} else if !returned {
			out.Panicked, out.Err = true, fmt.Errorf("the Installer has ended its goroutine in %s", c.Method)
		}
		tell(out)
	}()
	perform(ctx, installer, c, &out)
	returned = true
}

func perform(ctx context.Context, installer firmware.Installer, c Call, out *Called) {
	switch c.Method {
	case CallVerify:
		out.Err = installer.Verify(ctx, c.Image)
	case CallInstall:
		out.Done, out.Err = installer.Install(ctx, c.Image)
	case CallReboot:
		out.Err = installer.Reboot(ctx)
	case CallConfirm:
		out.Err = installer.Confirm(ctx, c.Image)
	case CallRollBack:
		out.Err = installer.RollBack(ctx, c.Image)
	}
}
