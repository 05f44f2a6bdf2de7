package senml

import "github.com/holdfast-iot/holdfast/lwm2m"

// record is one SenML record as it was written, not yet resolved.
type record struct {
	baseName *string // nil when absent; an empty one resets the base
	name     string
	value    *lwm2m.Value // of the kind that the field implies; nil when absent
}

// bare reports whether the record only sets base fields.
func (r record) bare() bool { return r.name == "" && r.value == nil }

// fault is why a record was refused; the zero fault means it was not.
type fault struct {
	reason lwm2m.Reason
	detail string
}

var noFault fault
