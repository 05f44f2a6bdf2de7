package gateway

import (
	"slices"
	"sync"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// ErrorCode is a value of /3/0/11. 16 to 32 are the device's own.
type ErrorCode uint8

// The error codes of the standard.
const (
	ErrorLowBattery       ErrorCode = 1
	ErrorExternalPower    ErrorCode = 2 // the external power supply is off
	ErrorGPS              ErrorCode = 3
	ErrorLowSignal        ErrorCode = 4
	ErrorOutOfMemory      ErrorCode = 5
	ErrorSMS              ErrorCode = 6
	ErrorNoConnectivity   ErrorCode = 7 // of IP
	ErrorPeripheral       ErrorCode = 8
	largestErrorCode                = 32
	noError               ErrorCode = 0
	firstInstanceOfErrors           = 0
)

// errorCodes are the errors of a device, in the instances of the resource that show
// them: each keeps its own until it is over. Without an error, instance 0 is 0.
type errorCodes struct {
	mu     sync.Mutex
	shown  map[uint16]ErrorCode
	notify func() // called without the lock, after a change
}

func newErrorCodes(notify func()) *errorCodes {
	return &errorCodes{shown: map[uint16]ErrorCode{}, notify: notify}
}

// set shows or clears one error.
func (e *errorCodes) set(code ErrorCode, present bool) {
	if e.change(code, present) {
		e.notify()
	}
}

func (e *errorCodes) change(code ErrorCode, present bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for inst, shown := range e.shown {
		if shown == code {
			if !present {
				delete(e.shown, inst)
			}
			return !present
		}
	}
	if present {
		e.shown[e.free()] = code
	}
	return present
}

// free returns the lowest instance that shows nothing.
func (e *errorCodes) free() (inst uint16) {
	inst = firstInstanceOfErrors
	for ; e.shown[inst] != noError; inst++ {
	}
	return inst
}

// reset shows these errors and no others, from instance 0 on.
func (e *errorCodes) reset(present []ErrorCode) {
	e.mu.Lock()
	clear(e.shown)
	for _, code := range present {
		if code != noError && code <= largestErrorCode && !e.has(code) {
			e.shown[e.free()] = code
		}
	}
	e.mu.Unlock()
	e.notify()
}

func (e *errorCodes) has(code ErrorCode) bool {
	for _, shown := range e.shown {
		if shown == code {
			return true
		}
	}
	return false
}

// resource is /3/0/11.
func (e *errorCodes) resource() (lwm2m.Resource, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := lwm2m.Resource{Multiple: true}
	for inst, code := range e.shown {
		r.Instances = append(r.Instances, lwm2m.ResourceInstance{ID: inst, Value: lwm2m.Integer(int64(code))})
	}
	if len(r.Instances) == 0 {
		r.Instances = []lwm2m.ResourceInstance{{Value: lwm2m.Integer(int64(noError))}}
	}
	slices.SortFunc(r.Instances, func(a, b lwm2m.ResourceInstance) int { return int(a.ID) - int(b.ID) })
	return r, true
}
