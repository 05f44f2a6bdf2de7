package source

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// textFile writes a file and returns its path.
func textFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file is read anew each time, and never for longer than it should.
func TestFile(t *testing.T) {
	path := textFile(t, "21.5\n")
	source := File(path)
	if got, err := source.Text(t.Context()); got != "21.5" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for content, reason := range map[string]string{
		strings.Repeat("x", maxText):   "",
		strings.Repeat("x", maxText+1): errTooLong.Error(),
		"\xff":                         errNoText.Error(),
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := source.Text(t.Context())
		if e, _ := errors.AsType[*Error](err); reason == "" && err != nil || reason != "" && (e == nil || e.Reason != reason) {
			t.Errorf("%d bytes: %v", len(content), err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Text(t.Context()); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is gone: %v", err)
	}
	if _, err := File(t.TempDir()).Text(t.Context()); !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a folder: %v", err)
	}
}

// Who waits for a source that somebody else reads goes away with its context.
func TestOneReaderAtATime(t *testing.T) {
	busy, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	source := newSource(kindFile, func(context.Context) ([]byte, error) {
		close(busy) // panics when it is called twice
		<-release
		return []byte("1"), nil
	})
	go func() {
		defer close(done)
		if got, err := source.Text(t.Context()); got != "1" || err != nil {
			t.Errorf("the first: %q, %v", got, err)
		}
	}()
	<-busy
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.Text(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("the second: %v", err)
	}
	close(release)
	<-done
}

func TestValues(t *testing.T) {
	for _, tc := range []struct {
		text          string
		kind          lwm2m.Kind
		scale, offset float64
		want          lwm2m.Value // the zero one: an error
	}{
		{"45123", lwm2m.KindFloat, 0.001, 0, lwm2m.Float(45.123)},
		{"45123", lwm2m.KindFloat, 0, 0, lwm2m.Float(45123)},
		{"100", lwm2m.KindFloat, 1.8, 32, lwm2m.Float(212)},
		{"20", lwm2m.KindFloat, 0, 273, lwm2m.Float(293)},
		{"1999", lwm2m.KindInteger, 0.001, 0, lwm2m.Integer(2)},
		{"-1", lwm2m.KindUnsigned, 2, 0, lwm2m.Value{}},
		{"warm", lwm2m.KindFloat, 2, 0, lwm2m.Value{}},
		{"warm", lwm2m.KindFloat, 0, 0, lwm2m.Value{}},
		{"", lwm2m.KindFloat, 0, 0, lwm2m.Value{}},
		{"0x1p4", lwm2m.KindFloat, 0, 0, lwm2m.Value{}},
		{"NaN", lwm2m.KindFloat, 1, 1, lwm2m.Value{}},
		{"warm", lwm2m.KindString, 0, 0, lwm2m.String("warm")},
		{"</3>", lwm2m.KindCoreLink, 0, 0, lwm2m.CoreLink("</3>")},
		{"-7", lwm2m.KindInteger, 0, 0, lwm2m.Integer(-7)},
		{"7.5", lwm2m.KindInteger, 0, 0, lwm2m.Value{}},
		{"18446744073709551615", lwm2m.KindUnsigned, 0, 0, lwm2m.Unsigned(1<<64 - 1)},
		{"1", lwm2m.KindBoolean, 0, 0, lwm2m.Boolean(true)},
		{"false", lwm2m.KindBoolean, 0, 0, lwm2m.Boolean(false)},
		{"yes", lwm2m.KindBoolean, 0, 0, lwm2m.Value{}},
		{"hex:0aff", lwm2m.KindOpaque, 0, 0, lwm2m.Opaque([]byte{10, 255})},
		{"base64:Cv8=", lwm2m.KindOpaque, 0, 0, lwm2m.Opaque([]byte{10, 255})},
		{"0aff", lwm2m.KindOpaque, 0, 0, lwm2m.Value{}},
		{"2026-01-31T12:00:00Z", lwm2m.KindTime, 0, 0, lwm2m.Time(timeOf(1769860800))},
		{"1769860800", lwm2m.KindTime, 0, 0, lwm2m.Time(timeOf(1769860800))},
		{"today", lwm2m.KindTime, 0, 0, lwm2m.Value{}},
		{"3303:1", lwm2m.KindObjectLink, 0, 0, lwm2m.ObjectLink(3303, 1)},
		{"3303", lwm2m.KindObjectLink, 0, 0, lwm2m.Value{}},
	} {
		r := Reading{Source: File(textFile(t, tc.text+"\n")), Kind: tc.kind, Scale: tc.scale, Offset: tc.offset}
		got, err := r.Value(t.Context())
		if _, is := errors.AsType[*Error](err); got != tc.want && err == nil || (tc.want == lwm2m.Value{}) != is {
			t.Errorf("%q as %v: %v, %v", tc.text, tc.kind, got, err)
		}
	}
}

// timeOf is a time in seconds since 1970.
func timeOf(seconds int64) time.Time { return time.Unix(seconds, 0) }
