// Package behaviour tests what a client does, in virtual time and on real
// sockets: how it registers, bootstraps and recovers, when it tries again, and
// what it keeps. Its benchmarks say what that costs (docs/performance.md).
//
// It holds nothing but tests; what they share with their siblings is in the
// package above.
package behaviour
