package lwm2mtest

import (
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// Fetched is one request for a block of a file. Resends are the same request.
type Fetched struct {
	Time     time.Time
	Path     string // "/images/fw.bin"
	Offset   int64  // of the block that was asked for
	Asked    int    // bytes of the block that was asked for
	Sent     int    // bytes that went with the answer
	Begins   bool   // the request does not go on where the one before from there has ended
	Answer   lwm2m.Code
	ETag     []byte
	Remote   netip.AddrPort
	Endpoint string // that is registered from there, or empty
	Identity string // proved by DTLS
}

// FileFault is how the server treats requests for a file instead of just answering them. The
// zero value is good behaviour.
type FileFault struct {
	// From is the first byte that is concerned: requests for earlier blocks are
	// answered as ever.
	From int64

	// Behaviour is about the answer as a message. Answer is given in place of a block,
	// with Payload and MaxAge; Process and WithoutLocation have no meaning here.
	Behaviour

	// Replace is served from now on, beginning with this block.
	Replace *File
	// BlockSize makes blocks that are at most so large, in bytes, a power of two from 16.
	BlockSize int
	// Shift is added to the number of the block in the answer, not to what is in it.
	Shift int
	// More overrides whether more blocks follow.
	More *bool
	// Cut is how many bytes the block is short of.
	Cut int
	// ETag is that of the answer; empty and not nil gives it none.
	ETag []byte
}

// fileFault is a fault that waits for its requests.
type fileFault struct {
	name string
	left int // negative: for ever
	FileFault
}

// SpoilFile makes the server treat the next n requests for a file in that way; a negative n
// means until [Server.MendFiles]. Faults queue: each request takes the first one that matches.
func (s *Server) SpoilFile(path string, n int, f FileFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n != 0 {
		s.fileFaults = append(s.fileFaults, &fileFault{name: fileName(path), left: n, FileFault: f})
	}
}

// MendFiles forgets what [Server.SpoilFile] was told.
func (s *Server) MendFiles() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fileFaults = nil
}

// fileFault takes the fault for one request. The lock is held.
func (s *Server) fileFault(name string, offset int64) FileFault {
	i := slices.IndexFunc(s.fileFaults, func(f *fileFault) bool { return f.name == name && offset >= f.From })
	if i < 0 {
		return FileFault{}
	}
	f := s.fileFaults[i]
	if f.left > 0 {
		f.left--
	}
	if f.left == 0 {
		s.fileFaults = slices.Delete(s.fileFaults, i, i+1)
	}
	return f.FileFault
}

// Fetches returns the requests for a file so far, oldest first. ServerOptions.MaxHistory
// bounds them as it does the history.
func (s *Server) Fetches(path string) []Fetched {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Fetched
	for _, f := range s.fetched.kept {
		if fileName(f.Path) == fileName(path) {
			all = append(all, f)
		}
	}
	return all
}

// FetchCount returns how many requests for a file there were.
func (s *Server) FetchCount(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetchCounts[fileName(path)]
}

// FetchStarts returns where fetching a file has begun, at which byte, each time that a
// client did not go on where it was: 0 for a download, and where it was resumed.
func (s *Server) FetchStarts(path string) []int64 {
	var offsets []int64
	for _, f := range s.Fetches(path) {
		if f.Begins {
			offsets = append(offsets, f.Offset)
		}
	}
	return offsets
}

// blockAsked is what a request for a file asks for.
type blockAsked struct {
	offset int64
	size   int
	first  bool     // or the only one: what is for the whole file goes with it
	plain  bool     // the request has no Block2
	match  []string // If-Match
}

// asksFor reads the options of a request. The server's own size is what is asked for where the
// request does not say, and never exceeded.
func (s *Server) asksFor(m coap.Message) (blockAsked, bool) {
	q := blockAsked{size: s.opts.BlockSize, first: true, plain: true}
	if block, ok := m.Block(coap.Block2); ok {
		if block.SZX > coap.MaxSZX {
			return q, false
		}
		q.offset, q.size, q.plain = int64(block.Offset()), min(q.size, block.Size()), false
	}
	q.first = q.offset == 0 || m.Has(coap.Size2)
	q.match = m.Strings(coap.IfMatch)
	return q, true
}

