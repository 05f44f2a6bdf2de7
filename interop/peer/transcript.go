package peer

import (
	"bytes"
	"context"
	"fmt"
	"sync"
)

// transcriptPart is how many bytes are kept of the beginning of a peer's
// output, and again of its end: enough for a failure message, and no chatty
// peer fills the memory or pushes out what it said first.
const transcriptPart = 64 << 10

// transcript keeps what a process printed and lets others wait for a text in
// it. It is an io.Writer for exec.Cmd.
type transcript struct {
	mu      sync.Mutex
	head    []byte
	tail    []byte // at most twice transcriptPart, so that it is seldom moved
	dropped int    // bytes between head and tail
	changed chan struct{}
}

func newTranscript() *transcript {
	return &transcript{changed: make(chan struct{})}
}

// Write never fails.
func (tr *transcript) Write(p []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	first := min(len(p), transcriptPart-len(tr.head))
	tr.head = append(tr.head, p[:first]...)
	tr.tail = append(tr.tail, p[first:]...)
	if excess := len(tr.tail) - transcriptPart; excess > transcriptPart {
		tr.tail = append([]byte(nil), tr.tail[excess:]...)
		tr.dropped += excess
	}
	close(tr.changed)
	tr.changed = make(chan struct{})
	return len(p), nil
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.dropped == 0 {
		return string(tr.head) + string(tr.tail)
	}
	return fmt.Sprintf("%s\n[%d bytes left out]\n%s", tr.head, tr.dropped, tr.tail)
}

// wait returns nil once the text has been printed, the context's error when
// that ends, and errExited when the process does.
func (tr *transcript) wait(ctx context.Context, text string, exited <-chan struct{}) error {
	for {
		found, changed := tr.contains(text)
		if found {
			return nil
		}
		select {
		case <-changed:
		case <-exited:
			if found, _ := tr.contains(text); found {
				return nil
			}
			return errExited
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// contains also returns a channel that is closed by the next Write.
func (tr *transcript) contains(text string) (bool, <-chan struct{}) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	want := []byte(text)
	return bytes.Contains(tr.head, want) || bytes.Contains(tr.tail, want), tr.changed
}
