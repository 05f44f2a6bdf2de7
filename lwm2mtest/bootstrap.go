package lwm2mtest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/senml"
	"github.com/holdfast-iot/holdfast/lwm2m/tlv"
)

// BootstrapConfig is what the server does to an endpoint that asks for a
// bootstrap: Discover, then Delete, then Writes, then Read, then Finish (LwM2M
// Core, Bootstrap interface). The zero value only finishes.
type BootstrapConfig struct {
	Discover []string // paths, "/" for all
	Delete   []string // paths, "/" for all
	Writes   []BootstrapWrite
	Read     []string // paths
	NoFinish bool     // never send Bootstrap-Finish; fall silent instead

	// Before, when set, is called before each step. It may block, until ctx
	// ends: that pauses the bootstrap. When it returns an error the bootstrap
	// ends there and the client hears nothing more.
	Before func(ctx context.Context, step BootstrapStep) error
	// KeepGoing goes on to the next step after a step that the client refused.
	KeepGoing bool
	// Twice sends every datagram twice, as if the network had duplicated it.
	Twice bool
}

// BootstrapWrite is one Bootstrap-Write (PUT).
type BootstrapWrite struct {
	Path  string // "/0", "/0/1" or "/1/0/1"
	Nodes []lwm2m.Node
	// Format of the encoding. Nil takes the format that the client prefers
	// (pct), else TLV.
	Format *lwm2m.Format
	// Payload, when not nil, is sent in place of the encoded Nodes; Format then
	// says what it is.
	Payload []byte
}

// StepKind is a bootstrap operation.
type StepKind uint8

// The bootstrap operations.
const (
	StepDiscover StepKind = iota + 1
	StepDelete
	StepWrite
	StepRead
	StepFinish
)

// String returns the operation's name.
func (k StepKind) String() string {
	names := [...]string{"invalid", "discover", "delete", "write", "read", "finish"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[0]
}

// BootstrapStep is one operation of a bootstrap, and its outcome once it is
// part of a [BootstrapResult].
type BootstrapStep struct {
	Kind     StepKind
	Path     string
	Response Response // zero before the step, and when Err is set
	Err      error    // no answer: ErrTimeout, ErrReset and so on
}

// BootstrapResult is how a bootstrap went.
type BootstrapResult struct {
	Endpoint       string
	Started, Ended time.Time
	Steps          []BootstrapStep // those that were carried out
	// Err is nil when all steps were answered with success and, unless
	// NoFinish, the last one was Finish. Otherwise it is a *BootstrapError, the
	// error of Before, or that of the server's end.
	Err error
}

// BootstrapError says which step ended a bootstrap.
type BootstrapError struct{ Step BootstrapStep }

// Error returns a sentence for a person.
func (e *BootstrapError) Error() string {
	text := fmt.Sprintf("lwm2mtest: bootstrap %v %s", e.Step.Kind, e.Step.Path)
	if e.Step.Err != nil {
		return text + ": " + e.Step.Err.Error()
	}
	return text + " was answered " + e.Step.Response.Code.String()
}

// Unwrap returns why the step had no answer.
func (e *BootstrapError) Unwrap() error { return e.Step.Err }

// SetBootstrap says what an endpoint gets that asks for a bootstrap; an empty
// endpoint means every one that has no configuration of its own. Endpoints
// without any are answered 4.00.
func (s *Server) SetBootstrap(endpoint string, c BootstrapConfig) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bootstraps[endpoint] = c
}

// Bootstraps returns the bootstraps of an endpoint that have ended, oldest
// first.
func (s *Server) Bootstraps(endpoint string) []BootstrapResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.results[endpoint])
}

// BootstrapsAfter returns the bootstraps of all endpoints that have ended after the
// first n, oldest first, and what to pass for n the next time.
func (s *Server) BootstrapsAfter(n int) (results []BootstrapResult, next int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended.after(n)
}

// WaitBootstraps waits until n bootstraps of the endpoint have ended and
// returns the n-th.
func (s *Server) WaitBootstraps(ctx context.Context, endpoint string, n int) (BootstrapResult, error) {
	if err := s.Await(ctx, func() bool { return len(s.Bootstraps(endpoint)) >= n }); err != nil {
		return BootstrapResult{}, err
	}
	return s.Bootstraps(endpoint)[n-1], nil
}

// bootstrapConfig returns what an endpoint gets. The lock is held.
func (s *Server) bootstrapConfig(endpoint string) (BootstrapConfig, bool) {
	if c, ok := s.bootstraps[endpoint]; ok {
		return c, true
	}
	c, ok := s.bootstraps[""]
	return c, ok
}

