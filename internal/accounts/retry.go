package accounts

import (
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// never is the value of a timer that means "not again" (LwM2M Core, resource
// /1/x/19).
const never = 1<<32 - 1

// Never is what a timer of value 2^32-1 becomes: no time that anybody waits.
const Never = time.Duration(1<<63 - 1)

// retry reads the resources /1/x/13 to 20. A resource of the wrong type is a
// fault; every value of the right type is in range, and the policy clamps it.
func (r *reader) retry() messages.Retry {
	return messages.Retry{
		Priority:      r.number(objects.ServerRegistrationPriorityOrder),
		InitialDelay:  r.seconds(objects.ServerInitialRegistrationDelayTimer),
		FailureBlock:  r.flag(objects.ServerRegistrationFailureBlock),
		Bootstrap:     r.flag(objects.ServerBootstrapOnRegistrationFailure),
		Count:         r.number(objects.ServerCommunicationRetryCount),
		Timer:         r.seconds(objects.ServerCommunicationRetryTimer),
		SequenceDelay: r.seconds(objects.ServerCommunicationSequenceDelayTimer),
		SequenceCount: r.number(objects.ServerCommunicationSequenceRetryCount),
	}
}

func (r *reader) number(id uint16) *uint64 {
	if !r.has(id) {
		return nil
	}
	return new(r.optional(id, lwm2m.KindUnsigned).Uint())
}

func (r *reader) flag(id uint16) *bool {
	if !r.has(id) {
		return nil
	}
	return new(r.optional(id, lwm2m.KindBoolean).Bool())
}

// seconds reads a timer; one that is longer than a time.Duration holds counts
// as never.
func (r *reader) seconds(id uint16) *time.Duration {
	n := r.number(id)
	switch {
	case n == nil:
		return nil
	case *n >= never:
		return new(Never)
	}
	return new(time.Duration(*n) * time.Second)
}
