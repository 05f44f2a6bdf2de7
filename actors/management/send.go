package management

import (
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
	"github.com/holdfast-iot/holdfast/messages"
)

// gather reads sources for nobody's request: then takes what was found, at once where
// all of it is in memory, or why nothing was.
func (s session) gather(sources []source, then func(reading, *answer) []core.Effect) []core.Effect {
	var done *reading
	s.late = func(a answer) []core.Effect {
		if done == nil {
			return then(reading{session: s}, &a)
		}
		return then(*done, nil)
	}
	a := s.read(&messages.Inbound{}, sources, func(r reading) answer {
		done = &r
		return answer{}
	})
	if a.later != nil {
		return a.later
	}
	return s.late(a)
}

// collect reads what is to be sent to a server: the present values of paths, and samples
// that the application has kept. What is not there, or may not be read by that server, is
// left out.
func (s session) collect(in messages.CollectSend) []core.Effect {
	samples, sources := s.permitted(in.Samples), s.composite(in.Paths)
	if w := (wish{reads: s.screened(sources)}); !s.free(in.Epoch, w, nil) {
		refuse := func(a answer) []core.Effect { return []core.Effect{tell(uncollected(in.ID, &a))} }
		a := s.park(&parked{epoch: in.Epoch, wish: w, goOn: func(s session) []core.Effect { return s.collect(in) }, refuse: refuse})
		if a.later != nil {
			return a.later
		}
		return refuse(*a)
	}
	return s.gather(sources, func(r reading, refusal *answer) []core.Effect {
		if refusal != nil {
			return []core.Effect{tell(uncollected(in.ID, refusal))}
		}
		return []core.Effect{tell(r.sendable(in.ID, samples))}
	})
}

// uncollected says why there is no content.
func uncollected(id uint64, a *answer) messages.SendCollected {
	refusal := messages.SendUnreadable
	if a.Code == messages.ServiceUnavailable {
		refusal = messages.SendBusy
	}
	return messages.SendCollected{ID: id, Refusal: refusal, Detail: string(a.Payload)}
}

// permitted picks of samples what the server may read.
func (s session) permitted(samples []lwm2m.Sample) (some []lwm2m.Sample) {
	for _, sample := range samples {
		sample.Payload = sample.Payload.Filter(s.mayReadAt)
		sample.Payload.Instances = nil // of which there may be nothing left
		if len(sample.Payload.Nodes) > 0 {
			some = append(some, sample)
		}
	}
	return some
}

// sendable makes the content of a Send of what was read and what was kept.
func (r reading) sendable(id uint64, samples []lwm2m.Sample) messages.SendCollected {
	out := messages.SendCollected{ID: id}
	p, err := content(accepted(r.sources))
	if err == nil && len(p.Nodes) > 0 {
		samples = append(samples, lwm2m.Sample{Payload: p})
	}
	if err == nil && len(samples) == 0 {
		out.Refusal = messages.SendNothing
		return out
	}
	if err == nil {
		out.Format, _ = codec.Preferred(codec.Send, versionOfSend)
		out.Payload, err = codec.EncodeSamples(out.Format, lwm2m.Path{}, samples)
	}
	if err != nil {
		r.fault(lwm2m.Path{}, err)
		out.Refusal, out.Payload = messages.SendUnreadable, nil
	}
	return out
}

// versionOfSend is the first version of LwM2M that has Send.
const versionOfSend = "1.1"
