package lwm2m

import "testing"

func TestParseArguments(t *testing.T) {
	for _, good := range []string{"", "0", "5", "0='10',2", "0,1,2,3,4,5,6,7,8,9", "1=''", "1='a,b=c!#&(~'"} {
		args, ok := ParseArguments([]byte(good))
		if !ok || args.String() != good {
			t.Errorf("%q became %q, %t", good, args, ok)
		}
	}
	for _, bad := range []string{
		"a", ",", "0,", "0,,1", "00", "0,0", "10", "0=", "0='", "0='x", "0=x", "0='x'y", "0=''1", "0='a b'",
		`0='"'`, `0='\'`, "0=' '", "0='\x7f'", "0='\xff'", "'", "-1", "0 ,1",
	} {
		if args, ok := ParseArguments([]byte(bad)); ok || args != nil {
			t.Errorf("%q became %q", bad, args)
		}
	}
}

func TestArgumentsValue(t *testing.T) {
	args, _ := ParseArguments([]byte("0='10',2,3=''"))
	for digit, want := range map[uint8]string{0: "10", 3: ""} {
		if v, found := args.Value(digit); !found || v != want {
			t.Errorf("%d has %q, %t", digit, v, found)
		}
	}
	for _, digit := range []uint8{1, 2} {
		if _, found := args.Value(digit); found {
			t.Errorf("%d has a value", digit)
		}
	}
}
