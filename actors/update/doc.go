// Package update is the actor that carries out firmware updates and sees to it that what
// came of them is reported. There is one for a client, below the supervisor, and one update
// at a time.
//
// An update is begun through object 5 (LwM2M Core Appendix E.6), by a package that a server
// sends or a URI that it writes, or through object 10252, by a signed manifest. It has one
// state machine (table.go) and two faces: both objects show it, each in its own numbers.
//
// What is durable is one record (record.go), written before a state is entered: the state,
// what the update is about, and the reports that no server has yet. A report is a value of
// one of the four resources that [firmware.Reported] lists. A resource shows the value of
// its oldest report that has not been delivered, and the next when the disk has it that a
// server knows this one (outbox.go): so a server that observes is told every value, in
// order, at least once, and none again after its acknowledgement is on the disk.
//
// It owns the image and everything that is said about an update. The delays between attempts
// and the links to the servers that have images are the supervisor's; what servers observe is
// management's. It is not for use by applications: their part is an Installer.
package update