// bootstrapRequest processes a Bootstrap-Request. The lock is held.
func (s *Server) bootstrapRequest(c *call) answer {
	if _, ok := s.bootstrapConfig(c.endpoint); !ok || c.endpoint == "" {
		return answer{code: lwm2m.CodeBadRequest}
	}
	if _, ok := preferred(c.request.Query()); !ok {
		return answer{code: lwm2m.CodeUnsupportedFormat}
	}
	return answer{code: lwm2m.CodeChanged}
}

// preferred returns the format that a Bootstrap-Request asks for, TLV when it
// does not; it is not ok when the server does not have it.
func preferred(queries []string) (lwm2m.Format, bool) {
	for _, q := range queries {
		if len(q) < 4 || q[:4] != "pct=" {
			continue
		}
		number, err := strconv.ParseUint(q[4:], 10, 16)
		format := lwm2m.Format(number)
		return format, err == nil && (format == lwm2m.FormatTLV || format == lwm2m.FormatSenMLCBOR)
	}
	return lwm2m.FormatTLV, true
}

// startBootstrap runs the steps on a goroutine of their own, once the request
// has been answered. The lock is held.
func (s *Server) startBootstrap(b *batch, c *call) {
	if s.closed {
		return
	}
	config, _ := s.bootstrapConfig(c.endpoint)
	format, _ := preferred(c.request.Query())
	run := &bootstrapRun{server: s, peer: c.peer, endpoint: c.endpoint, config: config, format: format}
	run.result.Started = time.Now()
	s.afterwards(b, run.do)
}

// bootstrapRun is one bootstrap under way.
type bootstrapRun struct {
	server   *Server
	peer     *peer
	endpoint string
	config   BootstrapConfig
	format   lwm2m.Format
	result   BootstrapResult
}

// plannedStep is a step with its request.
type plannedStep struct {
	BootstrapStep
	request Request
}

func (r *bootstrapRun) do() {
	steps, err := r.plan()
	for _, step := range steps {
		if err == nil {
			err = r.step(step)
		}
	}
	r.result.Endpoint, r.result.Err, r.result.Ended = r.endpoint, err, time.Now()
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	r.server.results[r.endpoint] = append(r.server.results[r.endpoint], r.result)
	r.server.ended.add(r.result, r.server.opts.MaxHistory)
	r.server.notify()
}

// plan composes the requests.
func (r *bootstrapRun) plan() ([]plannedStep, error) {
	var steps []plannedStep
	add := func(kind StepKind, request Request) {
		request.Twice = r.config.Twice
		steps = append(steps, plannedStep{BootstrapStep{Kind: kind, Path: request.Path}, request})
	}
	links := lwm2m.FormatLinkFormat
	for _, path := range r.config.Discover {
		add(StepDiscover, Request{Method: lwm2m.CodeGET, Path: path, Accept: &links})
	}
	for _, path := range r.config.Delete {
		add(StepDelete, Request{Method: lwm2m.CodeDELETE, Path: path})
	}
	for _, w := range r.config.Writes {
		payload, format, err := w.encode(r.format)
		if err != nil {
			return nil, err
		}
		add(StepWrite, Request{Method: lwm2m.CodePUT, Path: w.Path, Format: &format, Payload: payload})
	}
	for _, path := range r.config.Read {
		add(StepRead, Request{Method: lwm2m.CodeGET, Path: path, Accept: &r.format})
	}
	if !r.config.NoFinish {
		add(StepFinish, Request{Method: lwm2m.CodePOST, Path: "/bs"})
	}
	return steps, nil
}

// step carries one step out.
func (r *bootstrapRun) step(p plannedStep) error {
	if r.config.Before != nil {
		if err := r.config.Before(r.server.ctx, p.BootstrapStep); err != nil {
			return err
		}
	}
	p.Response, p.Err = r.peer.do(r.server.ctx, p.request, nil)
	r.result.Steps = append(r.result.Steps, p.BootstrapStep)
	refused := p.Err == nil && !p.Response.Code.IsSuccess()
	if p.Err != nil || (refused && !r.config.KeepGoing) {
		return &BootstrapError{Step: p.BootstrapStep}
	}
	return nil
}

// encode returns the payload of a write and its format.
func (w BootstrapWrite) encode(preferred lwm2m.Format) ([]byte, lwm2m.Format, error) {
	format := preferred
	if w.Format != nil {
		format = *w.Format
	}
	if w.Payload != nil {
		return w.Payload, format, nil
	}
	path, err := lwm2m.ParsePath(w.Path)
	if err != nil {
		return nil, 0, err
	}
	encode := tlv.Encode
	if format == lwm2m.FormatSenMLCBOR {
		encode = senml.EncodeCBOR
	}
	payload, err := encode(path, lwm2m.Payload{Nodes: w.Nodes})
	return payload, format, err
}
