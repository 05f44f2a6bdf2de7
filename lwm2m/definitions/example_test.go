package definitions_test

import (
	"fmt"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m/definitions"
)

func ExampleLoad() {
	const file = `<LWM2M><Object ObjectType="MODefinition">
<Name>Doorbell</Name><ObjectID>33000</ObjectID><MultipleInstances>Single</MultipleInstances><Mandatory>Optional</Mandatory>
<Resources>
<Item ID="1"><Name>Volume</Name><Operations>RW</Operations><MultipleInstances>Single</MultipleInstances>
<Mandatory>Mandatory</Mandatory><Type>Integer</Type><RangeEnumeration>0..11</RangeEnumeration><Units>dB</Units></Item>
</Resources></Object></LWM2M>`
	defs, _, err := definitions.Load("33000.xml", strings.NewReader(file))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range defs[0].Resources {
		fmt.Println(r.Name, r.Kind, r.Operations, r.Range, r.Units())
	}

	_, _, err = definitions.Load("33000.xml", strings.NewReader(strings.Replace(file, "Integer", "Number", 1)))
	fmt.Println(err)
	// Output:
	// Volume integer RW 0..11 dB
	// 33000.xml:5: Object 33000, Item 1, Type: is "Number"; it can be "", "Boolean", "Corelnk", "Float", "Integer", "Objlnk", "Opaque", "String", "Time", "Unsigned Integer"
}
