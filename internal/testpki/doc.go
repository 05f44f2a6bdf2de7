// Package testpki makes a small X.509 world for tests: ECDSA P-256
// authorities, and certificates for servers and clients that are good, expired
// or signed by somebody else, in memory and as PEM files.
//
// It is for tests and demonstrations only. It owns nothing beyond the values it
// returns; keys exist in memory unless a caller writes them to files.
//
// Validity is counted from time.Now of the caller, so that a set made inside a
// testing/synctest bubble is valid on the bubble's clock. A certificate of such
// a set is of no use to a peer that lives outside.
package testpki
