package systemtest

import (
	"fmt"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest/matrix"
	"github.com/holdfast-iot/holdfast/messages"
)

// Possible returns an error for an error event that the matrix calls
// impossible while the store is in that state.
func Possible(e holdfast.Event, stored matrix.StoreState) error {
	if e.Type != holdfast.EventError || matrix.Occurs(messages.ErrorCode(e.Code), string(e.Phase), stored) {
		return nil
	}
	return fmt.Errorf("%s in phase %s with a %s store: the matrix calls that impossible", e.Name, e.Phase, stored)
}
