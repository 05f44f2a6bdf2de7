package systemtest

import (
	"errors"
	"strings"
	"sync/atomic"

	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// ErrInjected is what a [CrashOnce] panics with.
var ErrInjected = errors.New("injected")

// CrashOnce is a tap that makes one actor panic, once, at a message of one type.
type CrashOnce[T any] struct {
	actor string
	Done  atomic.Bool // whether it has
}

var _ lwm2mtest.Tap = (*CrashOnce[struct{}])(nil)

// NewCrashOnce returns the tap of an actor, such as "registration/1".
func NewCrashOnce[T any](actor string) *CrashOnce[T] { return &CrashOnce[T]{actor: actor} }

// Message implements lwm2mtest.Tap.
func (c *CrashOnce[T]) Message(actor string, stage lwm2mtest.Stage, message any) {
	_, match := message.(T)
	if match && stage == lwm2mtest.StageInvoking && strings.HasSuffix(actor, "/"+c.actor) && c.Done.CompareAndSwap(false, true) {
		panic(ErrInjected)
	}
}
