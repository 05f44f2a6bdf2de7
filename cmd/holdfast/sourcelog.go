package main

import (
	"log/slog"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// sourceLog logs what becomes of the sources of configured objects. They come to be with
// the configuration, which says how to log: the logger is set before a client asks them.
type sourceLog struct{ logger *slog.Logger }

// note is told of a source that has no value, and that it has one again.
func (s *sourceLog) note(path lwm2m.Path, err error) {
	if err != nil {
		s.logger.Warn("a value cannot be read for servers", "path", path.String(), "error", err)
		return
	}
	s.logger.Info("a value can be read again", "path", path.String())
}
