// Package valuetest has what the tests of the LwM2M representations share: an
// object with a resource of every kind, values of every kind drawn at random, and
// short ways to write paths, nodes and bytes in tables.
//
// It is for tests only: nothing that ships in a client imports it. It owns no state,
// and every definition and registry that it returns is the caller's own.
package valuetest
