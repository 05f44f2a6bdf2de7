// Package console is what a person, or a script, types at `holdfast server`: commands
// that have the management server ask something of a client, their answers, and the
// completion of a line that is being typed.
//
// It knows lines and answers, and neither terminals nor how answers are printed: that is
// the command's. What it asks for, it asks of [lwm2mtest.Server]. It owns the goroutines
// of the requests that are under way, at most one for each client, and of those who listen to
// observations; [Console.Close] waits for all of them.
//
// Layout: console.go takes lines and carries them out, one file each has the table of
// commands (commands.go), what words mean (words.go, target.go, value.go, format.go),
// what is asked of a client (operations.go, observe.go, create.go), what comes back
// (answer.go, content.go, wording.go), and completion (complete.go).
package console
