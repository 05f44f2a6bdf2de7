package senml

import (
	"math"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/records"
	"github.com/holdfast-iot/holdfast/lwm2m/internal/strict"
)

// setTime takes over bt and t; ut, the time until the next value, has no use here.
func setTime(rec *records.Record, label int64, v lwm2m.Value) strict.Fault {
	float, err := v.As(lwm2m.KindFloat)
	seconds := float.Float64()
	if err != nil || math.IsNaN(seconds) || math.IsInf(seconds, 0) {
		return strict.Refuse(lwm2m.ReasonValue, "a time is a finite number")
	}
	switch label {
	case labelBaseTime:
		rec.BaseTime = &seconds
	case labelTime:
		rec.Time = seconds
	}
	return strict.None
}

// unix is the time of a sample in seconds, 0 for the moment of sending. What is finer
// than a millisecond is cut off. Times before 1978-07-04T21:24:16Z cannot be written:
// such numbers mean times relative to now (RFC 8428 section 4.5.3).
func unix(at time.Time) (seconds float64, ok bool) {
	if at.IsZero() {
		return 0, true
	}
	seconds = float64(at.UnixMilli()) / 1000
	return seconds, at.Unix() >= records.LeastAbsolute && at.Unix() <= records.LastTime
}
