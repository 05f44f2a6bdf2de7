package main

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// person sits at a terminal at which a server runs.
type person struct {
	t            *testing.T
	keys         *os.File // the master side
	terminal     *os.File
	before       unix.Termios
	cmd          *exec.Cmd
	sees         *sight
	readingEnded chan struct{}
}

// sight is what has appeared on a terminal.
type sight struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (s *sight) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.text.Write(text)
}

func (s *sight) now() (text string, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String(), s.changed
}

// sitDown starts a server at a terminal of its own.
func sitDown(t *testing.T) *person {
	t.Helper()
	p := &person{t: t, sees: &sight{changed: make(chan struct{})}, readingEnded: make(chan struct{})}
	p.keys, p.terminal = openTerminal(t)
	p.before = p.mode()
	p.cmd = exec.CommandContext(t.Context(), os.Args[0], "server", "--nosec", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0")
	p.cmd.Env = append(os.Environ(), asProgram+"="+asItIs, "TERM=xterm", "NO_COLOR=1")
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = p.terminal, p.terminal, p.terminal
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.readingEnded)
		buf := make([]byte, 4096)
		for {
			n, err := p.keys.Read(buf)
			_, _ = p.sees.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		p.terminal.Close() // the last one: reading on the other side ends
		<-p.readingEnded
	})
	return p
}

func (p *person) mode() unix.Termios {
	p.t.Helper()
	mode, err := unix.IoctlGetTermios(int(p.terminal.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return *mode
}

func (p *person) types(keys string) {
	p.t.Helper()
	if _, err := p.keys.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// waits waits until something has appeared, and returns all that is there by then.
func (p *person) waits(what string) string {
	p.t.Helper()
	pattern := regexp.MustCompile(what)
	limit := time.After(time.Minute)
	for {
		text, changed := p.sees.now()
		if pattern.MatchString(text) {
			return text
		}
		select {
		case <-changed:
		case <-limit:
			p.t.Fatalf("no %q appears: %q", what, text)
		}
	}
}

// ends waits for the end of the server, and demands a terminal as it was.
func (p *person) ends() {
	p.t.Helper()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("it ended with %v", err)
	}
	if got := p.mode(); got != p.before {
		p.t.Errorf("the terminal is left as %+v, and was %+v", got, p.before)
	}
}

// A person completes a command, sees its answer, has it again from the history, and is
// not disturbed by what the server has to say meanwhile.
func TestPrompt(t *testing.T) {
	t.Parallel()
	p := sitDown(t)
	text := p.waits(`management server at coap://\S+\r\n(?s:.*)> `)
	p.types("cli\t")
	p.waits(`> cli.*clients `)
	p.types("\r")
	p.waits(`nobody is registered\r\n`)
	p.types("\x1b[A\r") // the arrow up
	p.waits(`nobody is registered\r\n(?s:.*)nobody is registered\r\n`)
	p.types("wri\t\t")
	p.waits(`write            a value(?s:.*)write-composite  values`)

	address := regexp.MustCompile(`management server at coap://(\S+)`).FindStringSubmatch(text)[1]
	malformed(t, address)
	p.waits(`malformed  from \S+\r\n> write`) // and the line that is begun stands below
	p.types("\x04")
	time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() })
	p.types("\x15\x04") // Ctrl-U empties the line: Ctrl-D ends only there
	p.ends()
}

// What is pasted counts line by line, also where the terminal marks it as pasted; a line that the
// prompt has cut off does not count at all.
func TestPromptTakesPastedLines(t *testing.T) {
	t.Parallel()
	p := sitDown(t)
	p.waits(`> $`)
	p.types("\x1b[200~clients\rhelp quit\r\x1b[201~")
	p.waits(`nobody is registered\r\n(?s:.*)ends the server once`)
	for range 10 {
		p.types("help " + strings.Repeat("x", 500)) // what a terminal holds is bounded too
	}
	p.types("\r")
	p.waits(`this one was cut off there: pipe it`)
	p.types("help clients\r")
	text := p.waits(`who is registered`)
	if strings.Contains(text, "is not a command") {
		t.Errorf("half a line was carried out: %q", text)
	}
	p.types("quit\r")
	p.ends()
}

func TestPromptEndsWithInterruptAndSignal(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*person){
		"Ctrl-C":  func(p *person) { p.types("half a line\x03") },
		"SIGTERM": func(p *person) { _ = p.cmd.Process.Signal(syscall.SIGTERM) },
		"quit":    func(p *person) { p.types("quit\r") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := sitDown(t)
			p.waits(`> $`)
			if p.mode() == p.before {
				t.Error("keys are not delivered one by one")
			}
			end(p)
			p.ends()
		})
	}
}

// In the background a process that reads from its terminal is stopped: the server does not.
func TestServerInTheBackground(t *testing.T) {
	t.Parallel()
	keys, terminal := openTerminal(t)
	r, w := pipe(t)
	shell := exec.CommandContext(t.Context(), "sh", "-c",
		`set -m; "$0" server --nosec --json --listen 127.0.0.1:0 --bootstrap-listen 127.0.0.1:0 & echo "$!"; wait "$!"; echo "ended $?"`, os.Args[0])
	shell.Env = append(os.Environ(), asProgram+"="+asItIs)
	shell.Stdin, shell.Stdout, shell.Stderr = terminal, w, w
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := keys.WriteString("quit\n"); err != nil { // not for the server
		t.Fatal(err)
	}
	said := bufio.NewScanner(r)
	said.Scan()
	pid, err := strconv.Atoi(said.Text())
	if err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(time.Minute, func() { _ = syscall.Kill(pid, syscall.SIGKILL) }).Stop()
	said.Scan()
	said.Scan() // both listen
	malformed(t, regexp.MustCompile(`coap://([^"]+)`).FindStringSubmatch(said.Text())[1])
	said.Scan() // it is alive
	_ = syscall.Kill(pid, syscall.SIGTERM)
	if said.Scan(); said.Text() != "ended 0" {
		t.Errorf("it has not ended in order: %s", said.Text())
	}
	_ = shell.Wait()
}

// malformed sends a server something to talk about.
func malformed(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("udp", address)
	if err == nil {
		_, err = conn.Write([]byte("no CoAP"))
	}
	if err != nil {
		t.Fatal(err)
	}
}
