// Package credfile reads the credentials of an account from the files that a
// configuration names: pre-shared keys in hexadecimal digits, certificates and
// keys in PEM.
//
// Every fault is reported, under the name of the key that names the file. What
// a file holds is never repeated: it may be secret. Whether the credentials are
// fit for use together is for package accounts to say, wherever they come from.
package credfile
