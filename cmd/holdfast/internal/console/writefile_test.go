package console

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/coap"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// A file goes to an opaque resource in blocks, with its size; what the client answers to one of
// them is the answer.
func TestWriteFile(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 130)
	path := filepath.Join(t.TempDir(), "fw one.bin")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	inBubble(t, func(t *testing.T, b *bench) {
		g := b.gateway("gw", "192.0.2.9", links)
		g.will(code(lwm2m.CodeContinue), code(lwm2m.CodeContinue), code(lwm2m.CodeChanged))
		b.wants(`write /5/0/0 "file:`+path+`"`, `{"code":"2.04","command":"write","endpoint":"gw","name":"Changed","path":"/5/0/0"}`)
		got := ""
		for _, m := range g.requests()[len(g.requests())-3:] {
			if line := asLine(m); !strings.HasPrefix(line, "PUT /5/0/0 format 42 ") {
				t.Errorf("asked %.60q", line)
			}
			got += string(m.Payload)
		}
		size, _ := g.requests()[len(g.requests())-3].Uint(coap.Size1)
		if got != content || int(size) != len(content) {
			t.Errorf("%d bytes were written, %d announced", len(got), size)
		}
		g.will(code(lwm2m.CodeRequestEntityTooLarge))
		b.wants(`write /5/0/0 "file:`+path+`"`,
			`{"code":"4.13","command":"write","endpoint":"gw","name":"Request Entity Too Large","path":"/5/0/0"}`)
	})
}

func TestWriteFileMistakes(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		g := b.gateway("gw", "192.0.2.9", links)
		seen := len(g.requests())
		for line, want := range map[string]string{
			"write /5/0/0 file:/none/there": "no such file",
			"write /5/0/0 file:/":           "name a regular file",
			"write /1/0/1 file:/none":       "Lifetime is an integer",
		} {
			if a := b.says(line); !strings.Contains(a.Error, want) {
				t.Errorf("%s: %q, want %q", line, a.Error, want)
			}
		}
		if n := len(g.requests()); n != seen {
			t.Errorf("%d requests were sent", n-seen)
		}
		g.will(code(lwm2m.CodeChanged))
		b.says("write /3/0/15 file:/none") // text, as it is defined
		if got, want := asLine(g.asked()), `PUT /3/0/15 format 110 [{"bn":"/3/0/15","vs":"file:/none"}]`; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
	})
}
