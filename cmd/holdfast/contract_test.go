package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast"
)

// contract returns a section of docs/contract.md.
func contract(t *testing.T, section string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "contract.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(page), "\n## "+section+"\n")
	if !found {
		t.Fatalf("docs/contract.md has no section %s", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// wantNamed fails the test unless the section names all of them.
func wantNamed(t *testing.T, section string, names ...string) {
	t.Helper()
	text := contract(t, section)
	for _, name := range names {
		if !strings.Contains(text, name) {
			t.Errorf("docs/contract.md, %s, does not name %s", section, name)
		}
	}
}

func TestContractNamesEveryCommand(t *testing.T) {
	for _, c := range commands() {
		wantNamed(t, "Commands", "`holdfast "+c.name)
	}
	for _, action := range ctlActions {
		wantNamed(t, "Commands", "`"+action+"`")
	}
	for _, code := range []int{exitDone, exitFailed, exitUsage, exitConfig} {
		wantNamed(t, "Exit codes", fmt.Sprintf("| %d |", code))
	}
}

func TestContractNamesEveryFlag(t *testing.T) {
	for _, c := range commands() {
		if c.name == "run" {
			continue // its further flags are the keys of the configuration
		}
		for _, name := range flagsOf(c) {
			wantNamed(t, "Commands", "--"+name)
		}
	}
}

// flagsOf returns the flags that a command's help shows.
func flagsOf(c command) (names []string) {
	var help strings.Builder
	p := &program{ctx: context.Background(), stdout: &help, stderr: io.Discard, lookupEnv: func(string) (string, bool) { return "", false }}
	args := []string{"-h"}
	if c.name == "ctl" {
		args = []string{"status", "-h"}
	}
	c.run(p, args)
	for line := range strings.Lines(help.String()) {
		if rest, ok := strings.CutPrefix(line, "  -"); ok {
			name, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			name, _, _ = strings.Cut(name, "\t")
			names = append(names, name)
		}
	}
	return names
}

// The keys are those that run has flags for, and the pre-shared key, for which
// there is none.
func TestContractNamesEveryKey(t *testing.T) {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	overrideFlags(fs)
	text, keys := contract(t, "Configuration"), 0
	fs.VisitAll(func(f *flag.Flag) {
		keys++
		key, _ := flag.UnquoteUsage(f)
		section, name, _ := strings.Cut(key, ".")
		switch {
		case section == "firmware":
			name, download := strings.CutPrefix(name, "download.")
			if download {
				wantNamed(t, "Configuration", "`download.*`")
			}
			wantNamed(t, "Configuration", "`firmware.*`", "`"+name+"`")
		case section == "bootstrap" || section == "server":
			wantNamed(t, "Configuration", "`"+section+".*`", "`"+name+"`")
		case !strings.Contains(text, "`"+key+"`") && !(strings.Contains(text, "`"+section+".") && strings.Contains(text, "`."+name+"`")):
			t.Errorf("docs/contract.md, Configuration, does not name %s", key)
		}
	})
	wantNamed(t, "Configuration", "`psk_key`")
	if keys < 30 {
		t.Errorf("%d keys: are these all?", keys)
	}
}

func TestContractNamesEveryFieldOfAnEvent(t *testing.T) {
	// An event of an update has fields that the others have not.
	data, err := json.Marshal(holdfast.Event{Type: holdfast.EventFirmware, Firmware: &holdfast.FirmwareProgress{Object: 5, Total: 1, Asks: "install"}})
	var update map[string]any
	if err == nil {
		err = json.Unmarshal(data, &update)
	}
	if err != nil || len(update) < 10 {
		t.Fatalf("%s: %v", data, err)
	}
	for _, field := range slices.AppendSeq(fieldsOf(t, reflect.TypeFor[holdfast.Event]()), maps.Keys(update)) {
		wantNamed(t, "Events", "`"+field+"`")
	}
}

func TestContractNamesEveryFieldOfAnExplanation(t *testing.T) {
	events := fieldsOf(t, reflect.TypeFor[holdfast.Event]())
	for _, field := range fieldsOf(t, reflect.TypeFor[holdfast.Explanation]()) {
		if !slices.Contains(events, field) {
			wantNamed(t, "Control API", "`"+field+"`")
		}
	}
}

func TestContractNamesEveryTypeStateAndAction(t *testing.T) {
	for _, name := range []any{
		holdfast.EventState, holdfast.EventError, holdfast.EventBootstrapped, holdfast.EventRegistered,
		holdfast.EventRegistrationUpdated, holdfast.EventUnregistered, holdfast.EventDegraded,
		holdfast.EventDisabled, holdfast.EventAwake, holdfast.EventAsleep, holdfast.EventFirmware,
		holdfast.Starting, holdfast.Resolving, holdfast.Connecting, holdfast.Bootstrapping, holdfast.Registering,
		holdfast.Registered, holdfast.Waiting, holdfast.Paused, holdfast.Stopping, holdfast.Stopped,
	} {
		wantNamed(t, "Events", fmt.Sprintf("`%v`", name))
	}
}

// fieldsOf returns the names that the JSON form of a type has, at every depth.
func fieldsOf(t *testing.T, of reflect.Type) []string {
	t.Helper()
	value := reflect.New(of).Elem()
	fill(value, 0)
	data, err := json.Marshal(value.Interface())
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	collect(tree, names)
	if len(names) < 5 {
		t.Fatalf("%s has the fields %v only", of, names)
	}
	return slices.Sorted(func(yield func(string) bool) {
		for name := range names {
			if !yield(name) {
				return
			}
		}
	})
}

// fill gives everything that can be set a value that is not zero.
func fill(v reflect.Value, depth int) {
	const deepest = 6 // an explanation holds connections, those hold events
	if !v.CanSet() || depth > deepest {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(2)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(2)
	}
}

func collect(tree any, names map[string]bool) {
	switch tree := tree.(type) {
	case map[string]any:
		for name, value := range tree {
			names[name] = true
			collect(value, names)
		}
	case []any:
		for _, value := range tree {
			collect(value, names)
		}
	}
}
