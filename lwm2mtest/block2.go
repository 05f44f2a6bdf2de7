package lwm2mtest

import (
	"strings"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// maxBodies bounds the answers of one peer that are being fetched in blocks.
const maxBodies = 8

// inBlocks returns the first block of an answer that is larger than one, and keeps the whole
// of it for the blocks that are asked for later (RFC 7959 section 2.4). The lock is held.
func (p *peer) inBlocks(m coap.Message, a answer) answer {
	key := bodyKey(m)
	delete(p.bodies, key)
	size := p.server.opts.BlockSize
	if block, ok := m.Block(coap.Block2); ok && block.SZX <= coap.MaxSZX {
		size = min(size, block.Size())
	}
	if len(a.payload) <= size {
		return a
	}
	for other := range p.bodies {
		if len(p.bodies) >= maxBodies {
			delete(p.bodies, other)
		}
	}
	p.server.versions++
	a.etag = []byte{byte(p.server.versions >> 8), byte(p.server.versions)}
	p.bodies[key] = a
	return a.block(0, size)
}

// laterBlock answers a request for a block of an answer that is kept. The lock is held.
func (p *peer) laterBlock(m coap.Message) (answer, bool) {
	block, ok := m.Block(coap.Block2)
	if !ok || block.Num == 0 || block.SZX > coap.MaxSZX {
		return answer{}, false
	}
	a, kept := p.bodies[bodyKey(m)]
	if !kept {
		return answer{}, false
	}
	if block.Offset() >= len(a.payload) {
		return answer{code: lwm2m.CodeBadRequest}, true
	}
	return a.block(block.Offset(), min(block.Size(), p.server.opts.BlockSize)), true
}

// block returns one block of an answer.
func (a answer) block(offset, size int) answer {
	end := min(offset+size, len(a.payload))
	block, _ := coap.At(offset, end < len(a.payload), coap.SZXForSize(size))
	a.payload, a.block2 = a.payload[offset:end], &block
	return a
}

// bodyKey identifies an answer by what the requests for its blocks share.
func bodyKey(m coap.Message) string {
	return strings.Join(append(append([]string{m.Code.String()}, m.Path()...), m.Query()...), "\x00")
}
