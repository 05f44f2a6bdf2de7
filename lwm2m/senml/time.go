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

// seconds is the time of a sample as SenML has it: Unix seconds, of the moment of
// sending 0. What is finer than a millisecond is cut off. Only those since
// 1978-07-04T21:24:16Z can be written: smaller numbers mean a time relative to now (RFC
// 8428 section 4.5.3).
func seconds(at time.Time) (s float64, ok bool) {
	if at.IsZero() {
		return 0, true
	}
	milliseconds := at.UnixMilli()
	return float64(milliseconds) / 1000, milliseconds >= leastAbsolute*1000 && at.Year() <= lastYear
}

// leastAbsolute is the first number that is no time relative to now, in seconds.
const leastAbsolute = 1 << 28

// lastYear bounds the times, so that a float64 has every millisecond and none is
// beyond what package time can write.
const lastYear = 9999
