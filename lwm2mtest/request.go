package lwm2mtest

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
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
	Code     lwm2m.Code
	Format   *lwm2m.Format
	Payload  []byte
	Location []string // of what a Create has made, one element for each Location-Path option
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
	p, err := s.peerOf(endpoint)
	if err != nil {
		return Response{}, err
	}
	return p.do(ctx, r, nil)
}

// do carries a request out, by blocks if need be. o is the observation that it begins
// or cancels, or nil.
func (p *peer) do(ctx context.Context, r Request, o *ObserveRelation) (Response, error) {
	m, err := p.upBlocks(ctx, r, o)
	if err != nil {
		return Response{}, err
	}
	body, err := p.downBlocks(ctx, r, m)
	if err == nil {
		p.collectBlocks(r, m, body)
	}
	return response(m, body), err
}

// response returns what a message says, with the body of all its blocks.
func response(m coap.Message, body []byte) Response {
	return Response{
		Code: m.Code, Format: m.Format(coap.ContentFormat), Payload: body, Location: m.Strings(coap.LocationPath),
	}
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
// larger than one (RFC 7959 section 2.5), and returns the final response. The requests
// of an observation all have its token.
func (p *peer) upBlocks(ctx context.Context, r Request, o *ObserveRelation) (coap.Message, error) {
	szx := coap.SZXForSize(p.server.opts.BlockSize)
	token := o.tokenOr(p.newToken)
	for offset := 0; ; {
		size := 1 << (szx + 4)
		m, more := r.part(offset, szx)
		m.Token = token
		answer, err := p.roundTrip(ctx, m, r.Twice, o)
		if err != nil || !more || answer.Code != lwm2m.CodeContinue {
			return answer, err
		}
		offset += size
		if b, ok := answer.Block(coap.Block1); ok && b.SZX < szx {
			szx = b.SZX
		}
		if p.server.opts.NewTokenPerBlock {
			token = o.tokenOr(p.newToken)
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
		if !fits || !ok || block.Offset() != len(body) || next.Code != m.Code || !sameVersion(m, next) {
			return nil, ErrBlockwise
		}
		body = append(body, next.Payload...)
	}
	return body, nil
}

// sameVersion reports whether two blocks are of one version of a body, as far as they
// say so by an ETag.
func sameVersion(a, b coap.Message) bool {
	first, _ := a.Bytes(coap.ETag)
	second, _ := b.Bytes(coap.ETag)
	return bytes.Equal(first, second)
}

// fetch asks for one block: with the request's payload where that fits in one, as it
// says what is asked for, and without Observe, which is for the first block alone (RFC
// 7959 sections 2.6 and 2.7).
func (p *peer) fetch(ctx context.Context, r Request, block coap.Block) (coap.Message, error) {
	r.Observe = nil
	m := r.message()
	m.Token = p.newToken()
	m.AddBlock(coap.Block2, block)
	if len(r.Payload) <= p.server.opts.BlockSize {
		m.Payload = r.Payload
	}
	return p.roundTrip(ctx, m, r.Twice, nil)
}

// Decode decodes the payload of an answer about path, in any format that has values.
// The registry gives the types that a format does not tell. The error is a
// [*FormatError], of a format without values or without a type, or a
// [*lwm2m.DecodeError].
func (r Response) Decode(path string, registry *lwm2m.Registry) (lwm2m.Payload, error) {
	target, err := lwm2m.ParsePath(path)
	if err != nil {
		return lwm2m.Payload{}, err
	}
	if r.Format == nil {
		return lwm2m.Payload{}, &FormatError{Code: r.Code}
	}
	p, err := decode(*r.Format, target, r.Payload, registry)
	var unfit *codec.FormatError
	if errors.As(err, &unfit) {
		return lwm2m.Payload{}, &FormatError{Code: r.Code, Format: r.Format}
	}
	return p, err
}

// decode sets no limits but those of what has arrived.
func decode(f lwm2m.Format, target lwm2m.Path, data []byte, registry *lwm2m.Registry) (lwm2m.Payload, error) {
	all := len(data) + 1
	return codec.Decode(f, target, data, registry, lwm2m.Limits{Bytes: all, Nodes: all})
}
