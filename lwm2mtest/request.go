package lwm2mtest

import (
	"context"
	"strings"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/senml"
	"github.com/holdfast-iot/holdfast/lwm2m/tlv"
)

// Request is one request of the server to a client.
type Request struct {
	Method  lwm2m.Code // lwm2m.CodeGET, PUT, POST, DELETE ...
	Path    string     // "/3/0"; "/" or empty is the root
	Query   []string   // one "key=value" each, not escaped
	Accept  *lwm2m.Format
	Format  *lwm2m.Format // of the payload
	Payload []byte        // sent by Block1 when larger than a block
	Observe *uint32       // 0 registers, 1 cancels (RFC 7641)
	Twice   bool          // send each datagram twice, as if the network had duplicated it
}

// Response is a client's answer, reassembled when it came in blocks.
type Response struct {
	Code    lwm2m.Code
	Format  *lwm2m.Format
	Payload []byte
}

// Read reads an object, object instance, resource or resource instance of a
// registered endpoint (GET). See [Server.Do] for errors.
func (s *Server) Read(ctx context.Context, endpoint, path string, accept lwm2m.Format) (Response, error) {
	return s.Do(ctx, endpoint, Request{Method: lwm2m.CodeGET, Path: path, Accept: &accept})
}

// Do sends a request to a registered endpoint and returns its answer, whatever
// its code. Errors are ErrNotRegistered, ErrTimeout, ErrReset, ErrClosed,
// ErrBlockwise, and those of ctx.
func (s *Server) Do(ctx context.Context, endpoint string, r Request) (Response, error) {
	s.mu.Lock()
	reg := s.endpoints[endpoint]
	s.mu.Unlock()
	if reg == nil {
		return Response{}, ErrNotRegistered
	}
	return reg.peer.do(ctx, r)
}

// do carries a request out, by blocks if need be.
func (p *peer) do(ctx context.Context, r Request) (Response, error) {
	m, err := p.upBlocks(ctx, r)
	if err != nil {
		return Response{}, err
	}
	body, err := p.downBlocks(ctx, r, m)
	return Response{Code: m.Code, Format: m.Format(coap.ContentFormat), Payload: body}, err
}

// message composes the request without message ID, token and payload.
func (r Request) message() coap.Message {
	m := coap.Message{Code: r.Method}
	if path := strings.Trim(r.Path, "/"); path != "" {
		m.AddStrings(coap.URIPath, strings.Split(path, "/"))
	}
	if r.Observe != nil {
		m.AddUint(coap.Observe, *r.Observe)
	}
	m.AddStrings(coap.URIQuery, r.Query)
	m.AddFormat(coap.ContentFormat, r.Format)
	m.AddFormat(coap.Accept, r.Accept)
	return m
}

// newToken returns a token under the lock.
func (p *peer) newToken() []byte {
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	return p.token()
}

// upBlocks sends the request with its payload, cut into blocks when it is
// larger than one (RFC 7959 section 2.5), and returns the final response.
func (p *peer) upBlocks(ctx context.Context, r Request) (coap.Message, error) {
	szx := coap.SZXForSize(p.server.opts.BlockSize)
	token := p.newToken()
	for offset := 0; ; {
		size := 1 << (szx + 4)
		m, more := r.part(offset, szx)
		m.Token = token
		answer, err := p.roundTrip(ctx, m, r.Twice)
		if err != nil || !more || answer.Code != lwm2m.CodeContinue {
			return answer, err
		}
		offset += size
		if b, ok := answer.Block(coap.Block1); ok && b.SZX < szx {
			szx = b.SZX
		}
		if p.server.opts.NewTokenPerBlock {
			token = p.newToken()
		}
	}
}

// part returns the request with the block that begins at offset, and whether
// more follow. A payload of one block goes without Block1.
func (r Request) part(offset int, szx uint8) (m coap.Message, more bool) {
	m = r.message()
	size := 1 << (szx + 4)
	if offset == 0 && len(r.Payload) <= size {
		m.Payload = r.Payload
		return m, false
	}
	end := min(offset+size, len(r.Payload))
	more = end < len(r.Payload)
	block, _ := coap.At(offset, more, szx)
	m.AddBlock(coap.Block1, block)
	m.Payload = r.Payload[offset:end]
	return m, more
}

// downBlocks returns the body of a response, fetching its further blocks (RFC
// 7959 section 2.4), each with a token of its own.
func (p *peer) downBlocks(ctx context.Context, r Request, m coap.Message) ([]byte, error) {
	body := m.Payload
	block, ok := m.Block(coap.Block2)
	for ok && block.More {
		if len(body) > p.server.opts.MaxBody {
			return nil, ErrBlockwise
		}
		wanted, fits := coap.At(len(body), false, block.SZX)
		next, err := p.fetch(ctx, r, wanted)
		if err != nil {
			return nil, err
		}
		block, ok = next.Block(coap.Block2)
		if !fits || !ok || block.Offset() != len(body) || next.Code != m.Code {
			return nil, ErrBlockwise
		}
		body = append(body, next.Payload...)
	}
	return body, nil
}

func (p *peer) fetch(ctx context.Context, r Request, block coap.Block) (coap.Message, error) {
	m := r.message()
	m.Token = p.newToken()
	m.AddBlock(coap.Block2, block)
	return p.roundTrip(ctx, m, r.Twice)
}

// Decode decodes the payload of a successful Read of path, as TLV or SenML
// CBOR; any other format is a [*FormatError].
func (r Response) Decode(path string, registry *lwm2m.Registry) (lwm2m.Payload, error) {
	target, err := lwm2m.ParsePath(path)
	if err != nil {
		return lwm2m.Payload{}, err
	}
	switch {
	case r.Format != nil && *r.Format == lwm2m.FormatTLV:
		return tlv.Decode(target, r.Payload, registry)
	case r.Format != nil && *r.Format == lwm2m.FormatSenMLCBOR:
		return senml.DecodeCBOR(target, r.Payload, registry)
	}
	return lwm2m.Payload{}, &FormatError{Code: r.Code, Format: r.Format}
}
