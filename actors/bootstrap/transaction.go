package bootstrap

import (
	"slices"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/messages"
)

// transaction is the copy of objects 0 and 1 that a server works on. Every
// operation is carried out whole or not at all.
type transaction struct {
	base    *lwm2m.Tree // as it was; never changed
	work    *lwm2m.Tree
	version string          // highest LwM2M version
	format  messages.Format // of an answer, when the server states no preference
	limits  accounts.Limits // of what may be stored
	most    int             // management accounts

	registry *lwm2m.Registry // the objects that the server sees
}

func newTransaction(b messages.BeginBootstrap, c Config, plain bool) *transaction {
	t := &transaction{
		base: b.Tree, work: b.Tree.Clone(), version: b.Version,
		limits: accounts.Limits{Bytes: c.MaxBytes}, most: c.MaxAccounts, registry: c.Registry,
	}
	t.format = messages.FormatSenMLCBOR
	if plain {
		t.format = messages.FormatTLV
	}
	return t
}

// answer is what becomes of one operation.
type answer struct {
	answers.Answer
	limit error // the limit that the operation exceeds; nil for none
}

func done(code messages.CoAPCode) answer { return answer{Answer: answers.Done(code)} }

func refuse(code messages.CoAPCode, text string) answer {
	return answer{Answer: answers.Refuse(code, text)}
}

// exceeded refuses what a limit forbids, which ends the session.
func exceeded(err error) answer {
	a := refuse(messages.RequestEntityTooLarge, err.Error())
	a.limit = err
	return a
}

var notAllowed = refuse(messages.MethodNotAllowed, "no such operation in a bootstrap session")

// isBS reports whether the path is the bootstrap interface's own.
func isBS(path []string) bool { return len(path) == 1 && path[0] == bs }

// isFinish recognises Bootstrap-Finish (LwM2M Core section 6.1.7). Some
// servers add a query to it; neither that nor a payload matters.
func isFinish(in messages.Inbound) bool { return in.Code == messages.POST && isBS(in.Path) }

// serve carries out one operation that is no Finish.
func (t *transaction) serve(in messages.Inbound) answer {
	if isBS(in.Path) {
		return atBS(in.Code)
	}
	path, err := lwm2m.PathFromSegments(in.Path)
	if err != nil {
		return refuse(messages.BadRequest, err.Error())
	}
	switch in.Code {
	case messages.GET:
		return t.get(path, in)
	case messages.PUT:
		return t.write(path, in)
	case messages.DELETE:
		return t.delete(path)
	}
	return notAllowed
}

func atBS(method messages.CoAPCode) answer {
	if method == messages.DELETE {
		return refuse(messages.BadRequest, "/bs cannot be deleted")
	}
	return notAllowed
}

func (t *transaction) get(path lwm2m.Path, in messages.Inbound) answer {
	switch {
	case in.Observe != nil:
		return notAllowed
	case in.Accept != nil && *in.Accept == messages.FormatLinkFormat:
		return t.discover(path)
	}
	return t.read(path, in.Accept)
}

// delete is Bootstrap-Delete (section 6.1.7): what is not there, or not
// ours to delete, counts as deleted. The bootstrap account is spared when its
// object is deleted and refused when it is named.
func (t *transaction) delete(path lwm2m.Path) answer {
	switch {
	case path.Len() > 2:
		return refuse(messages.BadRequest, "only objects and instances can be deleted")
	case path.Len() == 2 && t.isBootstrap(path):
		return refuse(messages.BadRequest, "the bootstrap account cannot be deleted")
	}
	for _, obj := range []uint16{objects.Security, objects.Server} {
		for _, inst := range t.work.Instances(obj) {
			victim := lwm2m.PathOf(obj, inst)
			if path.Contains(victim) && !t.isBootstrap(victim) {
				t.work.DeleteInstance(obj, inst)
			}
		}
	}
	return done(messages.Deleted)
}

// isBootstrap reports whether the instance is the bootstrap account.
func (t *transaction) isBootstrap(path lwm2m.Path) bool {
	return path.Object() == objects.Security &&
		slices.Contains(bootstrapInstances(t.work), path.Instance())
}

// bootstrapInstances lists the Security instances that say that they are the
// bootstrap server's.
func bootstrapInstances(tree *lwm2m.Tree) []uint16 {
	var found []uint16
	for _, inst := range tree.Instances(objects.Security) {
		v, _ := tree.Value(lwm2m.PathOf(objects.Security, inst, objects.SecurityBootstrapServer))
		if v.Bool() {
			found = append(found, inst)
		}
	}
	return found
}

// finish judges the configuration and makes the record of it. What it returns
// can be read again.
func (t *transaction) finish(now time.Time) (*lwm2m.Tree, []byte, error) {
	if err := t.check(now); err != nil {
		return nil, nil, err
	}
	result := complete(t.work, now)
	record, err := accounts.EncodeWithin(result, t.limits)
	if err != nil {
		return nil, nil, budgetError(err)
	}
	return result, record, nil
}

// check judges the configuration that a Finish would make valid.
func (t *transaction) check(now time.Time) error {
	if n := accounts.Managements(t.work); n > t.most { // as they were before, under a larger limit
		return &accounts.CountError{Have: n, Max: t.most}
	}
	return accounts.CheckChange(t.base, t.work, now)
}

// largestStamp is the time that takes the most room in a record. Writes are
// measured with it, so that the Finish cannot exceed what they have left.
var largestStamp = time.Unix(-1, 0)

// complete returns the configuration to store, with the time of the bootstrap
// in every Server instance.
func complete(work *lwm2m.Tree, now time.Time) *lwm2m.Tree {
	tree := work.Clone()
	for _, inst := range tree.Instances(objects.Server) {
		tree.PutResource(objects.Server, inst, stamp(now))
	}
	return tree
}

// stamp is the time of the bootstrap (/1/x/12).
func stamp(now time.Time) lwm2m.Resource {
	return lwm2m.Resource{ID: objects.ServerLastBootstrapped, Value: lwm2m.Time(now)}
}
