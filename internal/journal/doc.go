// Package journal remembers what an explanation and the metrics need of the
// events of one client: the last transitions, the present run of failures of
// each server, and counts.
//
// Every client has a [Journal], and of most of them nobody ever asks for it. So
// it is compact until somebody does: entries are encoded in a few bytes, and as
// many of the newest are kept as [Unasked] allows. From the first [Journal.Read]
// on the journal keeps the last [Transitions], whatever they take.
package journal
