// Package reporting decides when a client tells a server what has become of a value
// that the server observes (LwM2M Core section 6.4, RFC 7641). It owns the rules and
// nothing else: it reads no value, encodes none and sends none.
//
//	ParseQuery, Change         the query of a Write-Attributes request
//	Attributes, Table          what one server has set, and what is in force at a path
//	Rules, Report              when one observation is looked at and when it is told
//	Set                        all observations: by token, by path, by their next instant
//	Sequence                   the numbers of the Observe option
//	Backlog                    notifications that wait for the server to come back
//	Record                     what of all that outlives the process
//
// Everything is pure: time comes in as an argument. Instants are compared only with
// each other, so that a clock that is set changes nothing as long as the instants
// carry a monotonic reading. A value of these types belongs to one goroutine.
package reporting
