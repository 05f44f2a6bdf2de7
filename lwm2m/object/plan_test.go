package object

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// inner is embedded by pointer, which is refused.
type inner struct {
	V int `lwm2m:"1,R"`
}

// locked has a lock, and is embedded.
type locked struct {
	Mu sync.Mutex
	V  int `lwm2m:"1,R"`
}

// refusal asks for the error that a type gets.
func refusal[T any](def lwm2m.ObjectDef) func() error {
	return func() error { _, err := Of[T](def); return err }
}

func TestOfNamesWhatIsWrong(t *testing.T) {
	def := lwm2m.ObjectDef{ID: 3303}
	defined := lwm2m.ObjectDef{ID: 3303, Resources: []lwm2m.ResourceDef{
		{ID: 1, Name: "One", Kind: lwm2m.KindInteger, Operations: lwm2m.OpRead, Mandatory: true},
		{ID: 2, Name: "Two", Kind: lwm2m.KindString, Operations: lwm2m.OpRead, Multiple: true},
	}}
	for _, tc := range []struct {
		name, field, reason string
		of                  func() error
	}{
		{"no struct", "", "no struct", refusal[int](def)},
		{"no tags", "", "no field", refusal[struct{ V int }](def)},
		{"no number", "V", `"x"`, refusal[struct {
			V int `lwm2m:"x,R"`
		}](def)},
		{"reserved", "V", `"65535"`, refusal[struct {
			V int `lwm2m:"65535,R"`
		}](def)},
		{"no operations", "V", "R, W, RW, E or -", refusal[struct {
			V int `lwm2m:"1"`
		}](def)},
		{"operations twice", "V", "twice", refusal[struct {
			V int `lwm2m:"1,R,W"`
		}](def)},
		{"option", "V", `"mandatry"`, refusal[struct {
			V int `lwm2m:"1,R,mandatry"`
		}](def)},
		{"option with a value", "V", `"mandatory=yes"`, refusal[struct {
			V int `lwm2m:"1,R,mandatory=yes"`
		}](def)},
		{"option without a value", "V", `"units"`, refusal[struct {
			V int `lwm2m:"1,R,units"`
		}](def)},
		{"range", "V", `"5"`, refusal[struct {
			V int `lwm2m:"1,R,range=5"`
		}](def)},
		{"range reversed", "V", `"5..1"`, refusal[struct {
			V int `lwm2m:"1,R,range=5..1"`
		}](def)},
		{"range NaN", "V", `"NaN..1"`, refusal[struct {
			V int `lwm2m:"1,R,range=NaN..1"`
		}](def)},
		{"range of a bool", "V", "none is possible for boolean", refusal[struct {
			V bool `lwm2m:"1,R,range=0..1"`
		}](def)},
		{"range of a link", "V", "none is possible for object link", refusal[struct {
			V Link `lwm2m:"1,R,range=0..1"`
		}](def)},
		{"range of what is executed", "V", "none is possible", refusal[struct {
			V func() `lwm2m:"1,E,range=0..1"`
		}](def)},
		{"fractional range of an integer", "V", "whole numbers", refusal[struct {
			V int `lwm2m:"1,R,range=0.5..9"`
		}](def)},
		{"endless range of an integer", "V", "whole numbers", refusal[struct {
			V int `lwm2m:"1,R,range=0..inf"`
		}](def)},
		{"fractional length", "V", "whole numbers", refusal[struct {
			V string `lwm2m:"1,R,range=0.5..9"`
		}](def)},
		{"negative length", "V", "negative", refusal[struct {
			V []byte `lwm2m:"1,R,range=-2..-1"`
		}](def)},
		{"kind", "V", `"float"`, refusal[struct {
			V int `lwm2m:"1,R,kind=float"`
		}](def)},
		{"kind of another type", "V", "no string", refusal[struct {
			V int `lwm2m:"1,R,kind=string"`
		}](def)},
		{"sample", "V", `"often"`, refusal[struct {
			V func() int `lwm2m:"1,R,sample=often"`
		}](def)},
		{"sample of a value", "V", "func", refusal[struct {
			V int `lwm2m:"1,R,sample=1s"`
		}](def)},
		{"kind of what is executed", "V", "no kind", refusal[struct {
			V func() `lwm2m:"1,E,kind=string"`
		}](def)},
		{"not exported", "v", "capital", refusal[struct {
			v int `lwm2m:"1,R"`
		}](def)},
		{"type", "V", "complex128", refusal[struct {
			V complex128 `lwm2m:"1,R"`
		}](def)},
		{"channel", "V", "chan int", refusal[struct {
			V chan int `lwm2m:"1,R"`
		}](def)},
		{"pointer to pointer", "V", "**int", refusal[struct {
			V **int `lwm2m:"1,R"`
		}](def)},
		{"list of lists", "V", "[][]int", refusal[struct {
			V [][]int `lwm2m:"1,R"`
		}](def)},
		{"map key", "V", "map[string]int", refusal[struct {
			V map[string]int `lwm2m:"1,R"`
		}](def)},
		{"duration", "V", "integer of seconds", refusal[struct {
			V time.Duration `lwm2m:"1,R"`
		}](def)},
		{"executed value", "V", "func()", refusal[struct {
			V int `lwm2m:"1,E"`
		}](def)},
		{"executed with a result", "V", "func() int", refusal[struct {
			V func() int `lwm2m:"1,E"`
		}](def)},
		{"read without a result", "V", "func()", refusal[struct {
			V func() `lwm2m:"1,R"`
		}](def)},
		{"read with an argument", "V", "func(int) int", refusal[struct {
			V func(int) int `lwm2m:"1,R"`
		}](def)},
		{"variadic", "V", "func(...context.Context) int", refusal[struct {
			V func(...context.Context) int `lwm2m:"1,R"`
		}](def)},
		{"computed and written", "V", "cannot be written", refusal[struct {
			V func() int `lwm2m:"1,RW"`
		}](def)},
		{"computed and never read", "V", "to be read", refusal[struct {
			V func() int `lwm2m:"1,-"`
		}](def)},
		{"twice", "W", "field V has the resource 1 too", refusal[struct {
			V int `lwm2m:"1,R"`
			W int `lwm2m:"1,R"`
		}](def)},
		{"embedded pointer", "inner", "embed the struct", refusal[struct{ *inner }](def)},
		{"lock", "mu", "lock", refusal[struct {
			mu sync.Mutex
			V  int `lwm2m:"1,R"`
		}](def)},
		{"lock in a struct", "state", "lock", refusal[struct {
			state struct{ mu sync.RWMutex }
			V     int `lwm2m:"1,R"`
		}](def)},
		{"locks in an array", "mu", "lock", refusal[struct {
			mu [2]sync.Mutex
			V  int `lwm2m:"1,R"`
		}](def)},
		{"lock that is left out", "Mu", "lock", refusal[struct {
			Mu sync.Mutex `lwm2m:"-"`
			V  int        `lwm2m:"1,R"`
		}](def)},
		{"atomic", "n", "lock", refusal[struct {
			n atomic.Int64
			V int `lwm2m:"1,R"`
		}](def)},
		{"wait group", "wg", "lock", refusal[struct {
			wg sync.WaitGroup
			V  int `lwm2m:"1,R"`
		}](def)},
		{"lock in an embedded struct", "locked.Mu", "lock", refusal[struct{ locked }](def)},
		{"capital tag", "W", "no effect", refusal[struct {
			V int `lwm2m:"1,R"`
			W int `LwM2M:"2,R"`
		}](def)},
		{"not in the definition", "V", "no resource 3", refusal[struct {
			V int `lwm2m:"3"`
		}](defined)},
		{"mandatory of the definition", "", "resource 1 (One)", refusal[struct {
			V []string `lwm2m:"2"`
		}](defined)},
		{"other operations", "V", "RW", refusal[struct {
			V int `lwm2m:"1,RW"`
		}](defined)},
		{"other kind", "V", "unsigned", refusal[struct {
			V int `lwm2m:"1,kind=unsigned"`
		}](defined)},
		{"other type", "V", "holds no integer", refusal[struct {
			V string `lwm2m:"1"`
		}](defined)},
		{"range of the definition", "V", "not for the tag", refusal[struct {
			V int `lwm2m:"1,range=1..2"`
		}](defined)},
		{"several for one", "V", "a single one", refusal[struct {
			V []int `lwm2m:"1"`
		}](defined)},
		{"one for several", "W", "several", refusal[struct {
			V int    `lwm2m:"1"`
			W string `lwm2m:"2"`
		}](defined)},
		{"object", "", "65534", refusal[inner](lwm2m.ObjectDef{ID: lwm2m.MaxID})},
		{"resource", "", "65534", refusal[inner](defining(lwm2m.ResourceDef{ID: lwm2m.MaxID, Kind: lwm2m.KindFloat}))},
		{"defined twice", "", "twice", refusal[inner](defining(defined.Resources[0], defined.Resources[0]))},
		{"defined without a kind", "", "no kind", refusal[inner](defining(lwm2m.ResourceDef{ID: 1}))},
		{"defined with a kind that is none", "", "not known", refusal[inner](defining(lwm2m.ResourceDef{ID: 1, Kind: lwm2m.KindCoreLink + 1}))},
		{"defined as executed, with a kind", "", "leave Kind out", refusal[inner](defining(lwm2m.ResourceDef{ID: 1, Kind: lwm2m.KindFloat, Operations: lwm2m.OpExecute}))},
		{"defined with a range of nothing", "", "resource 1", refusal[inner](defining(lwm2m.ResourceDef{ID: 1, Kind: lwm2m.KindBoolean, Range: lwm2m.Range{Max: 1}}))},
		{"defined as both", "", "executed", refusal[inner](defining(lwm2m.ResourceDef{ID: 1, Operations: lwm2m.OpExecute | lwm2m.OpRead}))},
	} {
		err := tc.of()
		var fault *DefinitionError
		if !errors.As(err, &fault) || fault.Field != tc.field || !strings.Contains(fault.Reason, tc.reason) || fault.Type == "" {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// Tags that reflect does not find are refused; what only mentions the word is none. The
// types are made at run time, because go vet refuses most of them.
func TestOfFindsTagsThatHaveNoEffect(t *testing.T) {
	number := reflect.TypeFor[int]()
	for tag, refused := range map[reflect.StructTag]bool{
		`lwm2m: "2,R"`:                true,
		`lwm2m:2,R`:                   true,
		`lwm2m="2,R"`:                 true,
		`json:"w",lwm2m:"2,R"`:        true,
		`json:"w" LWM2M:"2,R"`:        true,
		`json:"lwm2m" yaml:"lwm2m_w"`: false,
		`json:"w"`:                    false,
		`json:"w" lwm2m:"2,R"`:        false,
		`json:"lwm2m: w" lwm2m:"2,R"`: false,
		"json:\"w\"\nxlwm2m:\"2,R\"":  false,
	} {
		shape := reflect.StructOf([]reflect.StructField{
			{Name: "V", Type: number, Tag: `lwm2m:"1,R"`},
			{Name: "W", Type: number, Tag: tag},
		})
		_, err := planOf(shape, lwm2m.ObjectDef{ID: 3303})
		var fault *DefinitionError
		if errors.As(err, &fault) != refused || refused && (fault.Field != "W" || !strings.Contains(fault.Reason, "no effect")) {
			t.Errorf("%s: %v", tag, err)
		}
	}
}

// An option without its function is refused when the object is made, and not by a panic
// when a server writes.
func TestOfRefusesNilOptions(t *testing.T) {
	for name, option := range map[string]Option[few]{
		"nothing": nil, "write": OnWrite[few](nil), "create": OnCreate[few](nil), "delete": OnDelete[few](nil),
	} {
		var fault *DefinitionError
		if _, err := Of(lwm2m.ObjectDef{ID: 3303}, option); !errors.As(err, &fault) || !strings.Contains(fault.Reason, "option 0 is nil") {
			t.Errorf("%s: %v", name, err)
		}
	}
	v, err := NewValues(defining(lwm2m.ResourceDef{ID: 1, Kind: lwm2m.KindInteger, Operations: lwm2m.OpWrite}))
	if err != nil {
		t.Fatal(err)
	}
	v.OnWrite(nil)
	if err := v.Set(lwm2m.PathOf(1, 0, 1), lwm2m.Integer(1)); err != nil {
		t.Fatal(err)
	}
	commit, err := v.Write(t.Context(), Change{Resources: []lwm2m.Resource{{ID: 1, Value: lwm2m.Integer(2)}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := commit(t.Context()); err != nil {
		t.Error(err)
	}
}

// few is a struct that an object can be made of.
type few struct {
	V int `lwm2m:"1,RW"`
}

func defining(resources ...lwm2m.ResourceDef) lwm2m.ObjectDef {
	return lwm2m.ObjectDef{ID: 1, Resources: resources}
}

func TestOfGivenADefinition(t *testing.T) {
	type few struct {
		One  uint8                                  `lwm2m:"1"`
		Do   func()                                 `lwm2m:"3,E"`
		Read func(context.Context) (*string, error) `lwm2m:"4"`
		Out  string                                 `lwm2m:"-"`
	}
	def := defining(
		lwm2m.ResourceDef{ID: 4, Name: "Four", Kind: lwm2m.KindCoreLink, Operations: lwm2m.OpRead},
		lwm2m.ResourceDef{ID: 1, Name: "One", Kind: lwm2m.KindInteger, Operations: lwm2m.OpRead, Range: lwm2m.Range{Min: 1, Max: 1000}},
		lwm2m.ResourceDef{ID: 2, Name: "Two", Kind: lwm2m.KindString, Operations: lwm2m.OpRead},
		lwm2m.ResourceDef{ID: 3, Name: "Three", Operations: lwm2m.OpExecute},
	)
	object, err := Of[few](def)
	if err != nil {
		t.Fatal(err)
	}
	got := object.Definition().Resources
	if len(got) != 3 || got[0].Name != "One" || got[0].Kind != lwm2m.KindInteger || got[1].ID != 3 || got[2].Kind != lwm2m.KindCoreLink {
		t.Errorf("got %v", got)
	}
	if _, err := object.Add(0, few{One: 0}); err == nil {
		t.Error("the range of the definition does not count")
	}
}

func TestMandatoryResourcesAreThere(t *testing.T) {
	type strict struct {
		V *int   `lwm2m:"1,R,mandatory"`
		F func() `lwm2m:"2,E,mandatory"`
	}
	object, err := Of[strict](lwm2m.ObjectDef{ID: 5})
	if err != nil {
		t.Fatal(err)
	}
	var fault *ValueError
	if _, err := object.Add(0, strict{F: func() {}}); !errors.As(err, &fault) || fault.Reason != ValueMissing || fault.Path != lwm2m.PathOf(5, 0, 1) {
		t.Error(err)
	}
	if _, err := object.Add(0, strict{V: new(1)}); !errors.As(err, &fault) || fault.Path != lwm2m.PathOf(5, 0, 2) || fault.Name != "F" {
		t.Error(err)
	}
	if _, err := object.Add(0, strict{V: new(1), F: func() {}}); err != nil {
		t.Error(err)
	}
}
