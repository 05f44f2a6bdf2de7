package systemtest

import (
	"errors"
	"strings"
	"sync/atomic"

	"github.com/holdfast-iot/holdfast"
)

// ErrInjected is what a [CrashOnce] panics with.
var ErrInjected = errors.New("injected")

// CrashOnce is a tap that makes one actor panic, once, at a message of one type.
type CrashOnce[T any] struct {
	actor string
	Done  atomic.Bool // whether it has
}

var _ holdfast.Tap = (*CrashOnce[struct{}])(nil)

// NewCrashOnce returns the tap of an actor, such as "registration/1".
func NewCrashOnce[T any](actor string) *CrashOnce[T] { return &CrashOnce[T]{actor: actor} }

// Message implements holdfast.Tap.
func (c *CrashOnce[T]) Message(actor, stage string, message any) {
	_, match := message.(T)
	if match && stage == "invoking" && strings.HasSuffix(actor, "/"+c.actor) && c.Done.CompareAndSwap(false, true) {
		panic(ErrInjected)
	}
}
