package lwm2m

import "time"

// Sample is what was read at one time: an element of a Send, or of a notification
// that was stored (sections 6.4.6 and 5.1.2).
type Sample struct {
	// At is the time; zero means the time of sending.
	At      time.Time
	Payload Payload
}

// NewSample is one value, that of a resource or of a resource instance, as it was at a time.
func NewSample(at time.Time, path Path, value Value) Sample {
	return Sample{At: at, Payload: Payload{Nodes: []Node{{Path: path, Value: value}}}}
}
