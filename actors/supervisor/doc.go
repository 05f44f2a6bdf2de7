// Package supervisor is the root of the tree: it starts and stops the actors of
// every server account, and it decides what is done about every failure.
//
// It owns every delay above CoAP. A child that fails says so in a value and is
// done; the supervisor looks the value up in the recovery table (table.go),
// asks the policy (policy.go) for the delay, reports one error event, and
// starts a fresh incarnation of the account's network, coapresend and owner
// under a new epoch. It also owns what outlives an incarnation: the count of
// failures, the Location, and objects 0 and 1 as last stored.
//
// The package is internal to the runtime: only the root package starts it.
// Nothing in it may be touched from outside except through messages.
package supervisor
