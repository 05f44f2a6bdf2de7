package gateway

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// reading is a resource that is read when somebody asks for it.
type reading struct {
	id     uint16
	sample time.Duration // how often it is read while it is observed; 0 when it changes with a word
	// read returns the value; false when there is none at present.
	read func() (lwm2m.Resource, bool)
}

// readings are those of the one instance of an object, sorted by ID.
type readings []reading

// of reads what is at and below target.
func (all readings) of(ctx context.Context, target lwm2m.Path) (resources []lwm2m.Resource, err error) {
	for _, r := range all {
		if target.Len() > 2 && r.id != target.Resource() {
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if value, ok := r.read(); ok {
			value.ID = r.id
			resources = append(resources, value)
		}
	}
	return resources, nil
}

// ids lists the resources, with some that are not read.
func (all readings) ids(more ...uint16) []uint16 {
	for _, r := range all {
		more = append(more, r.id)
	}
	slices.Sort(more)
	return more
}

func (all readings) sample(target lwm2m.Path) time.Duration {
	for _, r := range all {
		if r.id == target.Resource() {
			return r.sample
		}
	}
	return 0
}

// onlyInstance lists the instance that a single-instance object has.
func onlyInstance() []uint16 { return []uint16{0} }

// single is the reading of one value.
func single(id uint16, sample time.Duration, read func() (lwm2m.Value, bool)) reading {
	return reading{id, sample, func() (lwm2m.Resource, bool) {
		v, ok := read()
		return lwm2m.Resource{Value: v}, ok
	}}
}

// number is the reading of an integer.
func number(id uint16, sample time.Duration, read func() (int64, bool)) reading {
	return single(id, sample, func() (lwm2m.Value, bool) {
		n, ok := read()
		return lwm2m.Integer(n), ok
	})
}

// text is the reading of a string that does not change; nothing where it is empty.
func text(id uint16, s string) readings {
	if s == "" {
		return nil
	}
	return readings{single(id, 0, func() (lwm2m.Value, bool) { return lwm2m.String(s), true })}
}

// list is the reading of a resource that has the instances 0, 1 ...
func list(id uint16, sample time.Duration, read func() []lwm2m.Value) reading {
	return reading{id, sample, func() (lwm2m.Resource, bool) {
		r := lwm2m.Resource{Multiple: true}
		for i, v := range read() {
			r.Instances = append(r.Instances, lwm2m.ResourceInstance{ID: uint16(i), Value: v})
		}
		return r, true
	}}
}
