package codec

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// serves reads the table of the package's comment, and adds formats that it does not have.
func serves(t *testing.T) map[lwm2m.Format][]Operation {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	table := map[lwm2m.Format][]Operation{lwm2m.FormatLwM2MCBOR: nil, 4711: nil}
	var columns string
	for line := range strings.Lines(string(doc)) {
		line, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "//\t")
		switch {
		case !ok:
		case columns == "":
			columns = line
		default:
			var f lwm2m.Format
			if _, err := fmt.Sscan(line, &f); err != nil {
				t.Fatal(err)
			}
			table[f] = row(columns, line)
		}
	}
	return table
}

// row returns the operations under whose names a line has a cross.
func row(columns, line string) (served []Operation) {
	for i, name := range strings.Fields(columns) {
		if at := strings.Index(columns+" ", " "+name+" ") + 1; at < len(line) && line[at] == 'x' {
			served = append(served, Operation(i+1))
		}
	}
	return served
}

// use asks for an operation in a format, in both directions, with content that every
// format has.
func use(o Operation, f lwm2m.Format) error {
	target := lwm2m.PathOf(object, 3, uint16(lwm2m.KindOpaque))
	p := single(target, lwm2m.Opaque([]byte("x")))
	switch o {
	case Read:
		_, err := Encode(f, target, p)
		return err
	case Write:
		data, _ := Encode(f, target, p)
		_, err := Decode(f, target, data, registry, lwm2m.Limits{})
		return err
	case Create:
		data, err := EncodeCreate(f, object, Creation{Resources: []lwm2m.Resource{{ID: 6, Value: lwm2m.Opaque(nil)}}})
		_, back := DecodeCreate(f, object, data, registry, lwm2m.Limits{})
		return same(err, back)
	case ReadComposite:
		data, err := EncodePaths(f, []lwm2m.Path{target})
		_, back := DecodePaths(f, data, lwm2m.Limits{})
		return same(err, back)
	case CompositeAnswer:
		data, err := EncodeComposite(f, p)
		_, back := DecodeComposite(f, data, registry, lwm2m.Limits{})
		return same(err, back)
	case WriteComposite:
		data, err := EncodeWriteComposite(f, p)
		_, back := DecodeWriteComposite(f, data, registry, lwm2m.Limits{})
		return same(err, back)
	case Send:
		data, err := EncodeSamples(f, lwm2m.Path{}, []lwm2m.Sample{{Payload: p}})
		_, back := DecodeSamples(f, lwm2m.Path{}, data, time.Time{}, registry, lwm2m.Limits{})
		return same(err, back)
	}
	_, err := find(o, f, target)
	return err
}

// same is the one outcome of two directions.
func same(err, back error) error {
	if (err == nil) != (back == nil) {
		return fmt.Errorf("one direction %w, the other %w", err, back)
	}
	return err
}

// Every combination of format and operation is served, in both directions, or refused
// with the error that names it.
func TestTable(t *testing.T) {
	table := serves(t)
	for f, served := range table {
		for o := Read; o < operations; o++ {
			err := use(o, f)
			if want := slices.Contains(served, o); want != (err == nil) || Supports(o, f) != want || slices.Contains(Formats(o), f) != want {
				t.Errorf("%s in %d: %v, want %v", o, f, err, want)
			}
			var unfit *FormatError
			if err != nil && (!errors.As(err, &unfit) || unfit.Operation != o || unfit.Format != f) {
				t.Errorf("%s in %d: %v", o, f, err)
			}
		}
	}
	for _, row := range formats {
		if _, known := table[row.number]; !known {
			t.Errorf("format %d is not in the documented table", row.number)
		}
	}
}

// A format's earlier number is served as the format is, and is what an error names.
func TestEarlierNumbers(t *testing.T) {
	table := serves(t)
	for _, early := range []lwm2m.Format{1541, 1542, 1543, 1544, 99} {
		for o := Read; o < operations; o++ {
			err := use(o, early)
			if want := slices.Contains(table[early.Standard()], o); want != (err == nil) || Supports(o, early) != want {
				t.Errorf("%s in %d: %v, want %v", o, early, err, want)
			}
			var unfit *FormatError
			if err != nil && (!errors.As(err, &unfit) || unfit.Format != early) {
				t.Errorf("%s in %d: %v", o, early, err)
			}
		}
	}
	var unfit *FormatError
	if _, err := Encode(1541, lwm2m.PathOf(object), lwm2m.Payload{}); !errors.As(err, &unfit) || unfit.Format != 1541 {
		t.Errorf("an object as text: %v", err)
	}
}

func TestPreferred(t *testing.T) {
	for _, tc := range []struct {
		operation Operation
		enabler   string
		want      lwm2m.Format
		ok        bool
	}{
		{Read, "", lwm2m.FormatTLV, true},
		{Read, "1.0", lwm2m.FormatTLV, true},
		{Read, "1.1", lwm2m.FormatSenMLCBOR, true},
		{Read, "1.2", lwm2m.FormatSenMLCBOR, true},
		{Write, "1.1", lwm2m.FormatSenMLCBOR, true},
		{Create, "1.0", lwm2m.FormatTLV, true},
		{Execute, "1.1", lwm2m.FormatText, true},
		{Discover, "1.0", lwm2m.FormatLinkFormat, true},
		{Send, "1.1", lwm2m.FormatSenMLCBOR, true},
		{CompositeAnswer, "1.1", lwm2m.FormatSenMLCBOR, true},
		{0, "1.1", 0, false},
	} {
		if f, ok := Preferred(tc.operation, tc.enabler); f != tc.want || ok != tc.ok {
			t.Errorf("%s in %q: %d, %v", tc.operation, tc.enabler, f, ok)
		}
	}
}

func TestCompositeFormat(t *testing.T) {
	for request, want := range map[lwm2m.Format]lwm2m.Format{
		110: 110, 320: 110, 112: 112, 322: 112,
	} {
		if f, ok := CompositeFormat(request); f != want || !ok {
			t.Errorf("%d: %d, %v", request, f, ok)
		}
	}
	for _, request := range []lwm2m.Format{0, 60, 11542, 11543, 4711} {
		if f, ok := CompositeFormat(request); ok {
			t.Errorf("%d: %d", request, f)
		}
	}
}

func TestFormatErrorSaysWhat(t *testing.T) {
	target := lwm2m.PathOf(object, 3, uint16(lwm2m.KindOpaque))
	if got := (&FormatError{Operation: Write, Format: 40, Path: target}).Error(); got != "lwm2m: no write of /4242/3/6 in content format 40" {
		t.Error(got)
	}
	for o := range operations + 1 {
		if (o == 0 || o == operations) != (o.String() == "no operation") {
			t.Errorf("operation %d is called %q", o, o)
		}
	}
}
