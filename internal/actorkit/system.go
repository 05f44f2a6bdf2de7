package actorkit

import (
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/extensions"
)

const (
	// DeadLetterInterval is the period of protoactor's dead-letter throttle.
	// The throttle runs a goroutine for this long after a dead letter, and
	// nothing can stop it: it is short, so that Settle is.
	DeadLetterInterval = time.Millisecond
	// DeadLetterCount is the number of dead letters from which the throttle
	// is silent for the rest of the period.
	DeadLetterCount = 3
)

// shutdownExtension is where NewSystem keeps what makes Shutdown repeatable.
var shutdownExtension = extensions.NextExtensionID()

// shutdownOnce implements extensions.Extension.
type shutdownOnce struct{ sync.Once }

// ExtensionID implements extensions.Extension.
func (*shutdownOnce) ExtensionID() extensions.ExtensionID { return shutdownExtension }

// NewSystem returns an actor system that logs to logger (nil is silent) and
// never logs the content of a message. Options may change
// everything but the logger, the metrics provider (none: protoactor would
// register a gauge per actor and never remove it) and the developer logging
// (off: it prints messages). End it with StopInOrder and Shutdown.
func NewSystem(logger *slog.Logger, options ...actor.ConfigOption) *actor.ActorSystem {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	config := actor.Configure(
		actor.WithDeadLetterThrottleCount(DeadLetterCount),
		actor.WithDeadLetterThrottleInterval(DeadLetterInterval),
	)
	for _, option := range options {
		option(config)
	}
	config.MetricsProvider = nil
	config.DeveloperSupervisionLogging = false
	config.LoggerFactory = func(*actor.ActorSystem) *slog.Logger {
		return slog.New(NewLogHandler(logger.Handler()))
	}
	system := actor.NewActorSystemWithConfig(config)
	shrinkRegistry(system)
	system.Extensions.Register(&shutdownOnce{})
	return system
}

// Shutdown ends a system that NewSystem made. It may be called any number of
// times, concurrently too; protoactor's own Shutdown panics the second time.
// It stops no actor: use StopInOrder first.
func Shutdown(system *actor.ActorSystem) {
	once, ok := system.Extensions.Get(shutdownExtension).(*shutdownOnce)
	if !ok {
		panic("actorkit: the system was not made by NewSystem")
	}
	once.Do(system.Shutdown)
}

// Settle waits until the goroutine is gone that a dead letter before the call
// may have started: a message to an actor that has just stopped is one.
func Settle() {
	timer := time.NewTimer(2 * DeadLetterInterval)
	defer timer.Stop()
	<-timer.C
}
