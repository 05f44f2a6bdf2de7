package console

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// The types of an [Answer].
const (
	TypeAnswer       = "answer"
	TypeNotification = "notification"
	TypeWaiting      = "waiting" // for a client that is asleep
)

// Answer is what comes of a command, or a notification of what one observes. Its JSON form is a
// contract (docs/contract.md, Commands).
type Answer struct {
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`
	Command  string    `json:"command"`
	Endpoint string    `json:"endpoint,omitempty"`
	Path     string    `json:"path,omitempty"`     // several are separated by blanks
	Code     string    `json:"code,omitempty"`     // "2.05", of the client's answer
	Name     string    `json:"name,omitempty"`     // of the code: "Content"
	Format   string    `json:"format,omitempty"`   // of the client's answer
	Value    any       `json:"value,omitempty"`    // a scalar, or what is below Path, by number
	Sequence *uint32   `json:"sequence,omitempty"` // of a notification
	Location string    `json:"location,omitempty"` // of what Create has made: "/3303/1"
	Detail   string    `json:"detail,omitempty"`   // words of the client, or about what is waited for
	Error    string    `json:"error,omitempty"`    // why there is no answer

	rows [][]string
}

// Failed reports whether the command has not done what was asked for.
func (a Answer) Failed() bool {
	return a.Error != "" || a.Code != "" && !strings.HasPrefix(a.Code, "2.")
}

// Text is the answer for a person: a line, and a table below it.
func (a Answer) Text() (line string, table []string) {
	what := joined(" ", a.Endpoint, a.Path)
	said := joined(" ", a.Code, a.Name)
	if a.Location != "" {
		said += " at " + a.Location
	}
	line = joined(": ", what, joined(" - ", said, a.Detail, a.Error))
	return line, aligned(a.rows)
}

// joined joins the parts that are not empty.
func joined(separator string, parts ...string) string {
	var present []string
	for _, part := range parts {
		if part != "" {
			present = append(present, part)
		}
	}
	return strings.Join(present, separator)
}

// response takes what a client has answered about a path.
func (c *Console) response(a *Answer, path lwm2m.Path, r lwm2mtest.Response) {
	a.Code, a.Name = r.Code.String(), codeName(r.Code)
	if len(r.Location) > 0 {
		a.Location = "/" + strings.Join(r.Location, "/")
	}
	if !r.Code.IsSuccess() {
		a.Detail = words(r.Payload)
		return
	}
	if r.Format != nil {
		a.Format = formatName(*r.Format)
	}
	if len(r.Payload) > 0 || r.Format != nil {
		a.Value, a.rows = c.content(path, r)
	}
}

// failure says in words why there is no answer.
func failure(err error) string {
	switch {
	case errors.Is(err, lwm2mtest.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return "no answer: the client may be out of reach, or have moved to another address"
	case errors.Is(err, lwm2mtest.ErrReset):
		return "the client has rejected the message (RST)"
	case errors.Is(err, lwm2mtest.ErrClosed), errors.Is(err, context.Canceled):
		return "the connection is gone"
	case errors.Is(err, lwm2mtest.ErrNotRegistered):
		return "the client is not registered any more"
	case errors.Is(err, lwm2mtest.ErrBlockwise):
		return "the blocks of the answer do not fit together"
	case errors.Is(err, lwm2mtest.ErrTooManyObservations):
		return "too much of this client is observed already: cancel something"
	}
	return err.Error()
}