// fetch answers a request for a file. The lock is held.
func (s *Server) fetch(b *batch, r *reply, c *call) {
	q, valid := s.asksFor(r.request)
	f := s.fileFault(c.file, q.offset)
	if f.Replace != nil {
		s.setFile(c.file, *f.Replace)
	}
	a := answer{code: lwm2m.CodeBadRequest}
	if valid {
		a = s.block(c.file, q, f)
	}
	s.recordFetch(c, q, f.edit(a), f)
	r.give(b, a, f.Behaviour)
}

// block reads a block, and makes the answer of it.
func (s *Server) block(name string, q blockAsked, f FileFault) answer {
	file, done, found := s.openFile(name)
	if !found {
		return answer{code: lwm2m.CodeNotFound}
	}
	defer done()
	if len(q.match) > 0 && !slices.Contains(q.match, string(file.ETag)) && !slices.Contains(q.match, "") {
		return answer{code: lwm2m.CodePreconditionFailed}
	}
	if f.BlockSize > 0 {
		q.size = min(q.size, f.BlockSize)
	}
	payload, more, err := file.read(q.offset, q.size)
	block, fits := coap.At(int(q.offset), more, coap.SZXForSize(q.size))
	switch {
	case err != nil:
		return answer{code: lwm2m.CodeInternalServerError, payload: []byte(err.Error())}
	case !fits, len(payload) == 0 && q.offset > 0:
		return answer{code: lwm2m.CodeBadRequest} // behind the end
	}
	a := answer{code: lwm2m.CodeContent, format: new(lwm2m.FormatOpaque), payload: payload, etag: file.ETag}
	if !q.plain || more {
		a.block2 = &block
	}
	if size, announced := file.announced(); announced && q.first {
		a.size2 = &size
	}
	return f.spoil(a)
}

// spoil makes of a good answer what the fault says.
func (f FileFault) spoil(a answer) answer {
	if a.block2 != nil {
		a.block2.Num = uint32(max(0, int(a.block2.Num)+f.Shift))
		if f.More != nil {
			a.block2.More = *f.More
		}
	}
	if f.ETag != nil {
		a.etag = f.ETag
	}
	a.payload = a.payload[:max(0, len(a.payload)-f.Cut)]
	return a
}

// fetcher is a client that fetches a file.
type fetcher struct {
	remote netip.AddrPort
	name   string
}

// maxFetchers bounds what is known of clients that may not come again.
const maxFetchers = 1 << 12

// recordFetch notes a request, and in the history only where fetching begins: an image has
// ten thousand blocks. The lock is held.
func (s *Server) recordFetch(c *call, q blockAsked, a answer, f FileFault) {
	p := c.peer
	r := Fetched{
		Time: time.Now(), Path: "/" + c.file, Offset: q.offset, Asked: q.size, Answer: f.answered(a),
		Remote: p.remote, Endpoint: c.endpoint, Identity: p.identity,
	}
	if r.Answer == lwm2m.CodeContent {
		r.Sent, r.ETag = len(a.payload), a.etag
	}
	who := fetcher{p.remote, c.file}
	expected, known := s.fetchers[who]
	r.Begins = !known || expected != q.offset
	if !known && len(s.fetchers) == maxFetchers {
		clear(s.fetchers)
	}
	s.fetchers[who] = q.offset + int64(r.Sent)
	s.fetchCounts[c.file]++
	s.fetched.add(r, s.opts.MaxHistory)
	if r.Begins {
		s.record(Record{
			Kind: Fetch, Endpoint: r.Endpoint, Location: c.file, Query: c.request.Query(),
			Remote: r.Remote, Identity: r.Identity, Answer: r.Answer,
		})
		return
	}
	s.notify()
}
