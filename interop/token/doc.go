// Package token has the tests of a client whose private key is in hardware: a TPM 2.0,
// which swtpm emulates as a process of its own. The key is made in the TPM, and signs
// there. It has no code but tests, and is a module of its own, so that nobody who
// embeds the client depends on what it needs to speak to a TPM.
//
// A test without swtpm is skipped; with HOLDFAST_REQUIRE_PEERS=1 it fails. The tests
// end no process but the swtpm that they have started.
package token
