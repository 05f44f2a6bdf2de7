package actorkit

import (
	"math"
	"runtime"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/holdfast-iot/holdfast/internal/disorder"
)

// DefaultCapacity is the number of queued user messages from which droppable
// ones are refused, when MailboxOptions.Capacity is not positive.
const DefaultCapacity = 256

// MailboxOptions configure the mailboxes of one actor.Props.
type MailboxOptions struct {
	// Capacity is the number of queued user messages from which droppable
	// messages are refused; DefaultCapacity when it is not positive. It
	// reserves no memory.
	Capacity int
	// Droppable reports whether a message may be lost when the queue is
	// full: datagrams and application traffic. Every other message is
	// always accepted; its senders bound how many there can be. It is called on
	// the sender's goroutine and must be a pure function. Nil means that
	// nothing may be dropped. Protoactor's own messages (*actor.PoisonPill,
	// ...) are never offered to it.
	Droppable func(msg any) bool
	// Room returns, for a message that may be dropped, the number of queued
	// user messages from which it is refused, so that what matters more finds
	// room where the rest does not; nil means Capacity for all. Like
	// Droppable it is called on the sender's goroutine and must not block.
	Room func(msg any) int
	// OnDrop is told of every refused message and of how many this mailbox
	// has refused so far, that one included. It is called on the sender's
	// goroutine without a lock held. It must not log the content of msg.
	OnDrop func(msg any, dropped uint64)
	// Hooks observe the mailbox; nil for none.
	Hooks *Hooks
}

// Mailbox returns a producer of mailboxes that never block a sender: a message
// is queued or, when it may be dropped and the queue is full, refused. Each
// actor gets its own mailbox; only the options are shared. Order is kept
// per sender. System messages overtake user messages, as in protoactor's own
// mailboxes.
//
// A mailbox that has seen *actor.Stop discards a later *actor.Restart:
// protoactor would otherwise turn the stop of an actor that still waits for
// its children into a restart.
//
// actor.MessageBatch is not unpacked; it is a message like any other.
func Mailbox(opts MailboxOptions) actor.MailboxProducer {
	if opts.Capacity <= 0 {
		opts.Capacity = DefaultCapacity
	}
	shared := &opts
	if opts.plain() {
		shared = plainOptions
	}
	return func() actor.Mailbox {
		m := &mailbox{options: shared}
		m.work = m.process // once, not for every wake-up
		return m
	}
}

// plainOptions are those of a mailbox that drops nothing and that nobody observes.
var plainOptions = &MailboxOptions{Capacity: DefaultCapacity}

func (o *MailboxOptions) plain() bool {
	return o.Droppable == nil && o.Room == nil && o.OnDrop == nil && o.Hooks == nil
}

// mailbox implements actor.Mailbox. mu guards everything below it; it is never
// held while foreign code runs.
type mailbox struct {
	options *MailboxOptions // immutable, shared by the mailboxes of one Props
	work    func()          // process, as a dispatcher takes it

	mu         sync.Mutex
	user       ring
	system     []any // they are rare: an idle actor keeps no room for them
	dropped    uint64
	suspended  bool // user messages wait, after a failure, for *actor.ResumeMailbox
	stopping   bool // *actor.Stop was taken out of the queue
	running    bool // process is scheduled or runs
	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
}

var _ actor.Mailbox = (*mailbox)(nil)

// PostUserMessage queues or refuses message, which may be an
// *actor.MessageEnvelope.
func (m *mailbox) PostUserMessage(message any) {
	m.options.Hooks.posted(message)
	if dropped := m.pushUser(message, m.room(message)); dropped > 0 {
		m.refuse(message, dropped)
	}
}

// PostSystemMessage queues message; it is always accepted.
func (m *mailbox) PostSystemMessage(message any) {
	if _, internal := message.(actor.MailboxMessage); !internal {
		m.options.Hooks.posted(message)
	}
	m.mu.Lock()
	m.system = append(m.system, message)
	m.unlockAndSchedule()
}

// RegisterHandlers is called once, before Start. The process is already
// reachable by its name then, so that messages may have been queued.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.invoker, m.dispatcher = invoker, dispatcher
}

