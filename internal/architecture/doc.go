// Package architecture holds nothing but tests. They read the sources of the
// whole module and refuse what would erode its structure: imports that
// the layout forbids, I/O in a pure core, undocumented names, sleeping tests, files and
// functions that have grown too long, and words about documents, sections, files
// and names that do not exist.
//
// Each rule is a value in the test files: a name, what to do about a fault, the
// check, and samples that it must refuse and accept, so that no rule can pass
// because it has stopped looking.
//
// The package owns the lists of what is allowed (imports_test.go,
// purity_test.go, manifest_test.go). Adding to one of them is a decision, with
// its reason beside the entry. Nobody imports this package.
package architecture
