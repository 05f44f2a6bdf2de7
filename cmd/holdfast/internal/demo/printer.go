package demo

import (
	"time"

	"github.com/holdfast-iot/holdfast"
)

// printer shows a run. Its methods may be called from several goroutines.
type printer interface {
	// list shows the scenarios instead of a run.
	list(all []scenario)
	// intro comes first, with how many errors will be provoked, and how many firmwares
	// updated.
	intro(each [aSession + 1]int)
	// headline opens the n-th scenario.
	headline(n, of int, s scenario)
	// follow names the endpoint that the audience should watch.
	follow(endpoint string)
	// say tells what is being done to the world.
	say(text string)
	// event shows an event of any device.
	event(e holdfast.Event)
	// result closes a scenario.
	result(r result)
	// closing opens the gateway's good-bye.
	closing()
	// summary comes last.
	summary(results []result, took time.Duration)
}
