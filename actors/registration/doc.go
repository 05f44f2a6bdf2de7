// Package registration keeps one client registered with one LwM2M management
// server over one link: Register, Update, de-register (LwM2M Core section
// 6.2). There is one incarnation per link epoch.
//
// It owns the Location, what the server was last told, and the time of the
// next Update. It never waits in order to try again: what fails goes to the
// supervisor as a value, which owns every delay above CoAP. The one repetition
// that happens here is a new exchange after exhausted resends of a Register,
// while the attempt's budget lasts.
//
// The package is internal to the runtime: only actors/supervisor starts it.
// Nothing in it may be touched from outside except through messages.
package registration
