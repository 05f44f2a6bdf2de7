// Package imagefile keeps the one firmware image that is being fetched in a folder of its
// own. It is written as its parts come, and goes on where it was after a lost link, the end
// of the process or the loss of power.
//
// What it promises:
//
//   - What an [Image] says is there is a prefix of what was appended, never anything else.
//     [Folder.Resume] reads it all again, and compares the SHA-256 of what was on the medium
//     for certain (the checkpoint) with the one that was noted then.
//   - After the end of the process every byte counts that was handed to the operating system.
//     After the loss of power those count that were synced: at least all but the last
//     256 KiB. The boot ID of the machine tells one from the other; where there is none, the
//     checkpoint counts.
//   - Bytes of two images are never mixed: before the first byte of another one is written,
//     what was known of the former is gone from the medium.
//   - Memory is bounded, whatever the size of the image.
//   - No name in the folder comes from outside.
//
// # Files
//
//	image                    the bytes
//	image.GENERATION.rec     what is known of them: a record of internal/store
//	lock                     held: one process has the folder
//
// The folder is made with mode 0700, and files with 0600. Nobody but root and the user that
// the process runs as may be able to change what is in it, nor the way to it (internal/store,
// Trust); else it is not used. Where it is missing, or cannot be used, the next call tries
// again: nothing here remembers a failure, but that an image whose sync has failed is not to
// be relied on.
//
// # Ownership
//
// The package owns the folder. Calls block for as long as the disk does, so that they belong
// on a goroutine of their own; they are safe for concurrent use. There is one image at a
// time: an older [Image] is refused from then on, so that what is left behind by a
// goroutine that nobody waits for cannot write into the next.
package imagefile
