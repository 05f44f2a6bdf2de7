package main

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/cmd/holdfast/internal/console"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// serverRecord is one line of the server's --json.
type serverRecord struct {
	Time     time.Time `json:"time"`
	Type     string    `json:"type"` // listening, bootstrapped, or what a client asked for: register, update ...
	Endpoint string    `json:"endpoint,omitempty"`
	Role     string    `json:"role,omitempty"` // of listening: management, bootstrap
	URI      string    `json:"uri,omitempty"`
	Location string    `json:"location,omitempty"`
	Remote   string    `json:"remote,omitempty"`
	Identity string    `json:"identity,omitempty"` // proved by DTLS
	Answer   string    `json:"answer,omitempty"`   // "2.01"
	Steps    int       `json:"steps,omitempty"`    // of a bootstrap
	Error    string    `json:"error,omitempty"`    // of a bootstrap
	Value    any       `json:"value,omitempty"`    // of a send: its samples

	table []string // of the same
}

// serverLog prints what an embedded server sees.
type serverLog struct {
	server   *lwm2mtest.Server
	commands *console.Console
	print    func(serverRecord)

	seen       int // records of the history
	bootstraps int // ended, and seen
}

func (p *program) serverLog(server *lwm2mtest.Server, commands *console.Console, asJSON bool) *serverLog {
	l := &serverLog{server: server, commands: commands}
	if asJSON {
		encode := jsonLines(p.stdout)
		l.print = func(r serverRecord) { encode(r) }
		return l
	}
	out := renderer{out: p.stdout, coloured: p.coloured(p.stdout)}
	l.print = func(r serverRecord) { out.block(r.Time, r.colour(), r.Type, r.text(), r.table) }
	return l
}

func (l *serverLog) listening(role, uri string) {
	l.print(serverRecord{Time: time.Now(), Type: "listening", Role: role, URI: uri})
}

// follow prints until ctx ends.
func (l *serverLog) follow(ctx context.Context) {
	for l.server.Await(ctx, l.news) == nil {
		l.printRequests()
		l.printBootstraps()
	}
}

func (l *serverLog) news() bool {
	_, seen := l.server.HistoryAfter(l.seen)
	_, bootstraps := l.server.BootstrapsAfter(l.bootstraps)
	return seen > l.seen || bootstraps > l.bootstraps
}

func (l *serverLog) printRequests() {
	records, seen := l.server.HistoryAfter(l.seen)
	l.seen = seen
	for _, r := range records {
		record := serverRecord{
			Time: r.Time, Type: r.Kind.String(), Endpoint: r.Endpoint, Location: r.Location,
			Remote: r.Remote.String(), Identity: r.Identity,
		}
		if r.Answer != 0 {
			record.Answer = r.Answer.String()
		}
		if r.Kind == lwm2mtest.Send {
			record.Value, record.table = l.commands.Sent(r)
		}
		l.print(record)
	}
}

func (l *serverLog) printBootstraps() {
	results, seen := l.server.BootstrapsAfter(l.bootstraps)
	l.bootstraps = seen
	for _, b := range results {
		record := serverRecord{Time: b.Ended, Type: "bootstrapped", Endpoint: b.Endpoint, Steps: len(b.Steps)}
		if b.Err != nil {
			record.Error = b.Err.Error()
		}
		l.print(record)
	}
}

// colour tells good from bad at a glance.
func (r serverRecord) colour() string {
	switch {
	case r.Type == "listening":
		return faint
	case r.Error != "" || r.Type == lwm2mtest.Expired.String() || r.Type == lwm2mtest.Malformed.String():
		return red
	case r.Answer != "" && !strings.HasPrefix(r.Answer, "2."):
		return red
	}
	return green
}

// text returns what a record says after its type.
func (r serverRecord) text() string {
	if r.Type == "listening" {
		return r.Role + " server at " + r.URI
	}
	text := joined(" ", r.Endpoint, prefixed("at /", r.Location), prefixed("from ", r.Remote))
	if r.Identity != "" && r.Identity != r.Endpoint {
		text = joined(" ", text, "as "+r.Identity)
	}
	if r.Type == "bootstrapped" {
		text = joined(", ", text, count(r.Steps, "step"))
	}
	return joined(" - ", text, prefixed("answered ", r.Answer), r.Error)
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
