// Package source reads the values of resources where a gateway has them: in a file,
// such as one of /sys, or in what a command prints.
//
// Nothing is read in advance, and nothing is kept. What is read is bounded in size, a
// command also in time, and each source is asked by one reader at a time: a file system that hangs, or
// a command that does, costs one goroutine and not one for each request.
package source
