package configfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// loaded loads a configuration with objects.
func loaded(t *testing.T, content string) File {
	t.Helper()
	f, err := Loader{Path: writeConfig(t, "endpoint: g\n"+content), LookupEnv: noEnv}.Load()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// read reads a resource of a configuration's objects, with its definition.
func read(t *testing.T, f File, text string) (lwm2m.Resource, lwm2m.ResourceDef, error) {
	t.Helper()
	path, err := lwm2m.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range f.Config.Objects {
		if def := o.Definition(); def.ID == path.Object() {
			d, _ := lwm2m.NewRegistry(def).Resource(path)
			found, err := o.Read(t.Context(), path)
			if len(found) != 1 {
				return lwm2m.Resource{}, d, err
			}
			return found[0], d, err
		}
	}
	t.Fatalf("no object has %s", text)
	return lwm2m.Resource{}, lwm2m.ResourceDef{}, nil
}

// What an entry does not say follows from the definition, the registry, or the value.
func TestTypesOfObjects(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	temp := file("temp", "45123\n")
	xml := file("lamp.xml", lampXML)
	for _, tc := range []struct {
		entry, path string
		want        lwm2m.Value
	}{
		{"path: /3303/0/5700, value: 21", "/3303/0/5700", lwm2m.Float(21)},                           // registered
		{"path: /3303/0/5701, value: 21", "/3303/0/5701", lwm2m.String("21")},                        // registered
		{"path: /3303/0/5750, value: 007", "/3303/0/5750", lwm2m.String("007")},                      // as it is written
		{"path: /3311/0/5851, value: 21", "/3311/0/5851", lwm2m.Integer(21)},                         // registered
		{"path: /20000/7/1, value: 21", "/20000/7/1", lwm2m.Float(21)},                               // by its look
		{"path: /20000/7/1, value: warm", "/20000/7/1", lwm2m.String("warm")},                        // by its look
		{"path: /20000/7/1, value: '21'", "/20000/7/1", lwm2m.String("21")},                          // by its look
		{"path: /20000/7/1, value: true", "/20000/7/1", lwm2m.Boolean(true)},                         // by its look
		{"path: /20000/7/1, value: 21, type: integer", "/20000/7/1", lwm2m.Integer(21)},              // as it is said
		{"path: /20000/7/1, value: 3303:1, type: objlnk", "/20000/7/1", lwm2m.ObjectLink(3303, 1)},   // as it is said
		{"path: /20000/7/1, value: hex:01, type: opaque", "/20000/7/1", lwm2m.Opaque([]byte{1})},     // as it is said
		{"path: /20000/7/1, file: " + temp, "/20000/7/1", lwm2m.String("45123")},                     // a file without more
		{"path: /20000/7/1, file: " + temp + ", scale: 0.001", "/20000/7/1", lwm2m.Float(45.123)},    // a number
		{"path: /20000/7/1, file: " + temp + ", type: integer", "/20000/7/1", lwm2m.Integer(45123)},  // as it is said
		{"path: /3303/1/5700, file: " + temp + ", offset: -123", "/3303/1/5700", lwm2m.Float(45000)}, // registered
		{"path: /20001/0/2, value: 21", "/20001/0/2", lwm2m.Integer(21)},                             // defined
		{"path: /6/0/0, value: 47.5", "/6/0/0", lwm2m.Float(47.5)},                                   // of the core
	} {
		f := loaded(t, fmt.Sprintf("definitions: [%s]\nobjects:\n  - {%s}\n", xml, tc.entry))
		got, def, err := read(t, f, tc.path)
		if got.Value != tc.want || def.Operations != lwm2m.OpRead || err != nil {
			t.Errorf("%s: %v %v, %v", tc.entry, got.Value, def.Operations, err)
		}
	}
}

const lampXML = `<?xml version="1.0" encoding="UTF-8"?>
<LWM2M xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://www.openmobilealliance.org/tech/profiles/LWM2M.xsd">
<Object ObjectType="MODefinition"><Name>Lamp</Name><Description1></Description1><ObjectID>20001</ObjectID>
<ObjectURN>urn:oma:lwm2m:x:20001</ObjectURN><LWM2MVersion>1.0</LWM2MVersion><ObjectVersion>1.0</ObjectVersion>
<MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory><Resources>
<Item ID="1"><Name>On</Name><Operations>RW</Operations><MultipleInstances>Single</MultipleInstances><Mandatory>Mandatory</Mandatory><Type>Boolean</Type><RangeEnumeration></RangeEnumeration><Units></Units><Description></Description></Item>
<Item ID="2"><Name>Level</Name><Operations>R</Operations><MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory><Type>Integer</Type><RangeEnumeration>0..100</RangeEnumeration><Units>%</Units><Description></Description></Item>
<Item ID="3"><Name>Blink</Name><Operations>E</Operations><MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory><Type></Type><RangeEnumeration></RangeEnumeration><Units></Units><Description></Description></Item>
<Item ID="4"><Name>Scenes</Name><Operations>R</Operations><MultipleInstances>Multiple</MultipleInstances><Mandatory>Optional</Mandatory><Type>String</Type><RangeEnumeration></RangeEnumeration><Units></Units><Description></Description></Item>
</Resources><Description2></Description2></Object></LWM2M>`

// Every mistake accuses the key that it is in, where it stands, and says what to do.
func TestFaultsOfObjects(t *testing.T) {
	t.Parallel()
	xml := filepath.Join(t.TempDir(), "lamp.xml")
	if err := os.WriteFile(xml, []byte(lampXML), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, entries string
		want          []string
	}{
		{"no path", "  - {value: 1}\n", []string{"4:5 objects[0]: has no path: give that of a resource, such as path: /3303/0/5700"}},
		{"nothing to read", "  - {path: /3303/0/5700}\n", []string{"4:5 objects[0]: has none of value, file and command: give one"}},
		{"too much", "  - {path: /3303/0/5700, value: 1, file: /x}\n", []string{"4:42 objects[0].file: stands beside value: give one of value, file and command"}},
		{"an unknown key", "  - {path: /3303/0/5700, valu: 1, value: 1}\n", []string{"4:26 objects[0].valu: is not a key of an entry of objects: did you mean value?"}},
		{"a path that is misspelt", "  - {pth: /3303/0/5700, value: 1}\n", []string{"4:6 objects[0].pth: is not a key of an entry of objects: did you mean path?"}},
		{"a source that is misspelt", "  - {path: /3303/0/5700, fil: /x}\n", []string{"4:26 objects[0].fil: is not a key of an entry of objects: did you mean file?"}},
		{"text that is scaled", "  - {path: /3303/0/5701, file: /x, scale: 2}\n", []string{"4:43 objects[0].scale: is for numbers, and the resource is of type string: leave it out"}},
		{"a time that is moved", "  - {path: /3303/0/5518, command: [/x], offset: 2}\n", []string{"4:49 objects[0].offset: is for numbers, and the resource is of type time: leave it out"}},
		{"a boolean", "  - {path: /3306/0/5850, value: on}\n", []string{"4:33 objects[0].value: is not of type boolean: write true or false"}},
		{"a key twice", "  - {path: /3303/0/5700, value: 1, value: 2}\n", []string{"4:36 objects[0].value: stands here a second time"}},
		{"no resource", "  - {path: /3303/0, value: 1}\n", []string{"4:12 objects[0].path: is not the path of a resource, such as /3303/0/5700"}},
		{"no number", "  - {path: /3303/x/1, value: 1}\n", []string{"4:12 objects[0].path: is not the path of a resource, such as /3303/0/5700"}},
		{"several, all of them named", "  - {path: /0/0/0, value: 1}\n  - {path: /1/0/1, value: 1}\n  - {path: /2/0/0, value: 1}\n  - {path: /3/0/0, value: x}\n", []string{
			"4:12 objects[0].path: is in object 0, which is the client's own: use another",
			"5:12 objects[1].path: is in object 1, which is the client's own: use another",
			"6:12 objects[2].path: is in object 2, which is the client's own: use another",
			"7:12 objects[3].path: is in object 3, which is filled by the keys of device and by the machine",
		}},
		{"one path twice", "  - {path: /3303/0/5700, value: 1}\n  - {path: /3303/0/5700, value: 1}\n", []string{"5:12 objects[1].path: is that of objects[0], too: a resource has one source"}},
		{"another type", "  - {path: /3303/0/5700, value: warm}\n", []string{"4:33 objects[0].value: is not of type float: write a number, such as 21.5"}},
		{"no type", "  - {path: /3303/0/1, value: 1, type: number}\n", []string{"4:39 objects[0].type: is none of string, integer, unsigned, float, boolean, opaque, time, objlnk, corelnk"}},
		{"two types", "  - {path: /9999/0/1, value: 1}\n  - {path: /9999/1/1, value: 1, type: string}\n", []string{"5:39 objects[1].type: is not that of the resource, which is float"}},
		{"a type of its own", "  - {path: /20001/0/2, value: 1, type: float}\n", []string{"4:40 objects[0].type: is not that of the resource, which is integer"}},
		{"out of range", "  - {path: /20001/0/2, value: 101}\n", []string{"4:31 objects[0].value: is not what the definition allows"}},
		{"not defined", "  - {path: /20001/0/9, value: 1}\n", []string{"4:12 objects[0].path: names a resource that the definition of the object 20001 does not have"}},
		{"executed", "  - {path: /20001/0/3, value: 1}\n", []string{"4:12 objects[0].path: names a resource that is executed, and has no value"}},
		{"not multiple", "  - {path: /20001/1/2, value: 1}\n", []string{"4:12 objects[0].path: names an instance that cannot be: the definition allows the instance 0 only (Multiple is not set)"}},
		{"multiple", "  - {path: /20001/0/4, value: x}\n", []string{"4:12 objects[0].path: names a resource that has several instances: name one, such as /20001/0/4/0"}},
		{"no instances", "  - {path: /20001/0/2/0, value: 1}\n", []string{"4:12 objects[0].path: names an instance of a resource that has none: use /20001/0/2"}},
		{"not to be written", "  - {path: /20001/0/2, value: 1, writable: true}\n", []string{"4:44 objects[0].writable: is more than the definition allows: leave it out"}},
		{"written here and not there", "  - {path: /3303/0/5700, value: 1, writable: true}\n  - {path: /3303/1/5700, file: /x}\n", []string{
			"5:12 objects[1].path: names a resource that objects[0] has as well, and only one of the two is writable: make it writable in all instances, or in none",
		}},
		{"a file that is written", "  - {path: /3303/0/5700, file: /x, writable: true}\n", []string{"4:46 objects[0].writable: is for a value: what a file or a command says cannot be written"}},
		{"a value that is scaled", "  - {path: /3303/0/5700, value: 1, scale: 2, every: 1s}\n", []string{
			"4:43 objects[0].scale: is for a file or a command: leave it out beside value", "4:53 objects[0].every: is for a file or a command: leave it out beside value",
		}},
		{"numbers", "  - {path: /3303/0/5700, file: /x, scale: 0, offset: x, every: 1ms}\n", []string{
			"4:43 objects[0].scale: is not a number other than 0, such as 0.001", "4:54 objects[0].offset: is not a number, such as -273.15",
			"4:64 objects[0].every: is not a duration from 100ms to 24h",
		}},
		{"a shell", "  - {path: /3303/0/5700, command: cat /x | tail}\n", []string{"4:35 objects[0].command: takes a list: [/usr/local/bin/read-sensor, argument]. There is no shell"}},
		{"an empty command", "  - {path: /3303/0/5700, command: []}\n", []string{"4:35 objects[0].command: takes a list: [/usr/local/bin/read-sensor, argument]. There is no shell"}},
		{"an empty word", "  - {path: /3303/0/5700, command: [/x, '']}\n", []string{"4:40 objects[0].command[1]: is empty"}},
		{"no file", "  - {path: /3303/0/5700, file: ''}\n", []string{"4:32 objects[0].file: is empty: name a file"}},
		{"no entry", "  - /3303/0/5700\n", []string{"4:5 objects[0]: is not an entry: write {path: /3303/0/5700, value: 21.5}"}},
		{"an alias", "  - {path: *p, value: &v 1}\n", []string{
			"4:12 objects[0].path: is an alias (*): write out what it stands for; a value that begins with * takes quotes",
			"4:23 objects[0].value: has an anchor (&): remove it; a value that begins with & takes quotes",
		}},
	} {
		got := loadFaults(t, "endpoint: g\ndefinitions: ["+xml+"]\nobjects:\n"+tc.entries)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

// The faults of definitions have the line of the file.
func TestFaultsOfDefinitions(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, content := range map[string]string{"a.xml": lampXML, "b.xml": lampXML, "wrong.xml": strings.Replace(lampXML, "<Type>Boolean", "<Type>Bool", 1)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for list, want := range map[string]string{
		"[a.xml, b.xml]":     "b.xml defines the object 20001, and so does ",
		"[a.xml, wrong.xml]": "wrong.xml:6: Object 20001, Item 1, Type",
		"[none.xml]":         "no such file",
	} {
		path := filepath.Join(folder, "gw.yaml")
		if err := os.WriteFile(path, []byte("endpoint: g\ndefinitions: "+list+"\nobjects: [{path: /20001/0/2, value: 1}]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Loader{Path: path, LookupEnv: noEnv}.Load()
		if got := faultsOf(err); len(got) != 1 || !strings.HasPrefix(got[0], keyDefinitions+": ") || !strings.Contains(got[0], want) {
			t.Errorf("%s: %q", list, got)
		}
	}
}

// Elsewhere than in a file a list is a text, and its faults have no lines.
func TestListsFromTheEnvironment(t *testing.T) {
	t.Parallel()
	_, err := inEnvironment(map[string]string{"HOLDFAST_ENDPOINT": "g", "HOLDFAST_OBJECTS": "[{path: /3303/0/5700, value: warm}, {path: /3303/0/5701}]"}).Load()
	list, _ := errors.AsType[*holdfast.ConfigError](err)
	if list == nil || len(list.Faults) != 2 || list.Faults[0].Key != "objects[0].value" || list.Faults[1].Key != "objects[1]" || list.Faults[0].Source != "HOLDFAST_OBJECTS" || list.Faults[1].Source != "HOLDFAST_OBJECTS" {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"[", "- a\n---\n- b", strings.Repeat("[", 2000), "{a: b}"} {
		_, err := inEnvironment(map[string]string{"HOLDFAST_ENDPOINT": "g", "HOLDFAST_OBJECTS": text}).Load()
		if got := faultsOf(err); len(got) != 1 || !strings.HasPrefix(got[0], "objects: ") {
			t.Errorf("%.20s: %q", text, got)
		}
	}
}

// Paths start from the folder of the file, and programs without a folder from nowhere.
func TestPathsOfObjects(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, "endpoint: g\ndevice: {reboot: [bin/reboot, now]}\nobjects:\n  - {path: /9/0/0, file: temp}\n  - {path: /9/0/1, command: [./read, x/y]}\n  - {path: /9/0/2, command: date}\n  - {path: /9/0/3, file: /abs}\n")
	f, err := Loader{Path: path, LookupEnv: noEnv}.Load()
	if err != nil {
		t.Fatal(err)
	}
	got := []string{f.Objects[0].File, f.Objects[1].Command[0], f.Objects[1].Command[1], f.Objects[2].Command[0], f.Objects[3].File, f.Gateway.Reboot[0]}
	want := []string{besides(path, "temp"), besides(path, "read"), "x/y", "date", "/abs", besides(path, "bin/reboot")}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A program beside a file that is named without a folder is still that program: a mere name
// would be looked up in PATH, where there may be another one.
func TestProgramsBesideAFileInTheWorkingDirectory(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ folder, program, want string }{
		"beside":      {".", "./install", "." + string(filepath.Separator) + "install"},
		"below":       {".", "bin/install", filepath.Join("bin", "install")},
		"above":       {".", "../install", filepath.Join("..", "install")},
		"back":        {"..", "./x/../install", filepath.Join("..", "install")},
		"mere name":   {".", "install", "install"},
		"another":     {"etc", "./install", filepath.Join("etc", "install")},
		"no folder":   {"", "./install", "./install"},
		"no argument": {".", "", ""},
	} {
		argv := []string{test.program}
		commandFrom(test.folder, argv)
		if argv[0] != test.want {
			t.Errorf("%s: %q, want %q", name, argv[0], test.want)
		}
	}
}

// A value that is writable is kept, and a definition with it. What is not asked for is not there.
func TestWritableObjects(t *testing.T) {
	t.Parallel()
	f := loaded(t, "objects:\n  - {path: /3306/0/5850, value: false, writable: true}\n  - {path: /3306/0/5851, value: 7, units: '%'}\n")
	o := f.Config.Objects[0].(*object.Values)
	if def := o.Definition(); !def.Multiple || def.Resources[1].Units() != "%" || len(f.Config.Objects) != 1 {
		t.Errorf("%+v", def)
	}
	commit, err := o.Write(t.Context(), object.Change{Resources: []lwm2m.Resource{{ID: 5850, Value: lwm2m.Boolean(true)}}})
	if err != nil || commit(t.Context()) != nil {
		t.Fatal(err)
	}
	if got, _, _ := read(t, f, "/3306/0/5850"); got.Value != lwm2m.Boolean(true) {
		t.Errorf("%v", got.Value)
	}
	if _, err := o.Write(t.Context(), object.Change{Resources: []lwm2m.Resource{{ID: 5851, Value: lwm2m.Integer(8)}}}); err == nil {
		t.Error("what is not writable was written")
	}
}

// A source that fails is told once, and so is that it works again. Servers get 5.00.
func TestSourcesThatFail(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, "endpoint: g\nobjects: [{path: /3303/0/5700, file: temp}]\n")
	var told []string
	f, err := Loader{Path: path, LookupEnv: noEnv, SourceFailed: func(p lwm2m.Path, err error) { told = append(told, fmt.Sprintf("%s %t", p, err != nil)) }}.Load()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, _, err := read(t, f, "/3303/0/5700")
		if refused, ok := errors.AsType[*object.Error](err); !ok || refused.Code != lwm2m.CodeInternalServerError || strings.Contains(refused.Detail, "temp") {
			t.Errorf("%v", err)
		}
	}
	for _, content := range []string{"21.5\n", "22\n", "warm\n", "23\n"} {
		if err := os.WriteFile(besides(path, "temp"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, _ = read(t, f, "/3303/0/5700")
	}
	if want := []string{"/3303/0/5700 true", "/3303/0/5700 false", "/3303/0/5700 true", "/3303/0/5700 false"}; !slices.Equal(told, want) {
		t.Errorf("%q", told)
	}
}

func TestHowOftenSourcesAreRead(t *testing.T) {
	t.Parallel()
	f := loaded(t, "objects:\n  - {path: /9/0/0, file: temp}\n  - {path: /9/0/1, command: date}\n  - {path: /9/0/2, command: date, every: 3s}\n  - {path: /9/0/3, value: 1}\n")
	for id, want := range map[uint16]time.Duration{0: DefaultFileEvery, 1: DefaultCommandEvery, 2: 3 * time.Second, 3: 0} {
		if got := f.Config.Objects[0].(object.Sampler).Sample(lwm2m.PathOf(9, 0, id)); got != want {
			t.Errorf("resource %d: %v", id, got)
		}
	}
}
