package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-iot/holdfast/cmd/holdfast/internal/console"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// manned is a server that somebody types commands at, and a client of it.
type manned struct {
	*process
	keys   io.WriteCloser
	client *process
}

// startManned starts both, and waits for the registration.
func startManned(t *testing.T) *manned {
	t.Helper()
	r, w := io.Pipe()
	server := startWith(t, r, "server", "--json", "--nosec", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0")
	server.until("listening")
	path := writeFile(t, "gw.yaml", fmt.Sprintf("endpoint: gw-0001\nstate_dir: %s\nlog: {level: disabled}\ndevice: {serial: s-1}\nbootstrap: {uri: %q, security: nosec}\n",
		t.TempDir(), server.until("listening")["uri"]))
	m := &manned{process: server, keys: w, client: start(t, "run", "--json", "--config", path)}
	m.until("register")
	return m
}

// types types a line and returns the answer.
func (m *manned) types(line string) map[string]any {
	m.t.Helper()
	if _, err := fmt.Fprintln(m.keys, line); err != nil {
		m.t.Fatal(err)
	}
	return m.until(console.TypeAnswer)
}

// The whole of it: what is typed at the server changes a real client, and is seen there. The end of the
// input is not the end of the server.
func TestServerTakesCommands(t *testing.T) {
	t.Parallel()
	m := startManned(t)
	for _, tc := range []struct {
		line, code string
		value      any
	}{
		{"read gw-0001 /3/0/0", "2.05", "Holdfast"},
		{"read gw /3/0/2 text", "2.05", "s-1"},
		{"read /1/0/1", "2.05", 86400.0},
		{"write /1/0/1 300", "2.04", nil},
		{"read /1/0/1 tlv", "2.05", 300.0},
		{"write /3/0/0 Other", "4.05", nil},
		{"read /9", "4.04", nil},
	} {
		got := m.types(tc.line)
		name, _, _ := strings.Cut(tc.line, " ")
		if got["command"] != name || got["endpoint"] != "gw-0001" || got["code"] != tc.code || got["value"] != tc.value {
			t.Errorf("%s: %v", tc.line, got)
		}
	}
	m.observes()
	links, _ := m.types("discover /3/0")["value"].([]any)
	if !slices.ContainsFunc(links, func(l any) bool { return reflect.DeepEqual(l, map[string]any{"path": "/3/0/2"}) }) {
		t.Errorf("discovered %v", links)
	}
	if got := m.types("raed /3"); got["command"] != "raed" || !strings.Contains(fmt.Sprint(got["error"]), "help") {
		t.Errorf("a mistake: %v", got)
	}
	if err := m.keys.Close(); err != nil {
		t.Error(err)
	}
	if exit := m.client.end(); exit != exitDone {
		t.Errorf("run: exit %d", exit)
	}
	m.until("deregister") // it is served without an input
	if exit := m.end(); exit != exitDone {
		t.Errorf("server: exit %d", exit)
	}
}

// observes has a value change while it is observed, and then while it is not any more.
func (m *manned) observes() {
	m.t.Helper()
	if got := m.types("observe /1/0/1 pmin=0"); got["code"] != "2.05" || got["value"] != 300.0 {
		m.t.Errorf("observed: %v", got)
	}
	if _, err := fmt.Fprintln(m.keys, "write /1/0/1 301"); err != nil {
		m.t.Fatal(err)
	}
	seen := m.untilAll(console.TypeAnswer, console.TypeNotification)
	if got := seen[console.TypeNotification]; got["command"] != "observe" || got["endpoint"] != "gw-0001" || got["path"] != "/1/0/1" || got["code"] != "2.05" || got["value"] != 301.0 {
		m.t.Errorf("notified: %v", got)
	}
	if got := m.types("cancel /1/0/1"); got["code"] != "2.05" || got["value"] != 301.0 {
		m.t.Errorf("cancelled: %v", got)
	}
}

func TestServerQuits(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer w.Close()
	m := &manned{keys: w, process: startWith(t, r, "server", "--json", "--nosec", "--listen", "127.0.0.1:0", "--bootstrap-listen", "127.0.0.1:0")}
	m.until("listening")
	m.types("quit")
	if exit := m.ends(); exit != exitDone {
		t.Errorf("exit %d", exit)
	}
}

// A line that is too long is one mistake, and the next one counts.
func TestReadLines(t *testing.T) {
	var got []string
	mistakes := 0
	long := strings.Repeat("x", 3*longestCommand)
	in := strings.NewReader("one\n" + long + "\ntwo\r\n\nthree")
	readLines(in, func(line string) { got = append(got, strings.TrimSpace(line)) }, func() { mistakes++ })
	if want := []string{"one", "two", "", "three"}; !slices.Equal(got, want) || mistakes != 1 {
		t.Errorf("lines %q, %d mistakes", got, mistakes)
	}
}

// What a directory defines is known beside LwM2M's own objects. A file that defines nothing is a
// warning, a directory that does a fault.
func TestDefinitions(t *testing.T) {
	const doorbell = `<LWM2M><Object ObjectType="MODefinition">
<Name>Doorbell</Name><ObjectID>33000</ObjectID><MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory>
<Resources>
<Item ID="1"><Name>Volume</Name><Operations>RW</Operations><MultipleInstances>Single</MultipleInstances>
<Mandatory>Mandatory</Mandatory><Type>Integer</Type><Units>dB</Units></Item>
</Resources></Object></LWM2M>`
	dir := filepath.Dir(writeFile(t, "33000.xml", doorbell))
	bad := strings.NewReplacer("33000", "33001", "Integer", "Number").Replace(doorbell)
	if err := os.WriteFile(filepath.Join(dir, "33001.xml"), []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	files := definedIn(dir)
	def, _ := files.registry.Resource(lwm2m.PathOf(33000, 0, 1))
	if len(files.errs) != 0 || def.Name != "Volume" || def.Units() != "dB" {
		t.Errorf("defined %+v, %v", def, files.errs)
	}
	if def, _ := files.registry.Resource(lwm2m.PathOf(3, 0, 0)); def.Name != "Manufacturer" {
		t.Errorf("the Device object has %+v", def)
	}
	if def, _ := definedIn("").registry.Resource(lwm2m.PathOf(4, 0, 2)); def.Units() != "dBm" {
		t.Errorf("Connectivity Monitoring has %+v", def)
	}
	if len(files.warnings) != 1 || !strings.Contains(files.warnings[0].Error(), "33001.xml:5: Object 33001") {
		t.Errorf("warnings %v", files.warnings)
	}
	got := invoke(t.Context(), "server", "--nosec", "--definitions", filepath.Join(dir, "none"))
	if got.exit != exitConfig || !strings.Contains(got.stderr, "none: *.xml: matches no file") {
		t.Errorf("%+v", got)
	}
}

func TestContractNamesEveryServerCommand(t *testing.T) {
	for _, name := range console.Commands() {
		wantNamed(t, "Commands", "`"+name)
	}
	for _, field := range fieldsOf(t, reflect.TypeFor[console.Answer]()) {
		wantNamed(t, "Commands", "`"+field+"`")
	}
	wantNamed(t, "Commands", "`"+console.TypeAnswer+"`", "`"+console.TypeNotification+"`", "`"+console.TypeWaiting+"`")
}
