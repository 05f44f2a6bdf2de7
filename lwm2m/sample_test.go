package lwm2m

import (
	"testing"
	"time"
)

func TestNewSample(t *testing.T) {
	at, path := time.Unix(60, 0), PathOf(3303, 0, 5700)
	s := NewSample(at, path, Float(21.5))
	if !s.At.Equal(at) || len(s.Payload.Nodes) != 1 || s.Payload.Nodes[0] != (Node{Path: path, Value: Float(21.5)}) {
		t.Errorf("%+v", s)
	}
}
