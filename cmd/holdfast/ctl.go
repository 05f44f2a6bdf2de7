package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ctlActions are what ctl can do: those that only look, and the calls, which have
// the names that the control API gives them.
var ctlActions = []string{
	"status", "events", "explain", "update", "reconnect", "bootstrap", "factory-reset", "pause", "resume", "close", "firmware",
}

// ctlDecisions are what the action firmware takes, which the API has as calls of their own.
var ctlDecisions = []string{"grant", "refuse", "defer"}

const (
	// ctlPatience is how long a client may say nothing before it counts as hung. It
	// answers what only looks at once, and a stream of events has a sign of life
	// every 2 s.
	ctlPatience = 4500 * time.Millisecond
	// ctlTimeout bounds a call that nobody waits for the outcome of: it may wait for
	// the disk of the client.
	ctlTimeout = 45 * time.Second
	ctlMaxBody = 4 << 20 // bytes of an answer
)

// How long the outcome of a call is waited for by default: longer than an attempt
// takes, by default (docs/contract.md, Configuration).
const (
	ctlWait          = 4 * time.Minute
	ctlBootstrapWait = 16 * time.Minute
)

// ctlOptions say how an action is carried out.
type ctlOptions struct {
	json    bool
	wait    bool          // for the outcome of a call
	timeout time.Duration // of that; 0 is the default of the action
	period  time.Duration // of a deferral; 0 is the client's default
}

// ctl is the command ctl.
func (p *program) ctl(args []string) int {
	fs := p.flags("ctl " + strings.Join(ctlActions, "|") + " [--addr ADDR] [--config FILE] [--json]")
	addr := fs.String("addr", "", "the client's control.listen: unix:/path or host:port (`ADDR`; else HOLDFAST_CONTROL_LISTEN, else --config)")
	config := fs.String("config", "", "the client's configuration `FILE`, for its control.listen")
	var o ctlOptions
	fs.BoolVar(&o.json, "json", false, "print what the client answers as JSON")
	fs.BoolVar(&o.wait, "wait", p.terminal(p.stdout), "wait for what comes of a call, and exit by that (default on a terminal)")
	fs.DurationVar(&o.timeout, "timeout", 0, "how long to wait for that, such as 90s (default 4m, of a bootstrap 16m)")
	fs.DurationVar(&o.period, "for", 0, "how long firmware defer puts an update off, such as 90m (default the client's firmware.defer)")
	if exit, ok := p.parse(fs, args, anyNumber); !ok {
		return exit
	}
	action, words := word(fs.Args())
	decision := ""
	if action == "firmware" {
		decision, words = word(words)
	}
	if len(words) > 0 {
		return p.misused(fs, fmt.Sprintf("%d arguments where 0 are expected behind the action", len(words)))
	}
	if !slices.Contains(ctlActions, action) {
		return p.misused(fs, "which action: "+strings.Join(ctlActions, ", ")+"?")
	}
	if problem := o.problem(action, decision); problem != "" {
		return p.misused(fs, problem)
	}
	if decision != "" {
		action += " " + decision
	}
	where, err := p.ctlAddress(*addr, *config)
	if err != nil {
		return p.fail(err)
	}
	if where == "" {
		return p.misused(fs, "where is the client? Give --addr, HOLDFAST_CONTROL_LISTEN, or --config with control.listen")
	}
	c := newCtlClient(where)
	defer c.http.CloseIdleConnections()
	return p.ctlDo(c, action, o)
}

// word takes the first argument off.
func word(args []string) (first string, rest []string) {
	if len(args) > 0 {
		return args[0], args[1:]
	}
	return "", nil
}

// problem says what does not go together, or returns "".
func (o ctlOptions) problem(action, decision string) string {
	switch {
	case action == "firmware" && !slices.Contains(ctlDecisions, decision):
		return "which decision: firmware " + strings.Join(ctlDecisions, ", ") + "?"
	case o.timeout < 0:
		return "--timeout is negative"
	case o.period < 0:
		return "--for is negative"
	case o.period > 0 && decision != "defer":
		return "--for belongs to firmware defer"
	}
	return ""
}

// ctlAddress finds the address of the API: flags win over the environment,
// which wins over the file.
func (p *program) ctlAddress(addr, config string) (string, error) {
	if addr != "" {
		return addr, nil
	}
	if value := p.variable("control.listen"); value != "" {
		return value, nil
	}
	if config == "" {
		return "", nil
	}
	read, ok := p.load(p.loader(config))
	if !ok {
		return "", p.ctx.Err()
	}
	return read.file.Control.Listen, read.err
}

// ctlClient talks to the control API of one client.
type ctlClient struct {
	address string
	host    string
	http    *http.Client
}

func newCtlClient(address string) *ctlClient {
	network, target, host := "tcp", address, address
	if path, unix := strings.CutPrefix(address, "unix:"); unix {
		network, target, host = "unix", path, "localhost"
	}
	dialer := net.Dialer{Timeout: ctlPatience}
	return &ctlClient{address: address, host: host, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, target)
		},
	}}}
}

// request makes one request; accept is a media type.
func (c *ctlClient) request(ctx context.Context, method, path, accept string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.host+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%s is no address of a control API", c.address)
	}
	r.Header.Set("Accept", accept)
	response, err := c.http.Do(r)
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	return response, nil
}

// failure says why a request has failed: by the end of its context, or because
// nobody is there.
func (c *ctlClient) failure(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return &unreachableError{c.address, err}
}

// look makes a request that a client answers at once, and reads the whole answer.
func (c *ctlClient) look(ctx context.Context, path, accept string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, ctlPatience, &hungError{c.address})
	defer cancel()
	return c.fetch(ctx, http.MethodGet, path, accept)
}

// fetch makes one request and reads the whole answer.
func (c *ctlClient) fetch(ctx context.Context, method, path, accept string) (status int, body []byte, err error) {
	response, err := c.request(ctx, method, path, accept)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close() // it is only read
	body, err = io.ReadAll(io.LimitReader(response.Body, ctlMaxBody))
	if err != nil {
		err = c.failure(ctx, err)
	}
	return response.StatusCode, body, err
}

// hungError says that somebody listens and says nothing.
type hungError struct{ address string }

func (e *hungError) Error() string {
	return fmt.Sprintf("the client on %s hangs: it has said nothing for %v\nIs its process stopped, or is the machine overloaded? Restart it if it stays like that.", e.address, ctlPatience)
}

// unreachableError says that no client answers, and what to look at.
type unreachableError struct {
	address string
	err     error
}

func (e *unreachableError) Error() string {
	cause := e.err
	var op *net.OpError
	if errors.As(e.err, &op) {
		cause = op.Err
	}
	return fmt.Sprintf("no client answers on %s: %v\nIs it running, as this user, with control.listen set to that?", e.address, cause)
}

func (e *unreachableError) Unwrap() error { return e.err }
