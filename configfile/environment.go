package configfile

import (
	"os"
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast"
)

// envPrefix begins the name of every variable of the configuration.
const envPrefix = "HOLDFAST_"

// Variable returns the name of the environment variable of a key:
// HOLDFAST_COAP_ACK_TIMEOUT for coap.ack_timeout.
func Variable(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// variablesOfTests have the prefix and say how the tests of this module run, some of
// which run a client, too.
var variablesOfTests = []string{
	"HOLDFAST_FLEET_SERVER", "HOLDFAST_FLOOD", "HOLDFAST_MUTATED_FLIGHTS",
	"HOLDFAST_REQUIRE_PEERS", "HOLDFAST_STORE_TEST_DIR", "HOLDFAST_TEST_AS_PROGRAM",
}

// environment takes the variables of all keys.
func (l Loader) environment(s *sources) {
	lookup := l.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	for _, path := range Keys() {
		name := Variable(path)
		if text, found := lookup(name); found && text != "" {
			s.put(Setting{Key: path, Text: text, Source: name})
		}
	}
}

// strangers returns a fault for each variable that looks like one of the
// configuration's and is none: a misspelt one would silently not count.
func (l Loader) strangers() []holdfast.Fault {
	var faults []holdfast.Fault
	for _, name := range l.variables() {
		if problem := unknownVariable(name); problem != "" {
			faults = append(faults, holdfast.Fault{Key: printableKey(name), Problem: problem})
		}
	}
	return faults
}

// variables returns the names of the variables with the prefix that are set, sorted.
func (l Loader) variables() []string {
	environ := l.Environ
	switch {
	case environ != nil:
	case l.LookupEnv == nil:
		environ = os.Environ
	default:
		return nil
	}
	var names []string
	for _, variable := range environ() {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, envPrefix) && value != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// unknownVariable says that no key has the variable, or returns "".
func unknownVariable(name string) string {
	names := make([]string, 0, len(Keys()))
	for _, path := range Keys() {
		names = append(names, Variable(path))
	}
	if slices.Contains(names, name) || slices.Contains(variablesOfTests, name) {
		return ""
	}
	return "is a variable that no key of the configuration has" + didYouMean(name, names)
}

// unknownKey says that a path is no key.
func unknownKey(path string) string {
	return "is not a key of the configuration" + didYouMean(path, Keys())
}
