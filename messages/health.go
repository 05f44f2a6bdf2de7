package messages

// Ping asks an actor for a sign of life. The actor's shell answers it, not its
// machine: an answer means that the actor processes its mailbox. Answer has room
// for one value.
type Ping struct{ Answer chan<- struct{} }

// Pong answers, without ever blocking.
func (p Ping) Pong() {
	select {
	case p.Answer <- struct{}{}:
	default: // a second answer says nothing new
	}
}

// RollCall asks which actors of a client live, and pings each of them. Facade
// to the supervisor's shell. Answer has room for one value.
type RollCall struct{ Answer chan<- []Pinged }

// Pinged is one actor of a [RollCall].
type Pinged struct {
	Actor  string          // as in a tap's paths: "network/1", "store"
	Answer <-chan struct{} // brings one value when the actor has answered
}
