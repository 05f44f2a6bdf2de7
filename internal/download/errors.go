package download

import (
	"net/netip"
	"strconv"

	"github.com/holdfast-iot/holdfast/lwm2m/uri"
)

// URIFault says what is against a URI.
type URIFault uint8

// The faults of a [URIError], with the Update Result that each has (LwM2M Core Appendix E.6).
const (
	Malformed         URIFault = iota + 1 // it is no URI: 7, invalid URI
	UnsupportedScheme                     // nothing is fetched by such a scheme: 9, unsupported protocol
	NotAllowed                            // nothing may be fetched from there: 7
)

// URIError says why an image is not fetched from a URI. It does not repeat the URI: a query may
// carry a key.
type URIError struct {
	Fault  URIFault
	Field  uri.Field  // the part that is wrong; empty where Host is what is not allowed
	Reason uri.Reason // what is wrong with it, and what to do; empty likewise
	Host   string     // host:port that is not allowed
	Addr   netip.Addr // what the host was resolved to, if that is the fault
}

// What uri.Reason does not have.
const (
	reasonEmpty      uri.Reason = "is empty: give one such as https://host/image"
	reasonTooLong    uri.Reason = "is too long: shorten the path or the query"
	reasonNoScheme   uri.Reason = "is missing: begin with coap://, coaps://, http:// or https://"
	reasonScheme     uri.Reason = "is not supported: use coap, coaps, http or https"
	reasonNoSlashes  uri.Reason = "must be followed by two slashes: write https://host"
	reasonTarget     uri.Reason = "has a character that must be percent-encoded"
	reasonNotHTTP    uri.Reason = "is not one of HTTP, which the request is"
	reasonDowngrade  uri.Reason = "is http, after a request by https"
	reasonTooMany    uri.Reason = "comes after three others: have fewer redirects"
	reasonUnreadable uri.Reason = "cannot be read"
	reasonEntry      uri.Reason = "is followed by a path: write a host, or host:port"
)

// Error returns a sentence for a person.
func (e *URIError) Error() string {
	if e.Host == "" {
		return "image URI: the " + string(e.Field) + " " + string(e.Reason)
	}
	text := "no image may be fetched from " + strconv.Quote(e.Host)
	if e.Addr.IsValid() {
		text += ", which is " + e.Addr.String()
	}
	return text + ": to allow it, name the host in firmware.allow_hosts"
}
