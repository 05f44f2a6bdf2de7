package download

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// Body is an image, or the rest of one, as it comes. Nothing is read ahead but what the
// operating system holds: a part comes when it is asked for.
type Body struct {
	// From is the offset of the first byte that comes: that of the [Fetch], or 0 when the
	// server does not do ranges and begins anew.
	From int64
	// Total is the size of the whole image, in bytes; 0 when the server does not say it.
	Total int64
	// Validator tells, in a later [Fetch], whether the image is still the same. Empty: the
	// server says nothing that could.
	Validator string

	exchange *exchange
	at       int64 // the offset of the next byte
	need     int64 // how large the whole image is at least; 0 is unknown
	limit    int64 // how large it may be; 0 is no bound
	excess   error // what it means when it is larger
	err      error // how it has ended
}

// Next reads the next part of the image into p, which it fills unless the image or the
// connection ends. The part that comes last is followed by io.EOF, when the image is whole,
// or by another error. It is not safe for concurrent use.
//
// Errors besides those of the context: *[ConnectionError], *[TimeoutError],
// *[ProtocolError], *[ShortError], *[SizeError], *[ChangedError].
func (b *Body) Next(p []byte) (int, error) {
	n := 0
	for n < len(p) && b.err == nil {
		var m int
		m, b.err = b.read(p[n:])
		n += m
	}
	if b.err != nil {
		b.exchange.end()
	}
	if n > 0 {
		return n, nil
	}
	return 0, b.err
}

// Close ends the fetch: a Next that waits returns. It may be called at any time, and more
// than once.
func (b *Body) Close() { b.exchange.end() }

// read reads what is there, and checks that it is not too much or too little.
func (b *Body) read(p []byte) (int, error) {
	n, err := b.exchange.response.Body.Read(p)
	if b.limit > 0 && b.at+int64(n) > b.limit {
		n = int(b.limit - b.at)
		b.at = b.limit
		return n, b.excess
	}
	b.at += int64(n)
	return n, b.verdict(err)
}

// verdict says what the end of a response means.
func (b *Body) verdict(err error) error {
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, io.EOF):
		return b.explain(err)
	case b.at == 0:
		return &ProtocolError{Reason: Empty}
	case b.at < b.need:
		return &ShortError{At: b.at, Size: b.need}
	}
	return io.EOF
}

// explain returns why the image ends before its end.
func (b *Body) explain(err error) error {
	w := b.exchange.wire
	if w.ctx.Err() == nil && (errors.Is(w.err, io.EOF) || errors.Is(w.err, io.ErrUnexpectedEOF)) {
		return &ShortError{At: b.at, Size: b.need}
	}
	return w.explain("", err)
}

// body checks a response, and returns the image that it begins.
func (e *exchange) body(f Fetch, limit int64) (*Body, error) {
	b, err := newBody(e.response, f, limit)
	if err != nil {
		e.end()
		return nil, err
	}
	b.exchange = e
	return b, nil
}

func newBody(r *http.Response, f Fetch, limit int64) (*Body, error) {
	if err := checkStatus(r, f); err != nil {
		return nil, err
	}
	if !isPlain(r.Header) {
		return nil, &ProtocolError{Reason: Encoded}
	}
	b := &Body{Validator: validatorOf(r.Header)}
	measure := b.whole
	if r.StatusCode == http.StatusPartialContent {
		measure = b.part
	}
	if err := measure(r, f); err != nil {
		return nil, err
	}
	b.at = b.From
	return b, b.bound(f, limit, r.ContentLength < 0 && len(r.TransferEncoding) == 0)
}

// whole takes the measures of a whole image.
func (b *Body) whole(r *http.Response, _ Fetch) error {
	if r.ContentLength == 0 {
		return &ProtocolError{Reason: Empty}
	}
	b.Total = max(r.ContentLength, 0)
	return nil
}

// part takes those of a part, which has to be the one that was asked for.
func (b *Body) part(r *http.Response, f Fetch) error {
	got, ok := parseContentRange(single(r.Header, "Content-Range"))
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case !ok || got.first != f.From || strings.EqualFold(media, "multipart/byteranges"):
		return &RangeError{Size: got.total}
	case r.ContentLength >= 0 && r.ContentLength != got.last-got.first+1:
		return &RangeError{Size: got.total}
	case !matches(r.Header, f.Validator):
		return &ChangedError{Size: got.total}
	case got.total == 0 && f.Size == 0: // nothing would say where the image ends
		return &RangeError{}
	}
	b.From, b.Total = f.From, got.total
	return nil
}

// bound finds out where the image has to end, and refuses one that is too large or another one.
// toTheEnd says that only the end of the connection ends it: then its size must be known,
// else a connection that breaks would end it, too.
func (b *Body) bound(f Fetch, limit int64, toTheEnd bool) error {
	resumes := f.From > 0
	if limit > 0 && b.Total > limit {
		return &SizeError{Size: b.Total, Limit: limit}
	}
	if resumes && f.Size > 0 && b.Total > 0 && b.Total != f.Size {
		return &ChangedError{Size: b.Total}
	}
	b.limit, b.excess = limit, &SizeError{Limit: limit}
	switch {
	case b.Total > 0:
		b.need, b.limit, b.excess = b.Total, b.Total, &ProtocolError{Reason: BadLength}
	case toTheEnd && f.Size == 0:
		return &ProtocolError{Reason: NoLength}
	case toTheEnd, b.From > 0:
		b.need = f.Size
	}
	if resumes && b.Total == 0 && f.Size > 0 {
		b.limit, b.excess = f.Size, &ChangedError{}
	}
	return nil
}

// isPlain reports whether an image comes as it is.
func isPlain(h http.Header) bool {
	for _, coding := range h.Values("Content-Encoding") {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
			return false
		}
	}
	return true
}

// checkStatus returns what a status code says, unless an image follows.
func checkStatus(r *http.Response, f Fetch) error {
	status, resumes := r.StatusCode, f.From > 0
	switch {
	case status == http.StatusOK, status == http.StatusPartialContent && resumes:
		return nil
	case status == http.StatusPreconditionFailed && resumes:
		return &ChangedError{}
	case status == http.StatusRequestedRangeNotSatisfiable && resumes:
		return &RangeError{Size: unsatisfied(single(r.Header, "Content-Range"))}
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return &StatusError{Status: status, After: pauseOf(r.Header, time.Now())}
	case status < http.StatusBadRequest:
		return &ProtocolError{Reason: UnexpectedStatus, Status: status}
	}
	return &StatusError{Status: status}
}
