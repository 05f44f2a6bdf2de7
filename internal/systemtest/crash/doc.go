// Package crash makes actors panic: once, at every place where they can, and
// again and again. A client gets over each of them.
//
// It holds nothing but tests; what they share with their siblings is in the
// package above.
package crash
