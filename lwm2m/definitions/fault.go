package definitions

import (
	"fmt"
	"strings"
)

// Fault says what is wrong in a file.
type Fault struct {
	File    string
	Line    int    // from 1; 0 where no line is concerned
	Element string // "Object 3303, Item 5700, Type"; may be empty
	Reason  string // what is wrong, and what to do
}

// Error is "3303.xml:42: Object 3303, Item 5700, Type: ...".
func (f *Fault) Error() string {
	text := f.File
	if f.Line > 0 {
		text += fmt.Sprintf(":%d", f.Line)
	}
	if f.Element != "" {
		text += ": " + f.Element
	}
	return text + ": " + f.Reason
}

// Faults are what is wrong in a file or in several, in the order of the lines; at least one.
type Faults []*Fault

// Error has a line for each.
func (f Faults) Error() string {
	texts := make([]string, 0, len(f))
	for _, fault := range f {
		texts = append(texts, fault.Error())
	}
	return strings.Join(texts, "\n")
}

// Unwrap returns each fault.
func (f Faults) Unwrap() []error {
	all := make([]error, 0, len(f))
	for _, fault := range f {
		all = append(all, fault)
	}
	return all
}
