package holdfast

import (
	"context"
	"time"

	"github.com/holdfast-iot/holdfast/messages"
)

// Go's monotonic clock stands still while Linux is suspended, so a delay of a
// week becomes a week of waking hours. A watch compares the two clocks and
// tells the supervisor what the machine has slept.
const (
	suspendInterval = 30 * time.Second
	suspendLeast    = 2 * time.Second // less is scheduling noise
)

// watchSuspend starts the watch on a real network; a simulated one has a
// simulated clock, which never sleeps. Callers hold c.mu.
func (c *Client) watchSuspend() {
	if c.runtime.transport != nil {
		return
	}
	if _, supported := sleptSinceBoot(); !supported {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go c.suspendLoop(ctx)
}

func (c *Client) suspendLoop(ctx context.Context) {
	ticker := time.NewTicker(suspendInterval)
	defer ticker.Stop()
	before, _ := sleptSinceBoot()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, _ := sleptSinceBoot()
		if slept := now - before; slept >= suspendLeast {
			c.tell(messages.Woke{Slept: slept})
		}
		before = now
	}
}
