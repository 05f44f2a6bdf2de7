package management

import (
	"cmp"
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// While a change of several instances is carried out, part by part, and while it is taken
// back, those that read see each of its instances as it was before the change: all of it
// or nothing of it is seen, and no value that is going to be taken back. What an object has
// in memory is kept for that, and what has to be asked for waits until the change is over.

// screen is an instance as it was before a change that is carried out.
type screen struct {
	before  lwm2m.Instance
	known   bool     // the object has values in memory
	changes []uint16 // resources, sorted; what else there is goes on being seen
}

// screenOff hides what a job is going to do to an instance.
func (m *Machine) screenOff(j *job, instance lwm2m.Path, now screen) {
	insert(&m.screens, instance, now)
	j.screened = append(j.screened, instance)
}

// over is what is seen of an instance.
func (s screen) over(i lwm2m.Instance) lwm2m.Instance {
	hidden := func(r lwm2m.Resource) bool { _, is := slices.BinarySearch(s.changes, r.ID); return is }
	seen := slices.DeleteFunc(slices.Clone(i.Resources), hidden)
	for _, r := range s.before.Resources {
		if hidden(r) {
			seen = append(seen, r)
		}
	}
	slices.SortFunc(seen, func(a, b lwm2m.Resource) int { return cmp.Compare(a.ID, b.ID) })
	return lwm2m.Instance{ID: i.ID, Resources: seen}
}

// unscreen shows what a job has done.
func (m *Machine) unscreen(j *job) {
	for _, instance := range j.screened {
		delete(m.screens, instance)
		m.noticed(instance)
	}
	j.screened = nil
}

// screened lists the instances of sources that cannot be asked for at present.
func (m *Machine) screened(sources []source) (instances []lwm2m.Path) {
	if len(m.screens) == 0 {
		return nil
	}
	for _, src := range sources {
		instance := src.target.Prefix(2)
		if _, is := m.screens[instance]; is && src.ask && !slices.Contains(instances, instance) {
			instances = append(instances, instance)
		}
	}
	return instances
}
