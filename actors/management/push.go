package management

import (
	"slices"

	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// push hands a part of an image that a server writes on to update, which asks the link for the
// next one, or answers. Each part is judged as a Write: rights may end while an image is on its
// way.
func (s session) push(in messages.InboundBlock) []core.Effect {
	if refusal := s.judgePush(&in); refusal != nil {
		return s.reply(in.Epoch, in.ID, *refusal)
	}
	return []core.Effect{core.Tell{To: core.Update, Message: in}}
}

// judgePush refuses a part that is not to be taken. The format of a body is in its first part,
// and is the same in all of them.
func (s session) judgePush(in *messages.InboundBlock) *answer {
	path, err := lwm2m.PathFromSegments(in.Path)
	if err != nil {
		return refuse(messages.BadRequest, err.Error())
	}
	r := &task{in: in.Inbound, path: path, op: pushed(&in.Inbound, path), object: s.object(path.Object())}
	switch refusal := s.judge(r); {
	case refusal != nil:
		return refusal
	case r.op != opReplace || path.Len() != 3:
		return notAllowed
	case len(in.Query) > 0:
		return queried
	case len(s.config.Updates.Reported) == 0:
		return refuse(messages.InternalServerError, "there is no firmware update to take the image")
	case in.Offset > 0:
		return nil
	}
	if _, refused := answers.ReadOpaqueBody(in.Inbound, path, !in.Next); !refused.IsZero() {
		return &answer{Answer: refused}
	}
	return nil
}

// pushed is the operation that brings a part: with nothing at all it is a Write of an empty
// image, which gives up what there is, and no Write-Attributes.
func pushed(in *messages.Inbound, path lwm2m.Path) operation {
	if in.Code == messages.PUT && len(in.Query) == 0 {
		return opReplace
	}
	return operationOf(in, path)
}

// writesByPost reports whether a request that looks like an Execute is a Write: the service of
// the reference behaviour delivers a manifest by a POST with a payload. A payload without a
// format is the value itself.
func (s session) writesByPost(r *task) bool {
	if r.in.Code != messages.POST || !slices.Contains(s.config.Updates.PostWrites, r.path) {
		return false
	}
	if r.in.ContentFormat == nil {
		r.in.ContentFormat = new(messages.FormatOpaque)
	}
	return true
}
