// Package peer starts the servers that others wrote, for tests against them:
// Leshan's management and bootstrap server (interop/leshan), OpenSSL's
// s_server, GnuTLS's gnutls-serv and libcoap's coap-server; and libcoap's coap-client.
//
// Everything runs on loopback, on ports that were free. A peer belongs to the
// test that started it: it is killed and waited for when that test ends, dies
// with the test binary on Linux, and its output is logged when the test failed.
// The package ends no process but those that it started.
//
// A peer that is not installed skips the test with a message that says how to
// install it. With HOLDFAST_REQUIRE_PEERS=1 in the environment, as in CI, it
// fails the test instead.
package peer
