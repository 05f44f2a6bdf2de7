package netns

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// stop and resume stop the server's process; nobody notices but by silence.
func (s *serverProcess) stop() {
	s.signal(syscall.SIGSTOP)
	s.t.Cleanup(s.resume) // or it would not hear that it is to end
	s.awaitStopped()
}

// awaitStopped returns when every thread stands still: the signal stops them
// one by one, and one that still runs may answer what comes next.
func (s *serverProcess) awaitStopped() {
	s.t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for range 5000 {
		if stopped(s.command.Process.Pid) {
			return
		}
		<-ticker.C
	}
	s.t.Fatal("the server goes on after SIGSTOP")
}

// stopped reports whether all threads of a process are in state T (proc(5)).
func stopped(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil || !bytes.Contains(stat, []byte(") T ")) {
			return false
		}
	}
	return true
}

func (s *serverProcess) resume() { s.signal(syscall.SIGCONT) }

// The server is killed, its port refuses, and a new one knows nobody.
func TestServerKilled(t *testing.T) {
	outage{
		name:  "server killed, started again",
		begin: func(s *site) { s.server.kill() },
		end:   (*site).serve,
		want:  []holdfast.ErrorCode{network, network, network}, perAttempt: whenRefused,
	}.both(t)
}
