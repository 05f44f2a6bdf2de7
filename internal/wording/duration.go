package wording

import (
	"fmt"
	"strings"
	"time"
)

// Duration writes a duration with its two largest units, whole seconds from one
// second on.
func Duration(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", max(d, 0).Milliseconds())
	}
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	var parts []string
	for _, u := range units {
		if d >= u.size {
			parts = append(parts, fmt.Sprintf("%d %s", d/u.size, u.name))
		} else if len(parts) > 0 {
			break // no days with minutes
		}
		d %= u.size
		if len(parts) == 2 {
			break
		}
	}
	return strings.Join(parts, " ")
}
