package configfile

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/internal/localaddr"
)

// folderOf returns the folder that relative paths in a configuration file start
// from, or "" for the working directory: a pipe or a descriptor has none.
func folderOf(file string) string {
	if first := strings.Split(filepath.ToSlash(file), "/"); len(first) > 2 && first[0] == "" && slices.Contains([]string{"dev", "proc"}, first[1]) {
		return ""
	}
	return filepath.Dir(file)
}

// pathFrom returns a path that starts from a folder, unless it is absolute.
func pathFrom(folder, path string) string {
	if folder == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// addressFrom is pathFrom for the address of a unix socket, whose path becomes an
// absolute one: whoever connects may have another working directory. Other
// addresses stay as they are, and so do names in the abstract namespace, which are no
// paths.
func addressFrom(folder, address string) string {
	path, unix := strings.CutPrefix(address, localaddr.Unix)
	if !unix || path == "" || strings.HasPrefix(path, "@") || strings.HasSuffix(path, "/") {
		return address
	}
	absolute, err := filepath.Abs(pathFrom(folder, path))
	if err != nil {
		return address // and is refused as a relative one
	}
	return localaddr.Unix + absolute
}

// startFrom sets the folder that the paths of all settings start from.
func (d *document) startFrom(folder string) {
	d.folder = folder
	for i := range d.settings {
		d.settings[i].folder = folder
	}
}
