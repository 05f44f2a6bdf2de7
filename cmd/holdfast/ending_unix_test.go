//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// child is the program in a process of its own.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	output bytes.Buffer // stdout and stderr
}

// launch starts the program. The test ends it if it does not end by itself.
func launch(t *testing.T, args ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], args...)}
	c.cmd.Env = append(os.Environ(), asProgram+"=1")
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// launchRunning starts a client with a copy of a configuration, and returns when it
// reads that: it has caught the signals then.
func launchRunning(t *testing.T, config string) *child {
	t.Helper()
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "gw.yaml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	c := launch(t, "run", "--config", fifo)
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0) // waits for the reader
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Write(text); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	return c
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.t.Fatal(err)
	}
}

// ends waits for the end, which is to come soon, and returns how the process ended.
func (c *child) ends() syscall.WaitStatus {
	c.t.Helper()
	began := time.Now()
	_ = c.cmd.Wait()                                // the status says it
	if took := time.Since(began); took > endBound { // a busy machine takes more than 5 s
		c.t.Errorf("%q: the end took %v", c.cmd.Args[1:], took)
	}
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		c.t.Fatal("no status")
	}
	return status
}

// A signal in any millisecond of the start ends the client in order: nothing was
// registered, so it is done as asked. Before the program has begun to run, no program
// can do anything about a signal.
func TestSignalWhileStarting(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, after := range []time.Duration{0, 1, 2, 5, 10, 20, 30, 50, 80, 120, 200, 300} {
			dir := t.TempDir()
			config := filepath.Join(dir, "gw.yaml")
			text := "endpoint: g\nserver: {uri: 'coap://127.0.0.1:9', security: nosec}\ncontrol: {listen: 'unix:gw.sock'}\n"
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c := launch(t, "run", "--config", config)
			wait, cancel := context.WithTimeout(t.Context(), after*time.Millisecond)
			<-wait.Done()
			cancel()
			c.signal(s)
			status := c.ends()
			early := status.Signaled() && c.output.Len() == 0
			if !early && (!status.Exited() || status.ExitStatus() != exitDone) {
				t.Errorf("%v after %d ms: %#x, %s", s, after, status, &c.output)
			}
		}
	}
}

// A directory that another process has keeps the start waiting. A signal ends the
// wait; SIGHUP does not.
func TestSignalWhileTheStoreIsLocked(t *testing.T) {
	m := newMachine(t, "lifetime: 1h\n")
	_, w := pipe(t)
	m.start(w)
	m.registered()
	second, third := launchRunning(t, m.config), launchRunning(t, m.config)
	<-time.After(time.Second) // the wait takes 5 s
	second.signal(syscall.SIGTERM)
	third.signal(syscall.SIGHUP)
	if status := second.ends(); !status.Exited() || status.ExitStatus() != exitDone {
		t.Errorf("SIGTERM: %#x, %s", status, &second.output)
	}
	if status := third.ends(); !status.Exited() || status.ExitStatus() != exitFailed || !strings.Contains(third.output.String(), "is in use") {
		t.Errorf("SIGHUP: %#x, %s", status, &third.output)
	}
	m.ends()
}

// A file that never answers keeps no command from ending.
func TestSignalWhileAFileIsRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args string // the file comes last
		exit int
	}{
		{"run --config", exitDone},
		{"server --psk-file", exitDone},
		{"provision --state-dir " + t.TempDir() + " --config", exitFailed},
		{"config check", exitFailed},
		{"ctl status --config", exitFailed},
	} {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(fmt.Sprint(test.args, s), func(t *testing.T) {
				t.Parallel()
				fifo := filepath.Join(t.TempDir(), "fifo")
				if err := syscall.Mkfifo(fifo, 0o600); err != nil {
					t.Fatal(err)
				}
				c := launch(t, append(strings.Fields(test.args), fifo)...)
				writer, err := os.OpenFile(fifo, os.O_WRONLY, 0) // waits for the reader
				if err != nil {
					t.Fatal(err)
				}
				defer writer.Close()
				c.signal(s)
				if status := c.ends(); !status.Exited() || status.ExitStatus() != test.exit {
					t.Errorf("%#x, want exit %d: %s", status, test.exit, &c.output)
				}
			})
		}
	}
}

