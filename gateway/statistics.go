package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// longestPeriod bounds the collection period, so that it fits into a time.Duration.
const longestPeriod = 1 << 33 // seconds

// counters are what an interface has sent and received since it came up.
type counters struct{ tx, rx, packets uint64 }

// StatisticsConfig is what a [Statistics] is told.
type StatisticsConfig struct {
	// Interface is the network interface that counts; all but the loopback when empty.
	Interface string
	Machine   Machine
}

// Statistics is object 7: how much data has passed since a server has executed Start.
// It is that of the kernel's counters, for all that the gateway does on its network,
// the client's own messages included; on Ethernet the frames count, without their
// checksum. Counting ends with Stop, or by a timer when the collection period is over.
// SMS are not counted, and the largest message is not known. It implements
// [object.Object] and what can be implemented beside it. Safe for concurrent use.
type Statistics struct {
	config   StatisticsConfig
	readings readings
	watchers watchers

	mu     sync.Mutex
	count  bool                // it is collecting
	since  time.Time           // when it began
	period time.Duration       // 0 for no end
	end    *time.Timer         // of the period; nil for none
	last   map[string]counters // what the interfaces have had when they were last looked at
	sum    counters            // of the collection
}

// NewStatistics makes object 7 of this machine. It counts from the first Start on.
func NewStatistics(config StatisticsConfig) *Statistics {
	config.Machine = config.Machine.orDefault()
	s := &Statistics{config: config}
	s.readings = readings{number(objects.StatisticsCollectionPeriod, 0, s.collectionPeriod)}
	if _, known := config.Machine.traffic(); known {
		s.readings = slices.Concat(readings{
			number(objects.StatisticsTxData, sampleNetwork, s.reading(func(c counters) uint64 { return c.tx / kilobyte })),
			number(objects.StatisticsRxData, sampleNetwork, s.reading(func(c counters) uint64 { return c.rx / kilobyte })),
			number(objects.StatisticsAverageMessageSize, sampleNetwork, s.reading(average)),
		}, s.readings)
	}
	return s
}

func average(c counters) uint64 { return (c.tx + c.rx) / max(c.packets, 1) }

// reading reads one of the sums, as of now.
func (s *Statistics) reading(of func(counters) uint64) func() (int64, bool) {
	return func() (int64, bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.look()
		return int64(of(s.sum)), true
	}
}

func (s *Statistics) collectionPeriod() (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.period / time.Second), true
}

// look adds what has passed since the last look. An interface whose counters have
// fallen has been away, and has counted from zero.
func (s *Statistics) look() {
	if !s.count {
		return
	}
	now := s.traffic()
	for name, c := range now {
		was := s.last[name]
		if c.tx < was.tx || c.rx < was.rx {
			was = counters{}
		}
		s.sum.tx += c.tx - was.tx
		s.sum.rx += c.rx - was.rx
		s.sum.packets += c.packets - min(was.packets, c.packets)
	}
	s.last = now
}

// traffic returns the counters of the interfaces that count.
func (s *Statistics) traffic() map[string]counters {
	all, _ := s.config.Machine.traffic()
	if name := s.config.Interface; name != "" {
		for other := range all {
			if other != name {
				delete(all, other)
			}
		}
	}
	return all
}

// start begins a collection.
func (s *Statistics) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count, s.since, s.sum, s.last = true, s.config.Machine.Now(), counters{}, s.traffic()
	s.arm()
}

// stop ends it, with what has passed until now.
func (s *Statistics) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	s.count = false
	s.arm()
}

// arm sets the timer that ends the collection, if it has an end; one whose end has
// passed ends now.
func (s *Statistics) arm() {
	if s.end != nil {
		s.end.Stop()
		s.end = nil
	}
	if !s.count || s.period == 0 {
		return
	}
	began := s.since
	left := s.period - s.config.Machine.Now().Sub(began)
	if left <= 0 {
		s.look()
		s.count = false
		return
	}
	s.end = time.AfterFunc(left, func() { s.over(began) })
}

// over ends the collection that began at that time.
func (s *Statistics) over(began time.Time) {
	s.mu.Lock()
	current := s.count && s.since.Equal(began)
	s.mu.Unlock()
	if current {
		s.stop()
	}
}

// setPeriod sets the collection period, also of the collection that goes on.
func (s *Statistics) setPeriod(seconds int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.period = time.Duration(min(seconds, longestPeriod)) * time.Second
	s.arm()
}

// Definition implements [object.Object].
func (s *Statistics) Definition() lwm2m.ObjectDef { return objects.ConnectivityStatisticsDef() }

// Instances implements [object.Object].
func (s *Statistics) Instances() []uint16 { return onlyInstance() }

// Read implements [object.Object].
func (s *Statistics) Read(ctx context.Context, target lwm2m.Path) ([]lwm2m.Resource, error) {
	return s.readings.of(ctx, target)
}

// Resources implements [object.Lister].
func (s *Statistics) Resources(uint16) []uint16 {
	return s.readings.ids(objects.StatisticsStart, objects.StatisticsStop)
}

// Sample implements [object.Sampler].
func (s *Statistics) Sample(target lwm2m.Path) time.Duration { return s.readings.sample(target) }

// Watch implements [object.Watcher]: the values fall back to 0 at a Start.
func (s *Statistics) Watch(changed func(lwm2m.Path)) (stop func()) { return s.watchers.watch(changed) }

// Execute implements [object.Executor]: start and stop.
func (s *Statistics) Execute(_ context.Context, target lwm2m.Path, _ lwm2m.Arguments) error {
	switch target.Resource() {
	case objects.StatisticsStart:
		s.start()
	case objects.StatisticsStop:
		s.stop()
	default:
		return notSupported()
	}
	s.watchers.tell(lwm2m.PathOf(objects.ConnectivityStatistics, 0))
	return nil
}

// Write implements [object.Writer]: the collection period, which is 0 when a server
// replaces the instance without it.
func (s *Statistics) Write(_ context.Context, change object.Change) (object.Commit, error) {
	seconds, written := int64(0), change.Replace
	for _, r := range change.Resources {
		if r.ID != objects.StatisticsCollectionPeriod {
			return nil, notSupported()
		}
		seconds, written = r.Value.Int(), true
	}
	return func(context.Context) error {
		if written {
			s.setPeriod(seconds)
		}
		return nil
	}, nil
}
