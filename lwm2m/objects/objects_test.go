package objects

import (
	"math"
	"slices"
	"testing"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

func TestCoreIsComplete(t *testing.T) {
	reg := Core()
	for _, tc := range []struct {
		id        uint16
		version   string
		last      uint16
		multiple  bool
		optional  bool
		mandatory []uint16
	}{
		{Security, "1.2", 30, true, false, []uint16{0, 1, 2, 3, 4, 5}},
		{Server, "1.2", 27, true, false, []uint16{0, 1, 6, 7, 8}},
		{AccessControl, "1.1", 3, true, true, []uint16{0, 1, 3}},
		{Device, "1.2", 22, false, false, []uint16{4, 11, 16}},
	} {
		o, found := reg.Object(tc.id)
		if !found || o.ID != tc.id || o.Multiple != tc.multiple || o.Mandatory == tc.optional || o.Version != tc.version {
			t.Fatalf("object %d: %+v", tc.id, o)
		}
		var mandatory []uint16
		for i, r := range o.Resources {
			if r.ID != uint16(i) || r.Name == "" {
				t.Errorf("/%d/x/%d stands at place %d", tc.id, r.ID, i)
			}
			if r.Mandatory {
				mandatory = append(mandatory, r.ID)
			}
		}
		if len(o.Resources) != int(tc.last)+1 || !slices.Equal(mandatory, tc.mandatory) {
			t.Errorf("object %d: %d resources, mandatory %v", tc.id, len(o.Resources), mandatory)
		}
	}
}

// The objects that a client may have beside those.
func TestOthersAreComplete(t *testing.T) {
	for _, tc := range []struct {
		def       lwm2m.ObjectDef
		id        uint16
		version   string
		multiple  bool
		ids       []uint16
		mandatory []uint16
	}{
		{ConnectivityMonitoringDef(), 4, "1.3", false, []uint16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, []uint16{0, 1, 2, 4}},
		{FirmwareUpdateDef(), 5, "1.2", false, []uint16{0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13}, []uint16{0, 1, 2, 3, 5, 9}},
		{LocationDef(), 6, "1.0", false, []uint16{0, 1, 2, 3, 4, 5, 6}, []uint16{0, 1, 5}},
		{ConnectivityStatisticsDef(), 7, "1.0", false, []uint16{0, 1, 2, 3, 4, 5, 6, 7, 8}, []uint16{6, 7}},
		{SoftwareComponentDef(), 14, "1.0", true, []uint16{0, 1, 2, 3, 4, 5}, nil},
		{ManifestDef(), 10252, "1.0", false, []uint16{1, 2, 3, 4, 5, 6, 7, 8, 9}, []uint16{1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{DeviceMetadataDef(), 10255, "1.0", false, []uint16{0, 1, 2, 3, 4, 5}, []uint16{0, 1, 2, 3, 4, 5}},
		{CertificateEnrolmentDef(), 35011, "1.0", false, []uint16{27002}, []uint16{27002}},
	} {
		d := tc.def
		var ids, mandatory []uint16
		for _, r := range d.Resources {
			ids = append(ids, r.ID)
			if r.Name == "" || r.RangeFault() != "" {
				t.Errorf("/%d/x/%d: %+v", d.ID, r.ID, r)
			}
			if r.Mandatory {
				mandatory = append(mandatory, r.ID)
			}
		}
		if d.ID != tc.id || d.Version != tc.version || d.Multiple != tc.multiple || d.Mandatory || !slices.Equal(ids, tc.ids) || !slices.Equal(mandatory, tc.mandatory) {
			t.Errorf("%+v", d)
		}
		if got, found := Registry().Object(tc.id); !found || got.Name != d.Name {
			t.Errorf("the registry has %+v for %d", got, tc.id)
		}
		if _, found := Core().Object(tc.id); found {
			t.Errorf("every client has %d", tc.id)
		}
	}
}

// The values that a server is told during an update, and what it may write and execute.
func TestFirmwareDefinitions(t *testing.T) {
	integer := func(first, last int64) lwm2m.ResourceDef {
		return lwm2m.ResourceDef{Kind: lwm2m.KindInteger, Operations: lwm2m.OpRead, Mandatory: true, Range: lwm2m.Range{Min: first, Max: last}}
	}
	for path, want := range map[lwm2m.Path]lwm2m.ResourceDef{
		lwm2m.PathOf(5, 0, 0):     {Kind: lwm2m.KindOpaque, Operations: lwm2m.OpWrite, Mandatory: true},
		lwm2m.PathOf(5, 0, 1):     {Kind: lwm2m.KindString, Operations: lwm2m.OpRead | lwm2m.OpWrite, Mandatory: true, Range: lwm2m.Range{Max: 255}},
		lwm2m.PathOf(5, 0, 2):     {Kind: lwm2m.KindNone, Operations: lwm2m.OpExecute, Mandatory: true},
		lwm2m.PathOf(5, 0, 3):     integer(0, 3),
		lwm2m.PathOf(5, 0, 5):     integer(0, 11),
		lwm2m.PathOf(5, 0, 8):     {Kind: lwm2m.KindInteger, Operations: lwm2m.OpRead, Multiple: true, Range: lwm2m.Range{Max: 5}},
		lwm2m.PathOf(5, 0, 13):    {Kind: lwm2m.KindUnsigned, Operations: lwm2m.OpRead | lwm2m.OpWrite, Details: seconds},
		lwm2m.PathOf(10252, 0, 1): {Kind: lwm2m.KindOpaque, Operations: lwm2m.OpWrite, Mandatory: true},
		lwm2m.PathOf(10252, 0, 2): integer(-1, 8),
		lwm2m.PathOf(10252, 0, 3): integer(-1, 512),
		lwm2m.PathOf(10252, 0, 9): {Kind: lwm2m.KindNone, Operations: lwm2m.OpExecute, Mandatory: true},
		lwm2m.PathOf(10255, 0, 3): {Kind: lwm2m.KindString, Operations: lwm2m.OpRead, Mandatory: true},
		lwm2m.PathOf(14, 0, 2):    {Kind: lwm2m.KindString, Operations: lwm2m.OpRead, Range: lwm2m.Range{Max: 255}},
	} {
		got, _ := Registry().Resource(path)
		want.ID, want.Name = got.ID, got.Name
		if got != want || got.ID != path.Resource() {
			t.Errorf("%s:\n got %+v\nwant %+v", path, got, want)
		}
	}
}

func TestExecutablesHaveNoType(t *testing.T) {
	for _, d := range []lwm2m.ObjectDef{
		SecurityDef(), ServerDef(), AccessControlDef(), DeviceDef(), ConnectivityMonitoringDef(), LocationDef(), ConnectivityStatisticsDef(),
		FirmwareUpdateDef(), SoftwareComponentDef(), ManifestDef(), DeviceMetadataDef(),
	} {
		for _, r := range d.Resources {
			if (r.Operations == lwm2m.OpExecute) != (r.Kind == lwm2m.KindNone) {
				t.Errorf("/%d/x/%d: %v, %v", d.ID, r.ID, r.Operations, r.Kind)
			}
			if d.ID == Security && r.Operations != 0 {
				t.Errorf("/0/x/%d is open to management servers", r.ID)
			}
		}
	}
}

// A sample across kinds, operations, multiplicity and ranges.
func TestDefinitions(t *testing.T) {
	for _, want := range []struct {
		object uint16
		lwm2m.ResourceDef
	}{
		{Security, lwm2m.ResourceDef{ID: 2, Name: "Security Mode", Kind: lwm2m.KindInteger, Mandatory: true, Range: lwm2m.Range{Max: 4}}},
		{Security, lwm2m.ResourceDef{ID: 8, Name: "SMS Binding Secret Key(s)", Kind: lwm2m.KindOpaque, Range: lwm2m.Range{Min: 16, Max: 48}}},
		{Security, lwm2m.ResourceDef{ID: 16, Name: "DTLS/TLS Ciphersuite", Kind: lwm2m.KindUnsigned, Multiple: true}},
		{Server, lwm2m.ResourceDef{ID: 12, Name: "Last Bootstrapped", Kind: lwm2m.KindTime, Operations: lwm2m.OpRead}},
		{Server, lwm2m.ResourceDef{ID: 23, Name: "Mute Send", Kind: lwm2m.KindBoolean, Operations: lwm2m.OpRead | lwm2m.OpWrite}},
		{AccessControl, lwm2m.ResourceDef{ID: 1, Name: "Object Instance ID", Kind: lwm2m.KindInteger, Operations: lwm2m.OpRead, Mandatory: true, Range: lwm2m.Range{Max: 65535}}},
		{AccessControl, lwm2m.ResourceDef{ID: 2, Name: "ACL", Kind: lwm2m.KindInteger, Operations: lwm2m.OpRead | lwm2m.OpWrite, Multiple: true, Range: lwm2m.Range{Max: 65535}}},
		{Device, lwm2m.ResourceDef{ID: 11, Name: "Error Code", Kind: lwm2m.KindInteger, Operations: lwm2m.OpRead, Multiple: true, Mandatory: true, Range: lwm2m.Range{Max: 32}}},
		{Device, lwm2m.ResourceDef{ID: 22, Name: "ExtDevInfo", Kind: lwm2m.KindObjectLink, Operations: lwm2m.OpRead, Multiple: true}},
	} {
		got, _ := Core().Resource(lwm2m.PathOf(want.object, 0, want.ID))
		if got != want.ResourceDef {
			t.Errorf("/%d/x/%d:\n got %+v\nwant %+v", want.object, want.ID, got, want.ResourceDef)
		}
	}
}

// No time may be negative.
func TestTimesAreNotNegative(t *testing.T) {
	for object, ids := range map[uint16][]uint16{Security: {11, 12}, Server: {1, 2, 3, 5}} {
		for _, id := range ids {
			def, _ := Core().Resource(lwm2m.PathOf(object, 0, id))
			for n, ok := range map[int64]bool{math.MinInt64: false, -1: false, 0: true, math.MaxInt64: true} {
				if err := def.Check(lwm2m.Integer(n)); (err == nil) != ok {
					t.Errorf("/%d/x/%d = %d: %v", object, id, n, err)
				}
			}
		}
	}
}

// Who reads a value reads its unit.
func TestUnits(t *testing.T) {
	for path, want := range map[lwm2m.Path]string{
		lwm2m.PathOf(Device, 0, DeviceBatteryLevel): "%", lwm2m.PathOf(Device, 0, DeviceMemoryFree): "kB", lwm2m.PathOf(Server, 1, ServerLifetime): "s",
		lwm2m.PathOf(ConnectivityMonitoring, 0, ConnectivityRadioSignalStrength): "dBm", lwm2m.PathOf(ConnectivityStatistics, 0, StatisticsTxData): "kB",
		lwm2m.PathOf(Location, 0, LocationLatitude): "deg", lwm2m.PathOf(Device, 0, DeviceManufacturer): "",
	} {
		if def, known := Registry().Resource(path); !known || def.Units() != want {
			t.Errorf("%s is in %q, want %q", path, def.Units(), want)
		}
	}
}

func TestReusable(t *testing.T) {
	all := Reusables()
	if !slices.IsSortedFunc(all, func(a, b lwm2m.ResourceDef) int { return int(a.ID) - int(b.ID) }) || len(all) < 100 {
		t.Errorf("%d resources, or in no order", len(all))
	}
	for _, want := range all {
		if got, found := Reusable(want.ID); !found || got != want || got.Name == "" || got.ID < 5500 || got.ID > 5999 {
			t.Errorf("%d is %+v", want.ID, got)
		}
	}
	if def, _ := Reusable(5700); def.Kind != lwm2m.KindFloat || def.Name != "Sensor Value" {
		t.Errorf("5700 is %+v", def)
	}
	if _, found := Reusable(5499); found {
		t.Error("5499 is found")
	}
}
