// Package store keeps the credentials and the state of one client in a
// directory, its state_dir. It is bytes in, bytes out: a record is an opaque
// []byte under a name such as "credentials" or "state", and every Save makes a
// new generation of it. What is known of a firmware image is kept beside it in the
// same way (internal/imagefile).
//
// What it promises:
//
//   - A Save is atomic and durable. After a crash at any instant, power loss
//     included, Load returns either the former generation or the new one,
//     whole. Once Save has returned nil, Load returns the new one.
//   - After a failed Save the former generation is still the current one, and
//     no temporary file is left. The exception is a medium that fails twice,
//     in the sync of the directory and then in taking the new file back; the
//     next Load then tells which generation holds.
//   - After a Delete the record is gone, durably. After a Drop a power loss may bring
//     its newest generation back, but never only an older one, until the next Save or
//     Delete of any record.
//   - A directory that is made here is durable with its first record, and costs no
//     sync before it. So is one that an earlier process left without a record.
//   - The current generation and the one before it are kept. When the current
//     one turns out damaged, Load falls back and says so.
//   - One process, and one Store within it, owns the directory at a time.
//   - Nothing here retries, waits (but for the lock in Open) or remembers a
//     failure: once the disk is good again the next call works. That includes a
//     directory that was taken away and put back, with another lock file or
//     without one, and one that was not to be trusted. A missing directory is
//     not made again by Save: it may be the mount point of a medium that is
//     absent.
//
// # Files
//
//	lock                          held with flock(2) or LockFileEx; names its holder
//	NAME.GENERATION.rec           a record (format.go); GENERATION has 20 digits
//	NAME.GENERATION.tmp           a Save in progress, or interrupted: never read,
//	                              removed by the next Save or Delete
//	NAME.GENERATION.damaged       evidence: what was found under NAME.GENERATION.rec
//
// Files have mode 0600 and directories made here 0700. A directory that exists
// keeps its mode.
//
// # Trust
//
// Only root and the user that the process runs as are trusted (root: only root).
// Before every Load, Save and Delete, and before anything is made, the store
// checks that nobody else can change what is stored (trust.go):
//
//   - The directory belongs to one of the two, and neither its group nor others
//     may write it. The group may where it is the user's own, of his number.
//   - So does every directory on the way to it, which others may write only
//     where the sticky bit keeps them from replacing what is not theirs (/tmp).
//   - Symbolic links on the way are followed when they belong to one of the two;
//     what they lead through is checked in the same way. The directory may be one.
//   - Records and the lock file belong to one of the two, are regular files and
//     no links, and only their owner may write them. A record that others can
//     read gets mode 0600 when it is read. A second name of a record elsewhere
//     (a hard link) is no reason to refuse it: others can make one, but not write
//     through it.
//
// What fails this is a *DistrustError, which names the path, its owner and mode
// and the command that sets it right. A directory or lock file that fails it is
// not used at all: nothing is read, made or written. A record that fails it is
// damaged (below). While the path is trusted nobody else can change it, so that
// there is no race between check and use.
//
// Windows has no such modes; there the directory's access control list is the
// administrator's responsibility. Files that the configuration names are not
// checked like this: whoever wrote the configuration chose them.
//
// # Damage
//
// A file is damaged when it is no intact record of that name and generation:
// truncated, altered, of an unknown version, above the size limit, not a
// regular file, not to be trusted, or refused by its owner's Options.Check. A
// file that could not be read (EIO, EACCES) is unreadable instead: it may be
// fine tomorrow. Load falls back past both.
//
// A damaged file is never overwritten, and stays under its name until the next
// successful Save or a Delete, which rename it to .damaged, once. At most four
// of these are kept for a name: the first for ever, as the one nearest to the
// cause, and the three latest. An unreadable file is left where it is by Save;
// Delete sets it aside too, so that a factory reset cannot be undone by a
// medium that recovers. Files set aside are not seen by Load.
//
// The checksum finds accidents. It is not a signature: who may write to the
// directory may forge a record.
//
// # Ownership
//
// The store owns every file in the directory whose name has one of the forms
// above, and touches no other. A Store is meant for one owner, the actor
// "store"; its methods are safe for concurrent use, and block for as long as
// the disk does. The file system is reached only through FS.
//
// The atomic replacement is written here and not taken from
// github.com/google/renameio: a package that calls the os package itself
// leaves no seam for injecting faults between its steps, does not sync the
// directory, and does not build on Windows.
package store
