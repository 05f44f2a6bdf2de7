package download

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/internal/validity"
)

// RedirectError says that a server redirects to where no image is fetched from: a URI that is
// none or not allowed, one of plain HTTP after https, or a fourth in a row. Err is a
// *[URIError].
type RedirectError struct{ Err error }

// Error returns a sentence for a person.
func (e *RedirectError) Error() string {
	return withCause("the server redirects the request for the image", e.Err)
}

// Unwrap returns what is against the URI.
func (e *RedirectError) Unwrap() error { return e.Err }

// ResolveError says that a host led to no address. Err, when not nil, is what the resolver
// said.
type ResolveError struct {
	Host string
	Err  error
}

// Error returns a sentence for a person.
func (e *ResolveError) Error() string {
	if e.Err == nil {
		return "resolving " + strconv.Quote(e.Host) + ": it has no address"
	}
	return withCause("resolving "+strconv.Quote(e.Host), e.Err)
}

// Unwrap returns what the resolver said.
func (e *ResolveError) Unwrap() error { return e.Err }

// The operations of a [ConnectionError].
const (
	opDial  = "dial"
	opRead  = "read"
	opWrite = "write"
)

// ConnectionError says that a connection could not be made, or has ended before a response
// had begun, or has failed since.
type ConnectionError struct {
	Op   string // "dial", "read" or "write"
	Host string // host:port; may be empty
	Err  error  // errors.Is reaches an errno; io.ErrUnexpectedEOF where the server has closed it
}

// Error returns a sentence for a person.
func (e *ConnectionError) Error() string {
	return withCause("the server's connection: "+strings.TrimSuffix(e.Op+" "+e.Host, " "), e.Err)
}

// Unwrap returns the operation's error.
func (e *ConnectionError) Unwrap() error { return e.Err }

// TLSError says that a TLS handshake has failed. errors.As reaches a
// *tls.CertificateVerificationError through it where the server's certificate is the reason.
type TLSError struct {
	Host  string         // host:port
	Clock validity.Clock // what the certificate was judged by
	Err   error
}

// Error returns a sentence for a person.
func (e *TLSError) Error() string { return withCause("TLS with "+e.Host, e.Err) }

// Unwrap returns what has failed.
func (e *TLSError) Unwrap() error { return e.Err }

// Stage is a part of a fetch that has a bound.
type Stage uint8

// The stages.
const (
	StageConnect Stage = iota + 1 // resolving and connecting: 30 s
	StageTLS                      // the TLS handshake: 30 s
	StageHeader                   // until the header of the response is there: 60 s
	StageBody                     // until the next byte of the image is: 60 s
)

// String returns the stage in words.
func (s Stage) String() string {
	names := [...]string{"", "connecting", "the TLS handshake", "waiting for a response", "waiting for the next part of the image"}
	if int(s) < len(names) {
		return names[s]
	}
	return "invalid"
}

// TimeoutError says that a stage has lasted too long.
type TimeoutError struct{ Stage Stage }

// Error returns a sentence for a person.
func (e *TimeoutError) Error() string {
	return "the server of the image: timeout in " + e.Stage.String()
}

// Timeout reports true, as net.Error has it.
func (*TimeoutError) Timeout() bool { return true }

// ProtocolReason says what is wrong with a response.
type ProtocolReason uint8

// The reasons of a [ProtocolError].
const (
	NotHTTP          ProtocolReason = iota + 1 // no response of HTTP/1.x, or a part of one that is broken
	HeaderTooLarge                             // more than 16 KiB
	UnexpectedStatus                           // a status code that is no answer to the request
	Encoded                                    // compressed, although it was asked for as it is
	Empty                                      // an image without a byte
	NoLength                                   // neither a length nor chunks: its end could not be told from a broken connection
	BadLength                                  // more than was announced
)

// ProtocolError says that a response is none that an image could follow.
type ProtocolError struct {
	Reason ProtocolReason
	Status int   // with UnexpectedStatus
	Err    error // with NotHTTP: what is wrong; may be nil
}

// Error returns a sentence for a person.
func (e *ProtocolError) Error() string {
	texts := [...]string{
		"", "is not HTTP/1.1", "has a header of more than 16 KiB", "has the unexpected status " + strconv.Itoa(e.Status),
		"is compressed, which was not asked for", "has no image", "does not say how long the image is", "has more than it announced",
	}
	return withCause("the server's response "+texts[min(int(e.Reason), len(texts)-1)], e.Err)
}

// Unwrap returns what is wrong.
func (e *ProtocolError) Unwrap() error { return e.Err }

// StatusError says that the server refuses: 4xx or 5xx (RFC 9110 sections 15.5 and 15.6).
type StatusError struct {
	Status int
	// After is how long the server is to be left alone, with 429 and 503: 1 s to a week.
	After time.Duration
}

// Error returns a sentence for a person.
func (e *StatusError) Error() string {
	text := "the server answers " + strconv.Itoa(e.Status)
	if name := http.StatusText(e.Status); name != "" {
		text += " (" + name + ")"
	}
	if e.After > 0 {
		text += ", and asks for a pause of " + e.After.String()
	}
	return text
}

// Overloaded reports whether the server asks for a pause: After.
func (e *StatusError) Overloaded() bool { return e.After > 0 }

// NotFound reports whether there is no such image.
func (e *StatusError) NotFound() bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusGone
}

// Refused reports whether the server does not let this client have the image.
func (e *StatusError) Refused() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
}

// ChangedError says that the image is another one than that of the [Fetch]: what is there is
// worth nothing.
type ChangedError struct{ Size int64 } // of the one that is there now; 0 is unknown

// Error returns a sentence for a person.
func (*ChangedError) Error() string { return "the server has another image under the same URI" }

// RangeError says that the rest of an image cannot be had: the image has no bytes there, or
// what the server says of its ranges makes no sense. It has to be fetched from its beginning,
// for which no ranges are needed; unless Size equals [Fetch.From], then all of it is there.
type RangeError struct{ Size int64 } // as the server says it; 0 is unknown

// Error returns a sentence for a person.
func (e *RangeError) Error() string { return "the server does not have the rest of the image" }

// SizeError says that an image is larger than allowed ([Policy.MaxSize]).
type SizeError struct {
	Size  int64 // bytes; 0 is unknown
	Limit int64 // bytes
}

// Error returns a sentence for a person.
func (e *SizeError) Error() string {
	text := "the image is larger than the limit of " + strconv.FormatInt(e.Limit, 10) + " bytes"
	if e.Size > 0 {
		text += ": it has " + strconv.FormatInt(e.Size, 10)
	}
	return text
}

// ShortError says that an image has ended before its end: the connection was closed.
type ShortError struct {
	At   int64 // how many bytes of the whole image have come
	Size int64 // of how many; 0 is unknown
}

// Error returns a sentence for a person.
func (e *ShortError) Error() string {
	text := "the server has closed the connection after " + strconv.FormatInt(e.At, 10) + " bytes of the image"
	if e.Size > 0 {
		text += ", which has " + strconv.FormatInt(e.Size, 10)
	}
	return text
}

func withCause(text string, err error) string {
	if err == nil {
		return text
	}
	return text + ": " + err.Error()
}
