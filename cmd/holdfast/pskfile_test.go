package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeysRead(t *testing.T) {
	t.Parallel()
	const secret = "c0ffee"
	ks := keys{}
	errs := ks.read("f", strings.NewReader("# comment\n\na:00\n  b:c:ff00  \r\nnocolon"+secret+"\n:00\nd:\ne:"+secret+"x\na:01\nf:"+strings.Repeat("00", 65)+"\n"))
	if diff := cmp.Diff(keys{"a": {0}, "b:c": {0xff, 0}}, ks); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"f:5: has no colon: write ID:HEX",
		"f:6: needs an identity of 1 to 128 bytes before the colon",
		"f:7: needs a key of 1 to 64 bytes after the colon",
		"f:8: needs hexadecimal digits, two for each byte, after the colon",
		"f:9: names an identity for the second time",
		"f:10: needs a key of 1 to 64 bytes after the colon",
	}
	var got []string
	for _, err := range errs {
		got = append(got, err.Error())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(fmt.Sprint(errs), secret) {
		t.Error("shows a key")
	}
}

func TestKeysReadLongLine(t *testing.T) {
	t.Parallel()
	if errs := (keys{}).read("f", strings.NewReader(strings.Repeat("x", 1<<17))); len(errs) != 1 {
		t.Errorf("%v", errs)
	}
}

func FuzzKeysRead(f *testing.F) {
	f.Add("a:00\n#\n\nb:c:ff\r\n")
	f.Add(":\n::\na:0\na:zz\n")
	f.Fuzz(func(t *testing.T, text string) {
		ks := keys{}
		_ = ks.read("f", strings.NewReader(text))
		for identity, key := range ks {
			if identity == "" || len(identity) > maxIdentity || len(key) == 0 || len(key) > maxKey {
				t.Errorf("%q has a key of %d bytes", identity, len(key))
			}
		}
	})
}
