package configfile

import (
	"slices"
	"testing"
)

// One key at a time, each is told apart from another value of it, and no other is.
func TestChanges(t *testing.T) {
	values := map[string][2]string{"queue_mode": {"true", "false"}, "server.psk_key": {"00", "01"}, "bootstrap.psk_key": {"00", "01"},
		"firmware.download.psk_key": {"00", "01"},
		"dtls.cid":                  {"false", "true"}, "dtls.keep_sessions": {"false", "true"},
		"network.watch":  {"false", "true"},
		"device.machine": {"false", "true"}, "objects": {"[{path: /3303/0/5700, value: 1}]", "[{path: /3303/0/5700, value: 2}]"}}
	for _, k := range allKeys() {
		pair, special := values[k.path]
		if !special {
			pair = [2]string{"1s", "2s"}
			var probe File
			if k.set(&probe, pair[0]) != "" {
				pair = [2]string{"1", "2"}
			}
		}
		var a, b, unset File
		if problem := k.set(&a, pair[0]) + k.set(&b, pair[1]); problem != "" {
			t.Fatalf("%s: %s", k.path, problem)
		}
		if got := Changes(a, b); !slices.Equal(got, []string{k.path}) {
			t.Errorf("%s: %v", k.path, got)
		}
		if got := Changes(a, unset); !slices.Equal(got, []string{k.path}) {
			t.Errorf("%s against nothing: %v", k.path, got)
		}
		if got := Changes(a, a); got != nil || unset.Config.Server != nil || unset.Config.Firmware != nil {
			t.Errorf("%s against itself: %v", k.path, got)
		}
	}
}
