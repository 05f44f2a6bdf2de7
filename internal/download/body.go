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
	size     int64 // of the whole image, by the server or by the Fetch; 0 is unknown
	max      int64 // 0 is no bound
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
	limit, excess := b.limit()
	if limit > 0 && b.at+int64(n) > limit {
		n = int(limit - b.at)
		b.at = limit
		return n, excess
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
	case b.at < b.size:
		return &ShortError{At: b.at, Size: b.size}
	}
	return io.EOF
}

// limit is where the image has to end, and what it is when it does not.
func (b *Body) limit() (int64, error) {
	switch {
	case b.Total > 0:
		return b.Total, &ProtocolError{Reason: BadLength}
	case b.size > 0:
		return b.size, &ChangedError{}
	}
	return b.max, &SizeError{Limit: b.max}
}

// explain returns why the image ends before its end.
func (b *Body) explain(err error) error {
	w := b.exchange.wire
	if w.ctx.Err() == nil && (errors.Is(w.err, io.EOF) || errors.Is(w.err, io.ErrUnexpectedEOF)) {
		return &ShortError{At: b.at, Size: b.size}
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
	b := &Body{Validator: validatorOf(r.Header), max: limit}
	measure := b.whole
	if r.StatusCode == http.StatusPartialContent {
		measure = b.part
	}
	if err := measure(r, f); err != nil {
		return nil, err
	}
	b.at = b.From
	b.size = b.Total
	if b.size == 0 {
		b.size = f.Size
	}
	return b, b.checkSize(f, r.ContentLength < 0 && len(r.TransferEncoding) == 0)
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

// checkSize compares the size of an image with what is known and with what is allowed.
// toTheEnd says that only the end of the connection ends it: then it must be known, else a
// connection that breaks would end it, too.
func (b *Body) checkSize(f Fetch, toTheEnd bool) error {
	switch {
	case b.max > 0 && b.size > b.max:
		return &SizeError{Size: b.size, Limit: b.max}
	case f.Size > 0 && b.size != f.Size:
		return &ChangedError{Size: b.Total}
	case b.size == 0 && toTheEnd:
		return &ProtocolError{Reason: NoLength}
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
	switch status := r.StatusCode; status {
	case http.StatusOK:
		return nil
	case http.StatusPartialContent:
		if f.From == 0 { // nothing but the whole was asked for
			return &ProtocolError{Reason: UnexpectedStatus, Status: status}
		}
		return nil
	case http.StatusPreconditionFailed:
		return &ChangedError{}
	case http.StatusRequestedRangeNotSatisfiable:
		return &RangeError{Size: unsatisfied(single(r.Header, "Content-Range"))}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return &StatusError{Status: status, After: pauseOf(r.Header, time.Now())}
	default:
		if status < http.StatusBadRequest {
			return &ProtocolError{Reason: UnexpectedStatus, Status: status}
		}
		return &StatusError{Status: status}
	}
}
