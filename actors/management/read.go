package management

import (
	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// get is Read (section 6.3.1). What is in memory is answered without a detour.
func (s session) get(r *task) answer {
	if r.path.Len() > 1 {
		if src := s.source(r.object, r.path); !src.ask {
			return s.readAnswer(r.path, &r.in, src)
		}
	}
	path, in := r.path, r.in // what the answer needs of the request when it comes later
	return s.read(&r.in, s.sources(path), func(done reading) answer {
		if path.Len() > 1 {
			return done.readAnswer(path, &in, done.sources[0])
		}
		p, err := content(done.sources)
		if err != nil {
			return done.refusal(path, err)
		}
		return done.encode(path, &in, p)
	})
}

// readAnswer answers the Read of one source.
func (s session) readAnswer(path lwm2m.Path, in *messages.Inbound, src source) answer {
	switch {
	case src.err != nil:
		return s.refusal(path, src.err)
	case !src.found:
		return *notFound
	}
	return s.encode(path, in, src.payload)
}

func (s session) encode(path lwm2m.Path, in *messages.Inbound, p lwm2m.Payload) answer {
	format := s.format(in.Epoch)
	if in.Accept != nil {
		format = *in.Accept
	}
	a := answer{Answer: answers.Encode(format, path, p)}
	if in.Observe != nil {
		s.observe(&a, in, []lwm2m.Path{path}, p)
	}
	s.tellsReports(&a, p)
	return a
}

// format is that of an answer to a server that states no preference: of the two
// that registration announces, the one that came with the server's version (section
// 7.4). A server may ask before its session is announced to us, and TLV is the
// older.
func (m *Machine) format(epoch messages.Epoch) messages.Format {
	switch m.versions.of(epoch) {
	case "", requests.Version10:
		return messages.FormatTLV
	}
	return messages.FormatSenMLCBOR
}
