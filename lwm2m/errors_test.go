package lwm2m

import (
	"fmt"
	"testing"
)

func TestErrorTexts(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&PathError{Path: "/a", Reason: PathNotNumeric}, `lwm2m: path "/a" has a segment that is not a plain decimal number`},
		{&DecodeError{Format: "tlv", Offset: 4, Path: PathOf(3, 0), Reason: ReasonDuplicate, Detail: "ID given twice"},
			"lwm2m: tlv at 4, path /3/0: duplicate: ID given twice"},
		{&DecodeError{Format: "tlv", Offset: -1, Reason: ReasonLimit, Detail: "input too long"},
			"lwm2m: tlv, path /: limit exceeded: input too long"},
		{&EncodeError{Format: "tlv", Path: PathOf(3), Reason: ReasonPath, Detail: "reserved ID 65535"},
			"lwm2m: encode tlv, path /3: bad path: reserved ID 65535"},
		{&ConvertError{From: KindFloat, To: KindInteger}, "lwm2m: this float is not a valid integer"},
		{&RangeError{Resource: 9, Name: "Battery Level", Kind: KindInteger, Got: KindInteger, Range: Range{0, 100}},
			"lwm2m: resource 9 (Battery Level) is outside 0..100"},
		{&RangeError{Resource: 9, Name: "Battery Level", Kind: KindInteger, Got: KindString},
			"lwm2m: resource 9 (Battery Level) is integer, got string"},
	} {
		if tc.err.Error() != tc.want {
			t.Errorf("got %s\nwant %s", tc.err, tc.want)
		}
	}
	if got := fmt.Sprintf("%#v", Integer(5)); got != "lwm2m.Value(integer 5)" {
		t.Errorf("%%#v gives %s", got)
	}
}
