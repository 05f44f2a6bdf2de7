package console

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// begin is a request that observes.
type begin func(ctx context.Context) (*lwm2mtest.ObserveRelation, lwm2mtest.Response, error)

func (c *Console) observe(words []string) (job, error) {
	k, path, rest, err := c.takeTarget(words, 1, 4)
	if err == nil {
		err = checkAttributes(rest)
	}
	ask := c.observation(path, func(ctx context.Context) (*lwm2mtest.ObserveRelation, lwm2mtest.Response, error) {
		return c.server.Observe(ctx, k.Endpoint, path.String(), k.format())
	})
	j := about(k, path)
	j.perform = func(ctx context.Context, a *Answer) (func(), error) {
		if c.relation(k.Endpoint, []string{path.String()}) != nil {
			a.Error = "observed already: cancel that first, or set its attributes with attr"
			return nil, nil
		}
		if len(rest) > 0 {
			r, err := c.server.WriteAttributes(ctx, k.Endpoint, path.String(), rest...)
			if err != nil {
				return nil, err
			}
			if !r.Code.IsSuccess() {
				c.response(a, path, r)
				a.Detail = joined(": ", "not observed, as the attributes are refused", a.Detail)
				return nil, nil
			}
		}
		return ask(ctx, a)
	}
	return j, err
}

func (c *Console) observeComposite(words []string) (job, error) {
	k, paths, err := c.takePaths(words)
	ask := c.observation(lwm2m.Path{}, func(ctx context.Context) (*lwm2mtest.ObserveRelation, lwm2mtest.Response, error) {
		return c.server.ObserveComposite(ctx, k.Endpoint, k.compositeFormat(), paths...)
	})
	j := job{answer: Answer{Endpoint: k.Endpoint, Path: strings.Join(paths, " ")}}
	j.perform = func(ctx context.Context, a *Answer) (func(), error) {
		if c.relation(k.Endpoint, paths) != nil {
			a.Error = "observed already: cancel that first"
			return nil, nil
		}
		return ask(ctx, a)
	}
	return j, err
}

// observation carries out a request that observes, and then prints what is notified.
func (c *Console) observation(path lwm2m.Path, ask begin) func(context.Context, *Answer) (func(), error) {
	return func(ctx context.Context, a *Answer) (func(), error) {
		o, r, err := ask(ctx)
		if err != nil && o == nil {
			return nil, err
		}
		c.response(a, path, r)
		if o == nil {
			if r.Code.IsSuccess() {
				a.Detail = "answered once: the client does not observe this"
			}
			return nil, nil
		}
		about := Answer{Type: TypeNotification, Command: a.Command, Endpoint: a.Endpoint, Path: a.Path}
		return func() { c.wg.Go(func() { c.follow(o, path, about) }) }, err
	}
}

// follow prints the notifications of an observation until it ends.
func (c *Console) follow(o *lwm2mtest.ObserveRelation, path lwm2m.Path, about Answer) {
	for {
		select {
		case <-c.ctx.Done():
			return
		case n, open := <-o.Notifications():
			if !open {
				c.observationEnded(o.Err(), about)
				return
			}
			a := about
			a.Sequence = &n.Sequence
			c.response(&a, path, n.Response)
			c.answer(a)
		}
	}
}

// observationEnded says why an observation has ended that nobody here has cancelled.
func (c *Console) observationEnded(cause error, about Answer) {
	switch {
	case errors.Is(cause, lwm2mtest.ErrRegistrationEnded):
		about.Error = "the observation has ended with the registration"
	case errors.Is(cause, lwm2mtest.ErrObservationEnded):
		about.Error = "the client has ended the observation"
	default:
		return
	}
	c.answer(about)
}

// relation finds the observation of these paths, or nil.
func (c *Console) relation(endpoint string, paths []string) *lwm2mtest.ObserveRelation {
	for _, o := range c.server.Observations(endpoint) {
		if slices.Equal(o.Paths, paths) {
			return o
		}
	}
	return nil
}

func (c *Console) cancelObservation(words []string) (job, error) {
	k, paths, err := c.takePaths(words)
	if err != nil {
		return job{}, err
	}
	at := lwm2m.Path{}
	if len(paths) == 1 {
		at, err = lwm2m.ParsePath(paths[0])
	}
	j := job{answer: Answer{Endpoint: k.Endpoint, Path: strings.Join(paths, " ")}}
	j.perform = func(ctx context.Context, a *Answer) (func(), error) {
		o := c.relation(k.Endpoint, paths)
		if o == nil {
			a.Error = c.nothingToCancel(k.Endpoint)
			return nil, nil
		}
		r, err := o.Cancel(ctx)
		if err == nil {
			c.response(a, at, r)
		}
		return nil, err
	}
	return j, err
}

func (c *Console) nothingToCancel(endpoint string) string {
	var observed []string
	for _, o := range c.server.Observations(endpoint) {
		observed = append(observed, strings.Join(o.Paths, " "))
	}
	if len(observed) == 0 {
		return "nothing of this client is observed, so there is nothing to cancel"
	}
	slices.Sort(observed)
	return "not observed; what is: " + listed(observed)
}