// Start has nothing to do: protoactor posts *actor.Started before it calls
// Start, and that wakes the mailbox up.
func (m *mailbox) Start() {}

// UserMessageCount returns the number of queued user messages.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int(m.user.count)
}

// room returns the number of queued messages from which message is refused.
func (m *mailbox) room(message any) int {
	if m.options.Droppable == nil {
		return math.MaxInt
	}
	content := actor.UnwrapEnvelopeMessage(message)
	if _, protocol := content.(actor.AutoReceiveMessage); protocol || !m.options.Droppable(content) {
		return math.MaxInt
	}
	if m.options.Room != nil {
		return m.options.Room(content)
	}
	return m.options.Capacity
}

// pushUser queues message, or returns how many have been dropped, this one
// included.
func (m *mailbox) pushUser(message any, room int) (dropped uint64) {
	m.mu.Lock()
	if int(m.user.count) >= room {
		m.dropped++
		dropped = m.dropped
		m.mu.Unlock()
		return dropped
	}
	m.user.push(message)
	m.unlockAndSchedule()
	return 0
}

func (m *mailbox) refuse(message any, dropped uint64) {
	m.options.Hooks.dropped(message)
	if m.options.OnDrop != nil {
		m.options.OnDrop(actor.UnwrapEnvelopeMessage(message), dropped)
	}
}

// unlockAndSchedule releases mu and starts process when there is something to
// do and no one does it. Both are decided under mu, and next clears running
// under mu only when it finds nothing, so no wake-up is lost.
func (m *mailbox) unlockAndSchedule() {
	wake := !m.running && m.invoker != nil && m.runnable()
	if wake {
		m.running = true
	}
	dispatcher := m.dispatcher
	m.mu.Unlock()
	if wake {
		dispatcher.Schedule(m.work)
	}
}

func (m *mailbox) runnable() bool {
	return len(m.system) > 0 || (!m.suspended && m.user.count > 0)
}

func (m *mailbox) process() {
	growStack(0)
	for !m.drain() {
	}
}

// drain handles messages until there are none, and returns true; or until one
// panics, hands the failure to the supervisor and returns false.
func (m *mailbox) drain() (idle bool) {
	var message any
	defer func() {
		if reason := recover(); reason != nil {
			m.options.Hooks.invoked(message)
			m.invoker.EscalateFailure(reason, message)
		}
	}()
	throughput := m.dispatcher.Throughput()
	for handled := 0; ; handled++ {
		if handled > throughput {
			handled = 0
			runtime.Gosched()
		}
		var system, ok bool
		if message, system, ok = m.next(); !ok {
			return true
		}
		disorder.Delay()
		m.invoke(message, system)
	}
}

func (m *mailbox) invoke(message any, system bool) {
	if system {
		m.invoker.InvokeSystemMessage(message)
	} else {
		m.invoker.InvokeUserMessage(message)
	}
	m.options.Hooks.invoked(message)
}

// next takes the message to be handled next. When there is none it gives up
// the running state, which makes the next post schedule process again.
func (m *mailbox) next() (message any, system, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.system) > 0 {
		if message = m.nextSystem(); !m.absorb(message) {
			return message, true, true
		}
	}
	if !m.suspended {
		if message, ok = m.user.pop(); ok {
			return message, false, true
		}
	}
	m.running = false
	return nil, false, false
}

// nextSystem takes the oldest system message; there is one.
func (m *mailbox) nextSystem() (message any) {
	message, m.system[0] = m.system[0], nil // release the message
	if m.system = m.system[1:]; len(m.system) == 0 {
		m.system = nil
	}
	return message
}

// absorb handles the system messages that end in the mailbox.
func (m *mailbox) absorb(message any) bool {
	switch message.(type) {
	case *actor.SuspendMailbox:
		m.suspended = true
	case *actor.ResumeMailbox:
		m.suspended = false
	case *actor.Stop:
		m.stopping = true
		return false
	case *actor.Restart:
		return m.stopping
	default:
		return false
	}
	return true
}
