package management

import (
	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// get is Read (section 6.3.1), or Discover (6.3.2) when links are asked for.
func (s session) get(path lwm2m.Path, accept *messages.Format) answer {
	if accept != nil && *accept == messages.FormatLinkFormat {
		return s.discover(path)
	}
	payload, found := s.view.Payload(path)
	if !found { // an executable resource
		return *notAllowed
	}
	// Every server reads TLV, whatever its version; link and version of the
	// asker are not known here.
	format := messages.FormatTLV
	if accept != nil {
		format = *accept
	}
	return answer{Answer: answers.Encode(format, path, payload)}
}
