package codec_test

import (
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
)

// A Read-Composite and its answer.
func ExampleDecodePaths() {
	request := []byte(`[{"bn":"/3303/0/","n":"5700"},{"n":"5701"}]`)
	paths, err := codec.DecodePaths(lwm2m.FormatSenMLJSON, request, lwm2m.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(paths)
	answer, err := codec.EncodeComposite(lwm2m.FormatSenMLJSON, lwm2m.Payload{Nodes: []lwm2m.Node{
		{Path: paths[0], Value: lwm2m.Float(21.5)},
		{Path: paths[1], Value: lwm2m.String("Cel")},
	}})
	fmt.Println(string(answer), err)
	// Output:
	// [/3303/0/5700 /3303/0/5701]
	// [{"bn":"/","n":"3303/0/5700","v":21.5},{"n":"3303/0/5701","vs":"Cel"}] <nil>
}

// What is wrong with a payload is an error that names the place, and never the content.
func ExampleDecode() {
	registry := lwm2m.NewRegistry(lwm2m.ObjectDef{ID: 3303, Resources: []lwm2m.ResourceDef{{ID: 5700, Kind: lwm2m.KindFloat}}})
	target := lwm2m.PathOf(3303, 0, 5700)
	_, err := codec.Decode(lwm2m.FormatCBOR, target, []byte{0x61, 'x'}, registry, lwm2m.Limits{})
	fmt.Println(err)
	_, err = codec.Decode(lwm2m.FormatOpaque, target, []byte{1}, registry, lwm2m.Limits{})
	fmt.Println(err)
	// Output:
	// lwm2m: cbor, path /3303/0/5700: bad value: the item is no value of the resource's type
	// lwm2m: no write of /3303/0/5700 in content format 42
}
