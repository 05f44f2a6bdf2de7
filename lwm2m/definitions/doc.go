// Package definitions reads the definitions of objects from the XML of the OMA's
// registry (LWM2M.xsd and LWM2M-v1_1.xsd; LwM2M Core Appendix D.1).
//
// [Load] reads one file, [LoadFS] many. They are strict about what a definition means:
// an element that is missing, unknown or twice there, or whose value the schema does not
// have, is a [Fault], and what has faults defines nothing. What is there and cannot be used,
// such as a RangeEnumeration in words, is a remark: the object is defined without it. The
// order of elements does not matter, since several files of the registry have another one.
// What is read is bounded, and nothing that a file refers to is fetched.
//
// # Ranges
//
// RangeEnumeration has no grammar. What is understood are "0..100" and lists of such
// ranges and of single numbers, also with a text for each, as in "0: off". For strings
// and opaque values they are lengths in bytes; one length alone is the longest.
package definitions
