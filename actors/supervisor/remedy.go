package supervisor

import (
	"github.com/holdfast-iot/holdfast/internal/descriptors"
	"github.com/holdfast-iot/holdfast/messages"
)

// remedyOf returns the row's remedy, unless the cause asks for another one, whatever
// it was that could not be opened.
func remedyOf(row Row, f *messages.Failure) string {
	if descriptors.Short(f.Cause) {
		return remedyDescriptors
	}
	return row.Remedy
}
