package definitions

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/internal/omatest"
	"github.com/holdfast-iot/holdfast/lwm2m"
)

// illFormed are the files of the registry that define no object.
var illFormed = []string{
	`10482.xml:101: Object 10482, Item 5, Type: is empty; what is not executed has a type`,
	`Common.xml:3: Object: has the ObjectType "CommonResources" instead of "MODefinition": it defines no object`,
	`DDF.xml:2: DDFList: is the outermost element, which is LWM2M in a definition; check that it is the right file`,
	`LWM2M_senml_units.xml:2: units: is the outermost element, which is LWM2M in a definition; check that it is the right file`,
}

// unbounded are the places of the registry whose ranges cannot be used.
var unbounded = []string{
	"1.xml:303", "10308.xml:117", "10309.xml:67", "19.xml:93", "19.xml:138", "20.xml:79", "20.xml:110", "20.xml:128",
	"2053.xml:109", "2053.xml:121", "2053.xml:133", "2053.xml:145", "27.xml:137", "27.xml:147", "27.xml:199", "27.xml:209",
	"3387.xml:107", "3418.xml:260",
}

func TestTheWholeRegistryLoads(t *testing.T) {
	defs, remarks, err := LoadFS(os.DirFS(omatest.Folder(t)), "*.xml")
	var faults Faults
	if err != nil && !errors.As(err, &faults) {
		t.Fatalf("an error of type %T", err)
	}
	var got []string
	for _, f := range faults {
		got = append(got, f.Error())
	}
	if diff := cmp.Diff(illFormed, got); diff != "" {
		t.Error(diff)
	}
	var places []string
	for _, r := range remarks {
		places = append(places, fmt.Sprintf("%s:%d", r.File, r.Line))
	}
	if diff := cmp.Diff(unbounded, places); diff != "" {
		t.Error(diff)
	}
	if len(defs) != 326 {
		t.Errorf("%d objects", len(defs))
	}
	registry := lwm2m.NewRegistry(defs...)
	temperature, found := registry.Object(3303)
	if !found || temperature.Name != "Temperature" || temperature.Version != "1.1" || !temperature.Multiple || len(temperature.Resources) != 12 {
		t.Errorf("object 3303 is %v", temperature)
	}
	for _, def := range defs {
		if !slices.IsSortedFunc(def.Resources, func(a, b lwm2m.ResourceDef) int { return int(a.ID) - int(b.ID) }) {
			t.Errorf("the resources of %d are not sorted", def.ID)
		}
	}
}
