package gateway

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
)

// longestLine bounds what is taken from a file of which one line is wanted.
const longestLine = 4096

// file returns the text of a small file, without what surrounds it; "" where it cannot
// be read. Strings of a device tree end with a zero byte.
func file(parts ...string) string {
	f, err := os.Open(filepath.Join(parts...))
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	data := make([]byte, longestLine)
	n, _ := f.Read(data)
	return strings.ToValidUTF8(string(bytes.Trim(data[:n], "\x00 \t\r\n")), "")
}

// identity is what the firmware or the device tree say of the machine.
func (m Machine) identity() identity {
	tree := filepath.Join(m.Sys, "firmware", "devicetree", "base")
	dmi := filepath.Join(m.Sys, "class", "dmi", "id")
	return identity{
		manufacturer: known(file(dmi, "sys_vendor")),
		model:        cmp.Or(file(tree, "model"), known(file(dmi, "product_name"))),
		serial:       cmp.Or(file(tree, "serial-number"), known(file(dmi, "product_serial"))),
		hardware:     known(file(dmi, "product_version")),
		software:     m.osName(),
	}
}

// placeholders are what boards say whose maker has filled in nothing.
var placeholders = []string{"to be filled by o.e.m.", "default string", "none", "not specified", "system product name", "system manufacturer", "system version", "system serial number", "0123456789", "n/a"}

// known is a text of the firmware, unless it says nothing.
func known(s string) string {
	if slices.Contains(placeholders, strings.ToLower(s)) {
		return ""
	}
	return s
}

// osName is the name of the operating system with its version (os-release(5)).
func (m Machine) osName() string {
	for line := range strings.Lines(file(m.Etc, "os-release")) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); found {
			return strings.Trim(name, `"'`)
		}
	}
	return ""
}

// zone is the name of a time zone. Go knows it, but for that of the machine.
func (m Machine) zone(l *time.Location) string {
	if l != time.Local {
		return l.String()
	}
	if name := file(m.Etc, "timezone"); name != "" {
		return name
	}
	target, err := os.Readlink(filepath.Join(m.Etc, "localtime"))
	if err != nil {
		return ""
	}
	_, name, _ := strings.Cut(target, "zoneinfo/")
	return name
}

// memory returns the main memory, in bytes. Free is what programs can still have.
func (m Machine) memory() (total, free uint64, ok bool) {
	fs, err := procfs.NewFS(m.Proc)
	if err != nil {
		return 0, 0, false
	}
	info, err := fs.Meminfo()
	if err != nil || info.MemTotalBytes == nil {
		return 0, 0, false
	}
	for _, n := range []*uint64{info.MemAvailableBytes, info.MemFreeBytes} { // the first is missing before Linux 3.14
		if n != nil {
			return *info.MemTotalBytes, *n, true
		}
	}
	return 0, 0, false
}

// storage returns the size of a file system and what is free of it, in bytes.
func storage(path string) (total, free uint64, ok bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0, false
	}
	size := uint64(s.Bsize)
	return s.Blocks * size, s.Bavail * size, true
}
