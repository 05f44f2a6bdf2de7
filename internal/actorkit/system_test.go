package actorkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
)

// secret is a message whose content must not reach any log.
type secret struct{ Key string }

const hidden = "000102030405060708090a0b0c0d0e0f"

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// keys returns the keys of a JSON object in order, duplicates included.
func keys(t *testing.T, line string) (names []string) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(line))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// TestTrap13NoLogShowsAMessage sends secrets to nobody, with and without a
// sender, lets actors crash over them, and reads the log.
func TestTrap13NoLogShowsAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		system := NewSystem(slog.New(zerolog.NewSlogHandler(zerolog.New(&log).Level(zerolog.TraceLevel))))
		guardian := NewGuardian(GuardianOptions{})
		root := system.Root.Copy().WithGuardian(guardian)
		pid := root.Spawn(Props(fn(func(ctx actor.Context) {
			if message, ok := ctx.Message().(secret); ok {
				panic(message)
			}
		}), PropsOptions{}))
		unguarded := root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
			if message, ok := ctx.Message().(secret); ok {
				panic(message)
			}
		}))
		nobody := actor.NewPID("nonhost", "nobody")
		for range 5 {
			system.Root.Send(nobody, secret{hidden})
			system.Root.RequestWithCustomSender(nobody, &secret{hidden}, pid)
		}
		system.Root.Send(pid, secret{hidden})
		system.Root.Send(unguarded, secret{hidden})
		time.Sleep(time.Minute)
		if err := StopInOrder(t.Context(), system, pid, unguarded); err != nil {
			t.Error(err)
		}
		Shutdown(system)
		checkLog(t, log.String())
		time.Sleep(2 * time.Second)
	})
}

func checkLog(t *testing.T, log string) {
	t.Helper()
	if strings.Contains(log, hidden) {
		t.Errorf("a message's content was logged:\n%s", log)
	}
	for _, want := range []string{
		`"message_type":"actorkit.secret"`,
		`"message":"[DeadLetter]"`,
		`"throttled":7`,
		`"reason":"actor crashed on actorkit.secret: panic with a actorkit.secret"`,
		`"directive":"RestartDirective"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s:\n%s", want, log)
		}
	}
	for line := range strings.Lines(log) {
		names := keys(t, line)
		slices.Sort(names)
		if len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("a key stands twice in %s", line)
		}
	}
}

// TestTrap13TheDeadLetterThrottleEndsWithinABubble: its goroutine lives for
// DeadLetterInterval, and bubble lets two seconds pass.
func TestTrap13TheDeadLetterThrottleEndsWithinABubble(t *testing.T) {
	if DeadLetterInterval >= 2*time.Second {
		t.Error("the throttle outlives a bubble's end")
	}
	bubble(t, func(_ *testing.T, system *actor.ActorSystem) {
		for range 10 {
			system.Root.Send(actor.NewPID("nonhost", "nobody"), secret{hidden})
		}
	})
}

func TestNewSystemOptionsCannotUndoTheRules(t *testing.T) {
	system := NewSystem(nil,
		actor.WithDeadLetterThrottleCount(7),
		actor.WithDeveloperSupervisionLogging(true),
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.Default() }))
	defer Shutdown(system)
	if system.Config.DeadLetterThrottleCount != 7 {
		t.Error("an option was ignored")
	}
	if system.Config.DeveloperSupervisionLogging {
		t.Error("messages would be printed")
	}
	if system.Logger().Enabled(t.Context(), slog.LevelError) {
		t.Error("the logger is not silent")
	}
}

func TestShutdownRefusesAForeignSystem(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Shutdown(actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	})))
}

// tattler resolves to content when slog is allowed to ask it.
type tattler struct{}

func (tattler) LogValue() slog.Value { return slog.StringValue(hidden) }

func TestLogHandlerPassesOnTypesOnly(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(NewLogHandler(zerolog.NewSlogHandler(zerolog.New(&log))))
	logger = logger.WithGroup("g").With("bound", secret{hidden})
	logger.Info("text",
		"message", secret{hidden}, "pid", actor.NewPID("nonhost", "a"), "nil", (*actor.PID)(nil),
		"error", errors.New(hidden), "bytes", []byte(hidden), "valuer", tattler{},
		slog.Group("inner", "message", hidden, "x", secret{hidden}), "count", 3, "known", "plain",
		"crash", AsCrash(io.EOF, secret{hidden}))
	if strings.Contains(log.String(), hidden) {
		t.Fatalf("content was logged: %s", &log)
	}
	var got map[string]any
	if err := json.Unmarshal(log.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"message":              "text",
		"g.bound":              "actorkit.secret",
		"g.message_type":       "actorkit.secret",
		"g.pid":                "a",
		"g.nil":                "",
		"g.error":              "*errors.errorString",
		"g.bytes":              "[]uint8",
		"g.valuer":             "actorkit.tattler",
		"g.inner.message_type": "string",
		"g.inner.x":            "actorkit.secret",
		"g.count":              3.0,
		"g.known":              "plain",
		"g.crash":              "actor crashed on actorkit.secret: EOF",
	} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v", key, got[key], want)
		}
	}
}
