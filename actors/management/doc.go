// Package management serves management servers on the object model (LwM2M
// Core section 6.3): one actor, shared by the links of all servers. A request
// comes with the server's account, and the answer goes to the link that
// brought it.
//
// The model has three objects: Security (0), which no management server may
// touch or see; Server (1), as bootstrap, the configuration and the servers left it;
// and Device (3), made from the configuration. Read, Discover, and of the Server
// object Write and the two Execute triggers are served. Observe is answered as a
// plain Read, without an Observe option, which tells the server that there is no
// observation (RFC 7641 section 4.1). Everything else is refused.
//
// A server sees its own Server instance only. Without Access Control objects
// nothing says what it may do with another server's, so it may do nothing.
//
// The actor holds the model that it serves and the versions of the sessions that
// are up: objects 0 and 1 belong to the supervisor, which sends them as
// messages.ModelChanged, also after the actor was restarted. A Write that is well
// formed goes there too, and is answered with what has become of it. A request is looked up
// in the model directly, so that its cost does not grow with what else is there.
// The package is internal to the runtime: nothing in it may be touched from outside
// except through messages, but for ObjectEntries, a pure function.
package management
