package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write what is generated into testdata")

// run runs the command.
func run(args ...string) (exit int, stdout, stderr string) {
	var out, err bytes.Buffer
	exit = (&program{stdout: &out, stderr: &err}).run(args)
	return exit, out.String(), err.String()
}

func TestGenerated(t *testing.T) {
	for golden, files := range map[string][]string{
		"kinds": {"kinds.xml"}, "names": {"names.xml"}, "executed": {"executed.xml"}, "together": {"executed.xml", "collide.xml", "names.xml"},
	} {
		var args []string
		for _, f := range files {
			args = append(args, filepath.Join("testdata", f))
		}
		exit, got, stderr := run(args...)
		if exit != exitDone || stderr != "" {
			t.Fatal(golden, exit, stderr)
		}
		name := filepath.Join("testdata", golden+".golden")
		if *rewrite {
			if err := os.WriteFile(name, []byte(got), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s:\n%s", golden, diff)
		}
		if _, again, _ := run(args...); again != got {
			t.Error(golden, "is different the second time")
		}
	}
}

func TestIdentifiers(t *testing.T) {
	for name, want := range map[string]string{
		"Sensor Value": "SensorValue", "Reset Min and Max": "ResetMinAndMax", "LwM2M Server": "LwM2MServer", "rsrp-Result ": "RsrpResult",
		"Server Uri": "ServerURI", "deviceId": "DeviceID", "IPv4 address": "IPV4Address", "On/Off": "OnOff", "Error Code(s)": "ErrorCodes",
		"AT&T": "ATAndT", "Battery %": "BatteryPercent", "5GNR": "Object5GNR", "": "Object", "---": "Object", "Größe": "GrE",
		"Driver's seat": "DriversSeat", "Voltage_L1": "VoltageL1", "func": "Func", "x\x00y": "XY", "C++": "CPlusPlus",
	} {
		if got := identifier(name, "Object"); got != want {
			t.Errorf("%q becomes %s, not %s", name, got, want)
		}
	}
}

func TestWhereItIsWritten(t *testing.T) {
	folder := t.TempDir()
	names := func(pattern string) (names []string) {
		found, _ := filepath.Glob(filepath.Join(folder, pattern))
		for _, f := range found {
			names = append(names, filepath.Base(f))
		}
		return names
	}
	packageOf := func(name string) string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "\npackage ")
		pkg, _, _ := strings.Cut(rest, "\n")
		return pkg
	}
	// Flags may stand behind the files.
	if exit, stdout, stderr := run("testdata/names.xml", "testdata/collide.xml", "-o", filepath.Join(folder, "phases")); exit != exitDone || stdout+stderr != "" {
		t.Error(exit, stdout, stderr)
	}
	if got := names("phases/*"); !cmp.Equal(got, []string{"object3phaseonoff.go", "object3phaseonoff33002.go"}) {
		t.Error(got)
	}
	if got := packageOf("phases/object3phaseonoff.go"); got != "phases" {
		t.Error(got)
	}
	one := filepath.Join(folder, "one.go")
	if exit, stdout, stderr := run("-o="+one, "-package", "main", "testdata/names.xml", "testdata/executed.xml"); exit != exitDone || stdout+stderr != "" {
		t.Error(exit, stdout, stderr)
	}
	if got := packageOf("one.go"); got != "main" {
		t.Error(got)
	}
	// A directory that is no name for a package.
	if exit, _, stderr := run("-o", filepath.Join(folder, "my-objects"), "testdata/executed.xml"); exit != exitDone || packageOf("my-objects/button.go") != "objects" {
		t.Error(exit, stderr)
	}
}

func TestMessages(t *testing.T) {
	folder := t.TempDir()
	for _, tc := range []struct {
		args           []string
		exit           int
		stdout, stderr string
	}{
		{[]string{"-h"}, exitDone, help, ""},
		{[]string{"kinds.xml", "--help"}, exitDone, help, ""},
		{nil, exitUsage, "", "lwm2mgen: no file is named; name the XML of an object, such as 3303.xml\n" + usage},
		{[]string{"-x"}, exitUsage, "", "lwm2mgen: flag provided but not defined: -x\n" + usage},
		{[]string{"-package", "my-objects", "a.xml"}, exitUsage, "", "lwm2mgen: \"my-objects\" is no name for a package; use small letters and digits, and no word of the language\n" + usage},
		{[]string{"-package", "func", "a.xml"}, exitUsage, "", "lwm2mgen: \"func\" is no name for a package; use small letters and digits, and no word of the language\n" + usage},
		{[]string{"testdata/missing.xml"}, exitFailed, "", "lwm2mgen: open testdata/missing.xml: no such file or directory\n"},
		{[]string{"testdata/wrong.xml", "testdata/executed.xml"}, exitFailed, "",
			"lwm2mgen: testdata/wrong.xml:15: Object 33004, Item 0, Operations: is \"X\"; it can be \"\", \"E\", \"R\", \"RW\", \"W\"\n"},
		{[]string{"testdata/executed.xml", "testdata/executed.xml"}, exitFailed, "",
			"lwm2mgen: testdata/executed.xml: object 33003 is defined by testdata/executed.xml too; leave one out\n"},
		{[]string{"-o", folder, "testdata/remark.xml"}, exitDone, "",
			"lwm2mgen: testdata/remark.xml:19: Object 33005, Item 0, RangeEnumeration: is \"some\", which is no range such as 0..100, nor a list; values are not bounded\n"},
		{[]string{"-o", filepath.Join(folder, "remarkable.go", "x"), "testdata/executed.xml"}, exitFailed, "",
			"lwm2mgen: mkdir " + filepath.Join(folder, "remarkable.go") + ": not a directory\n"},
		{[]string{"-o", filepath.Join(folder, "no", "x.go"), "testdata/executed.xml"}, exitFailed, "",
			"lwm2mgen: open " + filepath.Join(folder, "no", "x.go") + ": no such file or directory\n"},
	} {
		exit, stdout, stderr := run(tc.args...)
		if exit != tc.exit || stdout != tc.stdout || stderr != tc.stderr {
			t.Errorf("%q: exit %d\n%s\n%s", tc.args, exit, stdout, cmp.Diff(tc.stderr, stderr))
		}
	}
}
