package bootstrap

import (
	"errors"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/answers"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// transaction answers the operations of a bootstrap server, which works on a copy
// of objects 0, 1 and 2.
type transaction struct {
	*accounts.Transaction
	version string          // highest LwM2M version
	format  messages.Format // of an answer, when the server states no preference
	bytes   int             // of one payload

	registry *lwm2m.Registry // the objects that the server sees
}

func newTransaction(b messages.BeginBootstrap, c Config, plain bool) *transaction {
	t := &transaction{
		Transaction: accounts.Begin(b.Tree, accounts.Terms{
			Registry: c.Registry, Limits: accounts.Limits{Bytes: c.MaxBytes}, Accounts: c.MaxAccounts,
			TrustStore: c.TrustStore,
		}),
		version: b.Version, bytes: c.MaxBytes, registry: c.Registry,
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

// delete is Bootstrap-Delete (section 6.1.7).
func (t *transaction) delete(path lwm2m.Path) answer {
	if err := t.Delete(path); err != nil {
		return refused(err)
	}
	return done(messages.Deleted)
}

// refused answers an operation that the transaction does not carry out.
func refused(err error) answer {
	var (
		limit *accounts.LimitError
		count *accounts.CountError
		rule  *accounts.RefusedError
	)
	switch {
	case errors.As(err, &limit):
		return exceeded(budgetError(err))
	case errors.As(err, &count):
		return exceeded(err)
	case errors.As(err, &rule):
		return refuse(messages.BadRequest, string(rule.Reason))
	}
	return refuse(messages.BadRequest, err.Error())
}

// finish judges the configuration and makes the record of it. What it returns
// can be read again.
func (t *transaction) finish(clock validity.Clock) (*lwm2m.Tree, []byte, error) {
	tree, record, err := t.Finish(clock)
	if limit := (*accounts.LimitError)(nil); errors.As(err, &limit) {
		err = budgetError(err)
	}
	return tree, record, err
}
