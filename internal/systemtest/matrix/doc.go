// Package matrix provokes every error, from the outside, at every moment at
// which it can occur and in every state of the store (docs/recovery.md).
//
// It holds nothing but tests; what they share with their siblings is in the
// package above.
package matrix
