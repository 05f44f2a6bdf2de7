package configfile

import (
	"errors"
	"testing"

	"github.com/holdfast-iot/holdfast"
)

func TestControlAddressesAndGroup(t *testing.T) {
	t.Parallel()
	const head = "endpoint: g\nserver: {uri: coap://h, security: nosec}\n"
	env := func(name string) (string, bool) {
		value, found := map[string]string{"HOLDFAST_CONTROL_METRICS": ":9101"}[name]
		return value, found
	}
	path := writeConfig(t, head+"control: {listen: unix:/run/c.sock, group: \"0\", metrics: 127.0.0.1:9101}\n")
	f, err := Loader{Path: path, LookupEnv: env}.Load()
	if want := (Control{Listen: "unix:/run/c.sock", Group: "0", Metrics: ":9101"}); err != nil || f.Control != want {
		t.Errorf("%+v, %v", f.Control, err)
	}
	for section, want := range map[string]string{
		"{metrics: :9101}":                               "",
		"{metrics: unix:/run/m.sock, group: daemon}":     "",
		"{listen: 127.0.0.1:0, metrics: 127.0.0.1:0}":    "",
		"{metrics: \"[::]:9101\", listen: localhost:80}": "",
		"{metrics: 9101}":                                "control.metrics: is neither unix:/path nor host:port, such as :9101 or 127.0.0.1:9101",
		"{metrics: \"unix:\"}":                           "control.metrics: names no absolute path after unix:",
		"{metrics: \"h:http\"}":                          "control.metrics: has no port from 0 to 65535",
		"{listen: unix:/a, metrics: unix:/a}":            "control.metrics: is control.listen: give it an address of its own, or leave it out, as control.listen has the metrics too",
		"{listen: localhost:80, group: daemon}":          "control.group: has no unix socket to own: give control.listen or control.metrics as unix:/path",
		"{group: daemon}":                                "control.group: has no unix socket to own: give control.listen or control.metrics as unix:/path",
	} {
		_, err := Loader{Path: writeConfig(t, head+"control: "+section+"\n"), LookupEnv: noEnv}.Load()
		got := ""
		if invalid, ok := errors.AsType[*holdfast.ConfigError](err); ok {
			for _, fault := range invalid.Faults {
				got += fault.Key + ": " + fault.Problem
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", section, got, want)
		}
	}
}

// Whether the group exists is a question to the machine, as with files.
func TestCheckNamesAnUnknownGroup(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, "endpoint: g\nserver: {uri: coap://h, security: nosec}\nstate_dir: "+t.TempDir()+
		"\ncontrol: {listen: unix:/run/c.sock, group: no-such-group-here}\n")
	l := Loader{Path: path, LookupEnv: noEnv}
	if _, err := l.Load(); err != nil {
		t.Error(err)
	}
	invalid, ok := errors.AsType[*holdfast.ConfigError](l.Check())
	if !ok || len(invalid.Faults) != 1 || invalid.Faults[0].Key != "control.group" {
		t.Errorf("%v", invalid)
	}
}
