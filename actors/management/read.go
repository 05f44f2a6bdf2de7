package management

import (
	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/requests"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// get is Read (section 6.3.1), or Discover (6.3.2) when links are asked for.
func (s session) get(path lwm2m.Path, in messages.Inbound) answer {
	if in.Accept != nil && *in.Accept == messages.FormatLinkFormat {
		return s.discover(path)
	}
	payload, found := s.payload(path)
	if !found { // an executable resource
		return *notAllowed
	}
	format := s.format(in.Epoch)
	if in.Accept != nil {
		format = *in.Accept
	}
	return answer{Answer: answers.Encode(format, path, payload)}
}

// format is that of an answer to a server that states no preference: of the two
// that registration announces, the one that came with the server's version (section
// 7.4). A server may ask before its session is announced to us, and TLV is the
// older.
func (m *Machine) format(epoch messages.Epoch) messages.Format {
	switch m.versions[epoch] {
	case "", requests.Version10:
		return messages.FormatTLV
	}
	return messages.FormatSenMLCBOR
}
