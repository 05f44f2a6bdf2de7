package messages

import "github.com/holdfast-iot/holdfast/lwm2m"

// Send (LwM2M Core section 6.4.6) goes through four actors: the supervisor knows who is
// registered, management what there is to read, and registration how to ask the server.

// SendRefusal says why nothing was sent, or that the server has not taken it.
type SendRefusal uint8

// The reasons; zero stands for none.
const (
	SendNotRegistered SendRefusal = iota + 1 // no registration is up with that server
	SendVersion                              // the server speaks LwM2M 1.0, which has no Send
	SendMuted                                // /1/x/23 is true, or not there, which means the same
	SendPaused                               // the server has asked for a pause (Max-Age)
	SendBusy                                 // as many as can be are under way
	SendNothing                              // nothing of it is there, or may be read by that server
	SendUnreadable                           // an object of the application has failed, or not in time
	SendRefused                              // the server has answered with an error
	SendSilent                               // the server has not answered
)

// SendOutcome is what became of a Send to one server.
type SendOutcome struct {
	Peer    Peer
	Refusal SendRefusal // 0: the server has taken it
	Code    CoAPCode    // of the server, with SendRefused
	Detail  string      // words of the server, or of the object; may be empty
}

// SendRequest asks for a Send of the present values of Paths, and of Samples, to one
// server, or to all that can get it. Facade to supervisor. Answer receives exactly one
// value, one outcome for each server, and has room for it.
type SendRequest struct {
	Server  uint16 // short server ID; 0: every server that is registered
	Paths   []lwm2m.Path
	Samples []lwm2m.Sample
	Answer  chan<- []SendOutcome
}

// CollectSend asks for the content of a Send. Supervisor to management.
type CollectSend struct {
	Peer    Peer
	Epoch   Epoch
	ID      uint64 // chosen by the supervisor
	Paths   []lwm2m.Path
	Samples []lwm2m.Sample
}

// SendCollected answers a [CollectSend]. Management to supervisor.
type SendCollected struct {
	ID      uint64
	Refusal SendRefusal // 0: there is something to send
	Detail  string
	Format  Format
	Payload []byte
}

// PostSend asks for the request itself. Supervisor to registration.
type PostSend struct {
	Epoch   Epoch
	ID      uint64
	Format  Format
	Payload []byte
}

// SendAnswered answers a [PostSend], unless the link goes first. Registration to
// supervisor.
type SendAnswered struct {
	Epoch   Epoch
	ID      uint64
	Refusal SendRefusal
	Code    CoAPCode
	Detail  string
}
