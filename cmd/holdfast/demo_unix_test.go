//go:build unix

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The gateway that the demo kills is this program, started twice. What the environment says
// of a configuration is not for it.
func TestDemoKillsItsOwnProgram(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "demo", "--json", "--only", "firmware-kill")
	cmd.Env = append(os.Environ(), asProgram+"="+asItIs, "HOLDFAST_BOOTSTRAP_URI=coap://bootstrap.invalid", "HOLDFAST_LIFETIME=never")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if starts := strings.Count(string(out), `"state":"starting"`); starts != 3 { // with the one that is not killed
		t.Errorf("%d starts: %s", starts, out)
	}
	if !strings.Contains(string(out), `"scenario":"firmware-kill"`) || !strings.Contains(string(out), `"recovered":1`) {
		t.Errorf("%s", out)
	}
}
