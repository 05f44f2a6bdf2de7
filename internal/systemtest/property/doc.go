// Package property gives random histories to whole clients, and judges what they
// do by a model of what they may do (docs/reliability.md).
//
// It holds nothing but tests; what they share with their siblings is in the
// package above.
package property
