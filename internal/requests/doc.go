// Package requests composes what the client asks its servers for: Register,
// Update and De-register (LwM2M Core section 6.2), Send (section 6.4.6), and
// Bootstrap-Request (section 6.1.7). The actors send what is composed here, and where a server
// URI is accepted (configuration, bootstrap, store) the longest request that it
// will have to carry is composed by the same functions and encoded by the same
// codec, so that none is accepted that no request can carry.
//
// Everything is pure. The package knows the form of requests, not when they are
// sent: that is the business of actors/registration and actors/bootstrap.
package requests
