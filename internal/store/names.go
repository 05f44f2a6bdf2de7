package store

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	nameMax = 32 // characters of a record's name

	// generationMax leaves the successor of every generation representable.
	generationMax    = math.MaxUint64 - 1
	generationDigits = 20 // of math.MaxUint64; a fixed width sorts in a listing

	lockFile = "lock"

	extRecord  = "rec"
	extTemp    = "tmp"
	extDamaged = "damaged"
)

func validName(name string) bool {
	if name == "" || len(name) > nameMax {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// entry is one file of a record.
type entry struct {
	file       string // its name in the directory
	generation uint64
	ext        string
}

func newEntry(name string, generation uint64, ext string) entry {
	file := fmt.Sprintf("%s.%0*d.%s", name, generationDigits, generation, ext)
	return entry{file: file, generation: generation, ext: ext}
}

// parseEntry reports whether file belongs to the named record. Names that
// newEntry would not have made belong to somebody else.
func parseEntry(file, name string) (entry, bool) {
	rest, ok := strings.CutPrefix(file, name+".")
	if !ok {
		return entry{}, false
	}
	digits, ext, ok := strings.Cut(rest, ".")
	if !ok || len(digits) != generationDigits {
		return entry{}, false
	}
	generation, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || generation > generationMax {
		return entry{}, false
	}
	e := newEntry(name, generation, ext)
	return e, e.file == file && slices.Contains([]string{extRecord, extTemp, extDamaged}, ext)
}

// isRecord reports whether a file is a record of any name.
func isRecord(file string) bool {
	name, _, _ := strings.Cut(file, ".")
	e, ok := parseEntry(file, name)
	return ok && validName(name) && e.ext == extRecord
}

// listing is what a directory holds of one record.
type listing struct {
	records []entry // newest first
	temps   []entry
	damaged []entry // set aside; oldest first
	last    uint64  // the highest generation of any of them, 0 when there are none
	bare    bool    // the directory has no record of any name
}

func newListing(name string, files []string) listing {
	l := listing{bare: !slices.ContainsFunc(files, isRecord)}
	for _, file := range files {
		if e, ok := parseEntry(file, name); ok {
			l.add(e)
		}
	}
	slices.SortFunc(l.records, func(a, b entry) int { return compareGeneration(b, a) })
	slices.SortFunc(l.damaged, compareGeneration)
	return l
}

func (l *listing) add(e entry) {
	l.last = max(l.last, e.generation)
	switch e.ext {
	case extRecord:
		l.records = append(l.records, e)
	case extTemp:
		l.temps = append(l.temps, e)
	case extDamaged:
		l.damaged = append(l.damaged, e)
	}
}

func compareGeneration(a, b entry) int {
	switch {
	case a.generation < b.generation:
		return -1
	case a.generation > b.generation:
		return 1
	}
	return 0
}
