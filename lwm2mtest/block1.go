package lwm2mtest

import (
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// maxUploads bounds the Block1 transfers of one peer at a time.
const maxUploads = 8

// upload is a request body that arrives in blocks.
type upload struct {
	body []byte
	last time.Time
}

// assemble returns a request's whole body, or what answers the present block
// when the body is not, or will never be, complete (RFC 7959 section 2.5).
func (p *peer) assemble(m coap.Message) ([]byte, *answer) {
	block, ok := m.Block(coap.Block1)
	if !ok {
		return m.Payload, nil
	}
	if block.SZX > coap.MaxSZX || (block.More && len(m.Payload) != block.Size()) {
		return nil, &answer{code: lwm2m.CodeBadRequest}
	}
	key := uploadKey(m)
	u := p.upload(key, block)
	if u == nil || len(u.body) != block.Offset() {
		return nil, &answer{code: lwm2m.CodeRequestEntityIncomplete}
	}
	if len(u.body)+len(m.Payload) > p.server.opts.MaxBody {
		delete(p.uploads, key)
		return nil, &answer{code: lwm2m.CodeRequestEntityTooLarge}
	}
	u.body, u.last = append(u.body, m.Payload...), time.Now()
	if block.More {
		return nil, &answer{code: lwm2m.CodeContinue, block1: &block}
	}
	delete(p.uploads, key)
	return u.body, nil
}

// upload finds the transfer that a block belongs to; block 0 begins a new one.
func (p *peer) upload(key string, block coap.Block) *upload {
	if block.Num != 0 {
		return p.uploads[key]
	}
	for k, u := range p.uploads {
		if time.Since(u.last) > exchangeLifetime || len(p.uploads) >= maxUploads {
			delete(p.uploads, k)
		}
	}
	u := &upload{}
	p.uploads[key] = u
	return u
}

// uploadKey identifies a transfer by what its requests share: method, path,
// query and Request-Tag (RFC 9175 section 3), but not the token.
func uploadKey(m coap.Message) string {
	parts := append([]string{m.Code.String()}, m.Path()...)
	parts = append(append(parts, "?"), m.Query()...)
	parts = append(append(parts, "#"), m.Strings(coap.RequestTag)...)
	return strings.Join(parts, "\x00")
}
