package holdfast

import (
	"context"
	"errors"
	"log/slog"

	"github.com/holdfast-iot/holdfast/internal/clientview"
	"github.com/holdfast-iot/holdfast/internal/journal"
	"github.com/holdfast-iot/holdfast/messages"
)

func init() {
	clientview.Provide(func(client any) clientview.Client { return view{client.(*Client)} })
}

// view is what the companions of a client may do with it.
type view struct{ *Client }

// Endpoint implements clientview.Client.
func (v view) Endpoint() string { return v.config.Endpoint }

// Logger implements clientview.Client.
func (v view) Logger() *slog.Logger { return v.logger }

// Attach implements clientview.Client.
func (v view) Attach(companion clientview.Companion) error {
	v.mu.Lock()
	for v.phase == clientStarting {
		begun := v.begun
		v.mu.Unlock()
		<-begun
		v.mu.Lock()
	}
	defer v.mu.Unlock()
	switch v.phase {
	case clientNew:
	case clientStarted:
		if err := companion.Open(); err != nil {
			return err
		}
		companion.Serve()
	default:
		return codeError(CodeNotAllowed, PhaseAPI, errors.New("the client is closed"))
	}
	v.companions = append(v.companions, companion)
	return nil
}

// openCompanions opens the companions of a client that is starting: until that
// has ended, none comes to them.
func (c *Client) openCompanions() error {
	for _, companion := range c.companions {
		if err := companion.Open(); err != nil {
			return err
		}
	}
	return nil
}

// abandon takes the opening back, as far as it came.
func abandon(companions []clientview.Companion) {
	for _, companion := range companions {
		companion.Abandon()
	}
}

// RollCall implements clientview.Client.
func (v view) RollCall(ctx context.Context) (actors []messages.Pinged, ok bool) {
	answer := make(chan []messages.Pinged, 1)
	if !v.tell(messages.RollCall{Answer: answer}) {
		return nil, false
	}
	select {
	case actors = <-answer:
		return actors, true
	case <-ctx.Done():
		return nil, false
	}
}

// Record implements clientview.Client.
func (v view) Record() journal.Record {
	_, record := v.hub.record()
	return record
}

// Close implements clientview.Client.
func (v view) Close() error {
	go func() { _ = v.Client.Close(context.Background()) }() // its outcome is read below
	<-v.left
	return v.result
}
