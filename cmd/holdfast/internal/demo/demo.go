package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// Bounds of a run.
const (
	// totalBound is when the scenarios that are left are given up; what
	// remains of a minute is for tidying up.
	totalBound = 55 * time.Second
	// openingBound is how long the gateway has for its first registration.
	openingBound = 15 * time.Second
	// scenarioBound is how long one scenario may take.
	scenarioBound = 15 * time.Second
	// farewellBound is how long a client has to de-register at the end.
	farewellBound = 2 * time.Second
)

// ErrFailed says that a scenario did not end as the recovery table demands.
var ErrFailed = errors.New("not every scenario ended as it should")

// UnknownScenarioError says that a name stands for no scenario.
type UnknownScenarioError struct{ Name string }

// Error names it.
func (e *UnknownScenarioError) Error() string {
	return fmt.Sprintf("%q is neither a scenario nor an error that this build demonstrates; --list shows all", e.Name)
}

// Options say what to run and where to print it.
type Options struct {
	// Only selects scenarios by their name, the error's name or its number, and all updates
	// by firmwareScenarios; case does not matter. Empty selects all.
	Only []string
	// Out takes what is printed.
	Out io.Writer
	// JSON prints one object a line instead of text.
	JSON bool
	// Coloured uses ECMA-48 colours in the text.
	Coloured bool
	// Command makes the process of a gateway that will be killed.
	Command Command
}

// Command returns a command that has not been started: a client with the configuration in a
// file, which prints its events to its standard output, one JSON object a line (holdfast run
// --json). It takes nothing of its configuration from its environment.
type Command func(config string) (*exec.Cmd, error)

// Run carries the selected scenarios out, one after the other, and returns
// when nothing of them is left. The error is an [*UnknownScenarioError] before
// anything has begun, [ErrFailed], the context's, or what kept the servers
// from starting.
func Run(ctx context.Context, o Options) error {
	chosen, err := choose(o.Only)
	if err != nil {
		return err
	}
	return run(ctx, chosen, o)
}

// List prints the selected scenarios without running them. The error is an
// [*UnknownScenarioError].
func List(o Options) error {
	chosen, err := choose(o.Only)
	if err != nil {
		return err
	}
	o.printer().list(chosen)
	return nil
}

func (o Options) printer() printer {
	if o.JSON {
		return newJSONLines(o.Out)
	}
	return &human{out: o.Out, coloured: o.Coloured}
}

// choose returns the scenarios that the names stand for, in their own order.
func choose(names []string) ([]scenario, error) {
	all := scenarios()
	if len(names) == 0 {
		return all, nil
	}
	wanted := make([]bool, len(all))
	for _, name := range names {
		found := false
		for i, s := range all {
			if s.called(name) {
				wanted[i], found = true, true
			}
		}
		if !found {
			return nil, &UnknownScenarioError{Name: name}
		}
	}
	var chosen []scenario
	for i, s := range all {
		if wanted[i] {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

// called reports whether the scenario goes by that name.
func (s scenario) called(name string) bool {
	switch s.about {
	case anUpdate:
		return strings.EqualFold(name, s.name) || strings.EqualFold(name, firmwareScenarios)
	case aSession:
		return strings.EqualFold(name, s.name) || strings.EqualFold(name, sessionScenariosName)
	}
	return strings.EqualFold(name, s.name) || strings.EqualFold(name, s.code.String()) || name == strconv.Itoa(int(s.code))
}

// Names that select all scenarios of a subject.
const (
	firmwareScenarios    = "firmware"
	sessionScenariosName = "session"
)

// count returns how many scenarios are about each subject.
func count(all []scenario) (each [aSession + 1]int) {
	for _, s := range all {
		each[s.about]++
	}
	return each
}

// run opens the lab, plays the scenarios and closes it again.
func run(ctx context.Context, chosen []scenario, o Options) error {
	out := o.printer()
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, totalBound)
	defer cancel()
	l, err := openLab(out, o.Command)
	if err != nil {
		return err
	}
	defer l.close()
	out.intro(count(chosen))
	if err := l.opening(bounded); err != nil {
		return err
	}
	results := playAll(bounded, l, chosen)
	l.farewell()
	out.summary(results, time.Since(began))
	return outcome(ctx, results)
}

// playAll plays one scenario after the other; one that fails does not stop
// the next. An interrupt does, and the scenario that it hits has no result.
func playAll(ctx context.Context, l *lab, chosen []scenario) []result {
	var results []result
	for i, s := range chosen {
		l.out.headline(i+1, len(chosen), s)
		r := s.perform(ctx, l)
		l.heal()
		if errors.Is(ctx.Err(), context.Canceled) { // an interrupt, not the bound
			return results
		}
		if r.impossible {
			l.out.say("not shown: " + r.Failure)
			continue
		}
		l.out.result(r)
		results = append(results, r)
	}
	return results
}

func outcome(ctx context.Context, results []result) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, r := range results {
		if !r.Recovered {
			return ErrFailed
		}
	}
	return nil
}

// settings returns a configuration with the delays of the show.
func settings() holdfast.Config {
	return holdfast.Config{
		RegistrationTimeout: 2 * time.Second,
		Reconnect:           holdfast.ReconnectConfig{InitialMin: 200 * time.Millisecond, InitialMax: 400 * time.Millisecond},
		CoAP:                holdfast.CoAPConfig{AckTimeout: 200 * time.Millisecond, MaxRetransmit: 2},
		Device:              holdfast.DeviceConfig{Model: "Demo gateway"},
	}
}
