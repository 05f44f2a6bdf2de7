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
	"status", "events", "explain", "update", "reconnect", "bootstrap", "factory-reset", "pause", "resume", "close",
}

const (
	ctlDialTimeout = 5 * time.Second
	// ctlTimeout bounds everything but a stream of events: a call may wait for
	// the disk of the client.
	ctlTimeout = 45 * time.Second
	ctlMaxBody = 4 << 20 // bytes of an answer
)

// ctl is the command ctl.
func (p *program) ctl(args []string) int {
	fs := p.flags("ctl " + strings.Join(ctlActions, "|") + " [--addr ADDR] [--config FILE] [--json]")
	addr := fs.String("addr", "", "the client's control.listen: unix:/path or host:port (`ADDR`; else HOLDFAST_CONTROL_LISTEN, else --config)")
	config := fs.String("config", "", "the client's configuration `FILE`, for its control.listen")
	asJSON := fs.Bool("json", false, "print what the client answers as JSON")
	var action string
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		action, args = args[0], args[1:]
	}
	if exit, ok := p.parse(fs, args, 0); !ok {
		return exit
	}
	if !slices.Contains(ctlActions, action) {
		return p.misused(fs, "which action: "+strings.Join(ctlActions, ", ")+"?")
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
	return p.ctlDo(c, action, *asJSON)
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
	dialer := net.Dialer{Timeout: ctlDialTimeout}
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
		return nil, &unreachableError{c.address, err}
	}
	return response, nil
}

// fetch makes one request and reads the whole answer.
func (c *ctlClient) fetch(ctx context.Context, method, path, accept string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, ctlTimeout)
	defer cancel()
	response, err := c.request(ctx, method, path, accept)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close() // it is only read
	body, err = io.ReadAll(io.LimitReader(response.Body, ctlMaxBody))
	return response.StatusCode, body, err
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
