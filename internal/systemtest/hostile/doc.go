// Package hostile runs whole clients against peers that send whatever they like.
// Its tests are numbered like the rows of docs/hostile-input.md.
//
// It holds nothing but tests; what they share with their siblings is in the
// package above.
package hostile
