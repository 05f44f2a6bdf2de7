// Package supervisor is the root of the tree: it starts and stops the actors of
// every server account, and it decides what is done about every failure.
//
// It owns every delay above CoAP. A child that fails says so in a value and is
// done; the supervisor looks the value up in the recovery table (table.go),
// asks the policy (policy.go) for the delay, reports one error event, and
// starts a fresh incarnation of the account's network, coapresend and owner
// under a new epoch. It also owns what outlives an incarnation: the count of
// failures, the Location, and objects 0, 1 and 2, which nobody else changes but through
// it: a bootstrap hands over what it has stored, and a server's Write is carried out
// here.
//
//	machine.go      the core: what it holds, and which input goes where
//	account.go      one account; outage.go, attempt.go: its failures, its present attempt
//	incarnation.go  actors started and given up; registered and lost
//	recover.go      a failure to its step; table.go, policy.go, schedule.go: by which rule
//	wait.go         delays and what ends them; turn.go, budget.go: the budget of attempts
//	load.go         accounts put into force; loader.go, wayback.go: which ones
//	order.go        the registration order
//	bootstrap.go    bootstraps begun and adopted
//	calls.go        what applications ask for; rate.go: how often others may
//	write.go        what servers change; change.go: by which right; written.go: what they have left
//	session.go      who has registered us, told to management
//	download.go     links and delays for the image of an update; download_failed.go: what goes wrong
//	firmware.go     what update has to say to others
//	crash.go        panics of other actors; memory.go, slot.go: what outlives one of the supervisor
//	stop.go         the end
//	actor.go        the shell: actors spawned, wired and stopped
//
// The package is internal to the runtime: only the root package starts it.
// Nothing in it may be touched from outside except through messages.
package supervisor
