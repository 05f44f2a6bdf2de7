//go:build !unix

package behaviour_test

import "time"

// processorTime is not known here, and no figure of a benchmark: it is one of 0.
func processorTime() time.Duration { return 0 }
