// Package wording puts into words what a client is doing at present: how far an
// attempt has come, since when, and what that may mean. It is for explanations and
// logs, and decides nothing.
package wording
