// Package accounts translates server accounts between the three forms that
// they have: objects 0 and 1 of the object model, [messages.Account] as the
// actors use it, and the record of the store. Object 2, which says what each server
// may do, goes with them through transactions and records.
//
//	FromTree, ToTree           object model <-> accounts
//	Check, CheckExpiry,        is this set of accounts fit for use, and may it
//	CheckHeldKeys,             replace the former one; CheckChange is all of that
//	CheckDowngrade             at once
//	Transaction                the copy on which servers work, and its rules
//	Encode, Decode             object model <-> record "credentials"
//
// There is one reading of an account, that of [FromTree]; [Check] is built on
// it, so that what a bootstrap accepts is what a start can use. Everything is
// pure: no I/O, clock or state. Errors name a path and a reason, never the
// value: values are keys.
package accounts
