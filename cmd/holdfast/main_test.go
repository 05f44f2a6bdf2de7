package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain finds goroutines that were left behind. The clients run on real
// time here, and the throttle of protoactor's dead letters ends a second after
// its last use: goleak, which waits for less, asks until then.
//
// With asProgram in its environment the binary is the program itself, for tests of
// signals and of pipes; it may ask for one that panics.
func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "":
	case panicsInStart:
		os.Exit((&program{ctx: brokenContext{context.Background()}, stdout: os.Stdout, stderr: os.Stderr, lookupEnv: noEnv}).dispatch(os.Args[1:]))
	default:
		main()
	}
	signal.Reset() // what package early has caught
	exit := m.Run()
	patience := time.Now().Add(30 * time.Second)
	leak := goleak.Find()
	for leak != nil && time.Now().Before(patience) {
		leak = goleak.Find()
	}
	if leak != nil && exit == 0 {
		fmt.Fprintln(os.Stderr, leak)
		exit = 1
	}
	os.Exit(exit)
}

// What the variable asProgram may be.
const (
	asProgram     = "HOLDFAST_TEST_AS_PROGRAM"
	asItIs        = "1"
	panicsInStart = "panic"
)

// brokenContext panics when the client's Start wants to know when it ends.
type brokenContext struct{ context.Context }

func (brokenContext) Done() <-chan struct{} {
	if strings.Contains(string(debug.Stack()), "holdfast.(*Client).Start(") {
		panic("a broken context")
	}
	return nil
}

// run carries a command line out.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return runWith(ctx, strings.NewReader(""), args, stdout, stderr)
}

// runWith does so with an input.
func runWith(ctx context.Context, stdin io.Reader, args []string, stdout, stderr io.Writer) int {
	p := &program{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, lookupEnv: noEnv}
	return p.dispatch(args)
}

func noEnv(string) (string, bool) { return "", false }

// outcome is what an invocation left behind.
type outcome struct {
	exit           int
	stdout, stderr string
}

// invoke runs a command line to its end.
func invoke(ctx context.Context, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	exit := run(ctx, args, &stdout, &stderr)
	return outcome{exit, stdout.String(), stderr.String()}
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// process is an invocation under way whose stdout is lines of JSON.
type process struct {
	t     *testing.T
	stop  context.CancelFunc
	lines *json.Decoder
	ended chan int
}

// start runs a command line on a goroutine of its own until stop.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startWith(t, strings.NewReader(""), args...)
}

// startWith does so with an input.
func startWith(t *testing.T, stdin io.Reader, args ...string) *process {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	p := &process{t: t, stop: stop, lines: json.NewDecoder(r), ended: make(chan int, 1)}
	go func() {
		exit := runWith(ctx, stdin, args, w, io.Discard)
		_ = w.Close()
		p.ended <- exit
	}()
	return p
}

// until reads lines until one of that type and returns it.
func (p *process) until(kind string) map[string]any {
	p.t.Helper()
	for {
		var line map[string]any
		if err := p.lines.Decode(&line); err != nil {
			p.t.Fatalf("no line of type %q: %v", kind, err)
		}
		if line["type"] == kind {
			return line
		}
	}
}

// untilAll reads until a line of each type has come, in any order.
func (p *process) untilAll(kinds ...string) map[string]map[string]any {
	p.t.Helper()
	lines := map[string]map[string]any{}
	for len(lines) < len(kinds) {
		var line map[string]any
		if err := p.lines.Decode(&line); err != nil {
			p.t.Fatalf("lines of types %q, want %q: %v", slices.Sorted(maps.Keys(lines)), kinds, err)
		}
		if kind, ok := line["type"].(string); ok && slices.Contains(kinds, kind) {
			lines[kind] = line
		}
	}
	return lines
}

// end stops the invocation, reads the rest of its lines and returns its exit
// code.
func (p *process) end() int {
	p.stop()
	return p.ends()
}

// ends waits for the invocation to end by itself, and returns its exit code.
func (p *process) ends() int {
	var line map[string]any
	for p.lines.Decode(&line) == nil {
	}
	return <-p.ended
}
