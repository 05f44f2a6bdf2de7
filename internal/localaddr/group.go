package localaddr

import (
	"errors"
	"os/user"
	"strconv"
)

// maxGroup is the largest number of a group; the one above it means "no change"
// to chown.
const maxGroup = 1<<32 - 2

// Group returns the number of a group, which is given by its name or its number. A
// number needs no entry in the group database, as in a container.
func Group(group string) (gid int, problem string) {
	if n, err := strconv.ParseUint(group, 10, 32); err == nil && n <= maxGroup {
		return int(n), ""
	}
	known, err := user.LookupGroup(group)
	switch _, unknown := errors.AsType[user.UnknownGroupError](err); {
	case unknown:
		return 0, "is no group of this machine: create it, or give the name or the number of one that exists"
	case err != nil:
		return 0, "cannot be looked up: " + err.Error()
	}
	n, err := strconv.ParseUint(known.Gid, 10, 32)
	if err != nil {
		return 0, "has no number, which owners of files have on this system"
	}
	return int(n), ""
}
