package supervisor

import (
	"time"

	"github.com/holdfast-iot/holdfast/internal/decay"
)

// slot holds what belongs to the client rather than to one incarnation of its
// supervisor: how the supervision strategy finds the present one, and what the
// next one has to know after a crash. All of it is used on the supervisor's
// goroutine.
type slot struct {
	current *shell
	memory  Memory
	starts  uint64
	crashes decay.Decay
}

// decayRepeat is how many crashes within the half-life of their count make the
// memory itself suspect: one after it has been restored.
const decayRepeat = 2

// machine returns the machine of a new incarnation. It knows what the one before
// knew, unless that crashed again soon after it had been restored.
func (s *slot) machine(config *Config, now time.Time) *Machine {
	s.starts++
	if s.starts > 1 {
		s.crashes.Repeat = decayRepeat
		if _, again := s.crashes.Next(now); again {
			s.memory = s.memory.SetAside(s.starts - 1)
		}
	}
	return resume(config, &s.memory)
}