// Who does not want to wait for the de-registration sends a second signal.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		m := newMachine(t, "lifetime: 2s\n")
		m.server.Misbehave(gateway, lwm2mtest.Deregister, 1<<10, lwm2mtest.Behaviour{Silent: true})
		c := launch(t, "run", "--config", m.config)
		m.updates(1) // so the client knows that it is registered
		c.signal(s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := m.server.WaitRequests(ctx, gateway, lwm2mtest.Deregister, 1)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		c.signal(s)
		if status := c.ends(); !status.Exited() || status.ExitStatus() != exitFailed || time.Since(began) > closeBound {
			t.Errorf("%v: %#x after %v", s, status, time.Since(began))
		}
	}
}

// The other commands end soon, too.
func TestSignalOfOtherCommands(t *testing.T) {
	t.Parallel()
	// What is caught here is not ignored by a child, even where the test is under nohup.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for _, test := range []struct {
		args string
		says string // when it is under way
		exit int
	}{
		{"demo --only black-hole --json", `"type"`, exitFailed},
		{"server --nosec --listen 127.0.0.1:0 --bootstrap-listen 127.0.0.1:0 --json", "listening", exitDone},
	} {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
			r, w := pipe(t)
			c := &child{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], strings.Fields(test.args)...)}
			c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = append(os.Environ(), asProgram+"=1"), w, &c.output
			if err := c.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			first := make([]byte, 4096)
			if n, err := r.Read(first); err != nil || !strings.Contains(string(first[:n]), test.says) {
				t.Fatalf("%s: %q, %v: %s", test.args, first[:n], err, &c.output)
			}
			c.signal(s)
			if status := c.ends(); !status.Exited() || status.ExitStatus() != test.exit {
				t.Errorf("%s, %v: %#x, want exit %d: %s", test.args, s, status, test.exit, &c.output)
			}
		}
	}
}

// Under nohup a server outlives its terminal.
func TestHangupThatIsNotWanted(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	c := &child{t: t, cmd: exec.CommandContext(t.Context(), "/bin/sh", "-c", `trap '' HUP; exec "$0" "$@"`, os.Args[0],
		"server", "--nosec", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0", "--json")}
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = append(os.Environ(), asProgram+"="+asItIs), w, &c.output
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	lines := json.NewDecoder(r)
	var listening serverRecord
	if err := lines.Decode(&listening); err != nil {
		t.Fatalf("%v: %s", err, &c.output)
	}
	c.signal(syscall.SIGHUP)
	client := newMachine(t, "")
	client.config = writeFile(t, "gw.yaml", fmt.Sprintf("endpoint: %s\nstate_dir: %s\nserver: {uri: %q, security: nosec}\n", gateway, t.TempDir(), listening.URI))
	client.start(nil)
	for listening.Type != "register" {
		if err := lines.Decode(&listening); err != nil {
			t.Fatalf("it has ended: %v: %s", err, &c.output)
		}
	}
	client.signal(syscall.SIGTERM)
	_ = client.cmd.Wait() // another test's business
	c.signal(syscall.SIGTERM)
	if status := c.ends(); !status.Exited() || status.ExitStatus() != exitDone {
		t.Errorf("%#x: %s", status, &c.output)
	}
}

// A command that ends by itself waits for whoever reads what it says, and not once it
// is asked to end.
func TestSignalWhileNobodyReads(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "gw.yaml")
	for _, args := range []string{
		"version", "help", "", "nonsense", "config check " + missing,
		"provision --state-dir " + t.TempDir() + " --config " + missing, "ctl status --addr unix:" + missing,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			_, full := pipe(t)
			clog(t, full)
			c := &child{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], strings.Fields(args)...)}
			c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = append(os.Environ(), asProgram+"="+asItIs), full, full
			if err := c.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			wait, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // too early is right, too
			<-wait.Done()
			cancel()
			began := time.Now()
			c.signal(syscall.SIGTERM)
			if status := c.ends(); status.Exited() && status.ExitStatus() == exitDone || time.Since(began) > endBound-2*time.Second {
				t.Errorf("%#x after %v", status, time.Since(began))
			}
		})
	}
}
