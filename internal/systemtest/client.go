package systemtest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/control"
	"github.com/holdfast-iot/holdfast/internal/alarm"
)

// Client is a started client with a record of its events.
type Client struct {
	*holdfast.Client
	T    *testing.T
	Feed <-chan holdfast.Event // what Next has not taken yet
	Seen []holdfast.Event

	live bool // in real time, outside a bubble

	attach sync.Once
	api    *control.Server // once it was asked for
}

// eventRoom is how many events a test may leave unread. Room for each of them is
// made at once: for tens of thousands it would be most of what a test costs.
const eventRoom = 1 << 10

// StartRecorded starts a client with a record of its events. A test in which one
// of them had no room fails: it would judge by what was left.
func StartRecorded(t *testing.T, client *holdfast.Client) *Client {
	t.Helper()
	c := startRecorded(t, client, eventRoom)
	t.Cleanup(func() {
		if len(c.Feed) == cap(c.Feed) || c.lost() {
			t.Errorf("events had no room: take them as they come; %s", c.Story())
		}
	})
	return c
}

// lost reports whether an event is missing before the latest one. Numbers have no
// gaps.
func (c *Client) lost() bool {
	c.Story() // takes what is left
	n := len(c.Seen)
	return n > 0 && c.Seen[n-1].Seq != uint64(n)
}

// startRecorded starts a client with a record of so many events.
func startRecorded(t *testing.T, client *holdfast.Client, room int) *Client {
	t.Helper()
	c := &Client{Client: client, T: t}
	c.Feed, _ = client.Events(room)
	if err := client.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return c
}

// patience is how long tests wait for anything, in virtual time: longer than
// the longest delay of the policy.
const patience = 15 * 24 * time.Hour

// WaitFor waits for a state, and for all that belongs to it.
func (c *Client) WaitFor(state holdfast.State) {
	c.T.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Await(ctx, state); err != nil {
		c.T.Fatalf("%v; events: %s", err, c.Story())
	}
	c.settle()
}

// settle waits until nothing more happens in this instant: the event of a registration
// comes behind the state, say, and Status behind both. In real time there is no telling.
func (c *Client) settle() {
	if !c.live {
		synctest.Wait()
	}
}

// Next returns the next event of a type, waiting for it and for all that belongs to it.
func (c *Client) Next(kind holdfast.EventType) holdfast.Event {
	c.T.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case e, open := <-c.Feed:
			if !open {
				c.T.Fatalf("no %s event came; events: %s", kind, c.Story())
			}
			c.Seen = append(c.Seen, e)
			if e.Type == kind {
				c.settle()
				return e
			}
		case <-timeout.C:
			c.T.Fatalf("no %s event came; events: %s", kind, c.Story())
		}
	}
}

// Sleep lets virtual time pass, and takes the events that come meanwhile: after
// years they are more than there is room for.
func (c *Client) Sleep(d time.Duration) {
	passed := make(chan struct{})
	alarm.After(d, func() { close(passed) })
	feed := c.Feed
	for {
		select {
		case e, open := <-feed:
			if !open {
				feed = nil
				continue
			}
			c.Seen = append(c.Seen, e)
		case <-passed:
			return
		}
	}
}

// Story returns what has happened so far, one line an event.
func (c *Client) Story() string {
	for len(c.Feed) > 0 {
		c.Seen = append(c.Seen, <-c.Feed)
	}
	text := ""
	for _, e := range c.Seen[max(0, len(c.Seen)-30):] {
		text += "\n" + e.Time.Format(time.TimeOnly) + " " + string(e.Type) + " " + string(e.State) + e.Name + " " + e.Detail
	}
	return text
}

// ExpectQuiet demands that no event has come that was not read.
func (c *Client) ExpectQuiet() {
	c.T.Helper()
	synctest.Wait()
	if n := len(c.Feed); n > 0 {
		c.T.Errorf("%d events: %s", n, c.Story())
	}
}

// ExpectError takes the next error event and demands its code.
func (c *Client) ExpectError(code holdfast.ErrorCode) holdfast.Event {
	c.T.Helper()
	e := c.Next(holdfast.EventError)
	if e.Code != code {
		c.T.Fatalf("%s: %+v; events: %s", code, e, c.Story())
	}
	return e
}

// ExpectClose closes the client and demands a certain outcome.
func (c *Client) ExpectClose(want error) {
	c.T.Helper()
	err := c.Close(context.Background())
	if !IsError(err, want) {
		c.T.Errorf("Close: %v, want %v", err, want)
	}
}

// IsError is errors.Is in which nil stands for success.
func IsError(err, want error) bool {
	if want == nil {
		return err == nil
	}
	return errors.Is(err, want)
}
