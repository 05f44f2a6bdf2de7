package lwm2mtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Block is which block of a body a message has (RFC 7959 section 2.2).
type Block struct {
	Number int  // from 0
	More   bool // further ones follow
	Size   int  // of the blocks of this body in bytes, a power of two from 16 to 1024
}

// BlockRequest is one block of a request's payload. Nothing holds it to the blocks before: a
// test leaves gaps, repeats blocks, or ends half way.
type BlockRequest struct {
	Request // with the payload of the block
	Block   Block
	// RequestTag tells transfers apart (RFC 9175 section 3); nil for none, and empty for
	// one without bytes.
	RequestTag []byte
	// Size1 announces the size of the whole, in bytes; nil announces none.
	Size1 *uint32
}

// DoBlock sends one block of a request, and returns the client's answer, whatever its code, and
// the block that it names; nil for none. For errors, see [Server.Do].
func (s *Server) DoBlock(ctx context.Context, endpoint string, r BlockRequest) (Response, *Block, error) {
	p, err := s.peerOf(endpoint)
	if err != nil {
		return Response{}, nil, err
	}
	return p.doBlock(ctx, r, p.newToken())
}

// peerOf returns where an endpoint is registered from.
func (s *Server) peerOf(endpoint string) (*peer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reg := s.endpoints[endpoint]; reg != nil {
		return reg.peer, nil
	}
	return nil, ErrNotRegistered
}

func (p *peer) doBlock(ctx context.Context, r BlockRequest, token []byte) (Response, *Block, error) {
	m := r.message()
	m.Token, m.Payload = token, r.Payload
	m.AddBlock(coap.Block1, coap.Block{Num: uint32(r.Block.Number), More: r.Block.More, SZX: coap.SZXForSize(r.Block.Size)})
	if r.RequestTag != nil {
		m.AddOption(coap.RequestTag, r.RequestTag)
	}
	if r.Size1 != nil {
		m.AddUint(coap.Size1, *r.Size1)
	}
	answer, err := p.roundTrip(ctx, m, r.Twice, nil)
	if err != nil {
		return Response{}, nil, err
	}
	var of *Block
	if b, ok := answer.Block(coap.Block1); ok {
		of = &Block{Number: int(b.Num), More: b.More, Size: b.Size()}
	}
	return response(answer, answer.Payload), of, nil
}

// PushOptions is how a body is pushed. The zero value is usable.
type PushOptions struct {
	Format     *lwm2m.Format // nil means opaque
	BlockSize  int           // in bytes, a power of two from 16 to 1024; 0 means that of the server
	RequestTag []byte        // see [BlockRequest]
	Size       int64         // announced with the first block, in bytes; 0 announces nothing
	Twice      bool          // send each datagram twice
	// Before, when set, is called before each block with its offset in bytes. It may wait,
	// until ctx ends, and so hold the transfer up. An error gives the transfer up, and
	// is what Push returns.
	Before func(ctx context.Context, offset int64) error
}

// Push writes a resource (PUT), a firmware package of any size say, in blocks that are read one
// at a time (RFC 7959 section 2.5). A body of one block goes without Block1. It
// returns the answer to the last block that was sent: one that is no 2.31 ends the
// transfer. Errors are those of [Server.Do], of body, and of PushOptions.Before.
func (s *Server) Push(ctx context.Context, endpoint, path string, body io.Reader, o PushOptions) (Response, error) {
	p, err := s.peerOf(endpoint)
	if err != nil {
		return Response{}, err
	}
	setDefault(&o.Format, new(lwm2m.FormatOpaque))
	setDefault(&o.BlockSize, s.opts.BlockSize)
	u := &pushing{
		peer: p, body: bufio.NewReaderSize(body, 2*coapBlockLimit), options: o, size: o.BlockSize, token: p.newToken(),
		request: Request{Method: lwm2m.CodePUT, Path: path, Format: o.Format, Twice: o.Twice},
	}
	for {
		answer, more, err := u.next(ctx)
		if err != nil || !more || answer.Code != lwm2m.CodeContinue {
			return answer, err
		}
	}
}

// coapBlockLimit is the size of the largest block.
const coapBlockLimit = 1024

// pushing is a transfer under way.
type pushing struct {
	peer    *peer
	body    *bufio.Reader
	options PushOptions
	request Request
	token   []byte
	offset  int64
	size    int // of blocks: the client may make it smaller
}

// next sends the next block.
func (u *pushing) next(ctx context.Context) (answer Response, more bool, err error) {
	if u.options.Before != nil {
		if err := u.options.Before(ctx, u.offset); err != nil {
			return Response{}, false, err
		}
	}
	payload, more, err := u.read()
	if err != nil {
		return Response{}, false, err
	}
	r := u.block(payload, more)
	if u.offset == 0 && !more {
		answer, err = u.whole(ctx, r.Request)
		return answer, false, err
	}
	answer, of, err := u.peer.doBlock(ctx, r, u.token)
	u.offset += int64(len(payload))
	if of != nil && of.Size < u.size {
		u.size = of.Size
	}
	if u.peer.server.opts.NewTokenPerBlock {
		u.token = u.peer.newToken()
	}
	return answer, more, err
}

// whole sends a body that fits in one message.
func (u *pushing) whole(ctx context.Context, r Request) (Response, error) {
	m := r.message()
	m.Token, m.Payload = u.token, r.Payload
	answer, err := u.peer.roundTrip(ctx, m, r.Twice, nil)
	if err != nil {
		return Response{}, err
	}
	return response(answer, answer.Payload), nil
}

// read returns the next block's payload, and whether more follow.
func (u *pushing) read() (payload []byte, more bool, err error) {
	payload = make([]byte, u.size)
	n, err := io.ReadFull(u.body, payload)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, false, err
	}
	_, err = u.body.Peek(1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	return payload[:n], err == nil, nil
}

func (u *pushing) block(payload []byte, more bool) BlockRequest {
	r := BlockRequest{
		Request: u.request, RequestTag: bytes.Clone(u.options.RequestTag),
		Block: Block{Number: int(u.offset / int64(u.size)), More: more, Size: u.size},
	}
	r.Payload = payload
	if u.offset == 0 && u.options.Size > 0 {
		r.Size1 = new(uint32(u.options.Size))
	}
	return r
}
