// Package access says what a management server may do with an object instance: by
// objects 1 and 2 of the object model (LwM2M 1.0 section 7.3, LwM2M Core 1.1 section
// 8). It is pure, and owns nothing: object 2 belongs to the supervisor, which makes
// its changes durable.
//
// A single server may do everything. Of several, each may do what the instance of
// object 2 says that is about the object instance; where there is none, nothing. Two
// things are not in the standard: while object 2 has no instance at all, nobody has
// divided the device among its servers, and each may do everything; and the Server
// instance of another server has to be granted even then.
package access
