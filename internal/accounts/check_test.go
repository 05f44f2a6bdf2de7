package accounts

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/internal/validity"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// goodTree has the bootstrap account at /0/0, a PSK account 1 at /0/1 and
// /1/0, and an X.509 account 2 at /0/2 and /1/1.
func goodTree(t *testing.T, set *testpki.Set) *lwm2m.Tree {
	return ToTree([]messages.Account{bootstrapAccount(t), pskAccount(t, messages.ManagementPeer(1)), x509Account(t, messages.ManagementPeer(2), set)})
}

func TestCheckAccepts(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	for name, change := range map[string]func(*lwm2m.Tree){
		"as it is":                            func(*lwm2m.Tree) {},
		"no bootstrap account":                func(tree *lwm2m.Tree) { tree.DeleteInstance(0, 0) },
		"stray Server instance":               func(tree *lwm2m.Tree) { put(tree, "/1/7/0", lwm2m.Integer(77)) },
		"lifetime 0 is infinite":              func(tree *lwm2m.Tree) { put(tree, "/1/0/1", lwm2m.Integer(0)) },
		"URI with 55 segments":                func(tree *lwm2m.Tree) { put(tree, "/0/1/0", lwm2m.String("coaps://h"+strings.Repeat("/a", 55))) },
		"bootstrap, 59 segments":              func(tree *lwm2m.Tree) { put(tree, "/0/0/0", lwm2m.String("coaps://h"+strings.Repeat("/a", 59))) },
		"lifetime 1":                          func(tree *lwm2m.Tree) { put(tree, "/1/0/1", lwm2m.Integer(1)) },
		"short server ID 65534":               func(tree *lwm2m.Tree) { renameAccount(tree, 65534) },
		"identity of 128 bytes":               func(tree *lwm2m.Tree) { put(tree, "/0/1/3", opaque(128)) },
		"key of 64 bytes":                     func(tree *lwm2m.Tree) { put(tree, "/0/1/5", opaque(64)) },
		"usage 3":                             func(tree *lwm2m.Tree) { put(tree, "/0/2/15", lwm2m.Unsigned(3)) },
		"usage absent is 3":                   func(tree *lwm2m.Tree) { drop(tree, "/0/2/15") },
		"matching type exact":                 func(tree *lwm2m.Tree) { put(tree, "/0/2/13", lwm2m.Unsigned(0)) },
		"the own certificate is enrolled for": enrolling("/0/1", set),
		"SSID of bootstrap is odd":            func(tree *lwm2m.Tree) { put(tree, "/0/0/10", lwm2m.Integer(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			tree := goodTree(t, set)
			change(tree)
			if err := Check(tree); err != nil {
				t.Error(err)
			}
		})
	}
}

// enrolling has an account ask for enrolment.
func enrolling(instance string, set *testpki.Set) func(*lwm2m.Tree) {
	return func(tree *lwm2m.Tree) {
		put(tree, instance+"/2", lwm2m.Integer(4))
		put(tree, instance+"/4", lwm2m.Opaque(set.Server.Cert.Raw))
	}
}

func opaque(n int) lwm2m.Value { return lwm2m.Opaque([]byte(strings.Repeat("x", n))) }

func renameAccount(tree *lwm2m.Tree, id int64) {
	put(tree, "/0/1/10", lwm2m.Integer(id))
	put(tree, "/1/0/0", lwm2m.Integer(id))
}

// One line for every rule of a Bootstrap-Finish (LwM2M Core section 6.1.6).
func TestCheckRefuses(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	str, num, uns := lwm2m.String, lwm2m.Integer, lwm2m.Unsigned
	set1 := func(path string, v lwm2m.Value) func(*lwm2m.Tree) {
		return func(tree *lwm2m.Tree) { put(tree, path, v) }
	}
	without := func(path string) func(*lwm2m.Tree) { return func(tree *lwm2m.Tree) { drop(tree, path) } }
	otherKey, err := set.ClientOtherCA.KeyDER()
	if err != nil {
		t.Fatal(err)
	}
	long := mustRepeat(set.CA.Cert.Raw, maxCertificates+1)
	for _, c := range []struct {
		name   string
		change func(*lwm2m.Tree)
		path   string
		reason Reason
	}{
		{"URI absent", without("/0/1/0"), "/0/1/0", ReasonMissing},
		{"kind absent", without("/0/1/1"), "/0/1/1", ReasonMissing},
		{"mode absent", without("/0/1/2"), "/0/1/2", ReasonMissing},
		{"URI absent from bootstrap", without("/0/0/0"), "/0/0/0", ReasonMissing},
		{"URI of wrong type", set1("/0/1/0", lwm2m.Opaque([]byte("coap://h"))), "/0/1/0", ReasonType},
		{"URI empty", set1("/0/1/0", str("")), "/0/1/0", ReasonEmpty},
		{"URI garbage", set1("/0/1/0", str(`coaps:\\host`)), "/0/1/0", ReasonURI},
		{"URI http", set1("/0/1/0", str("http://host")), "/0/1/0", ReasonURI},
		{"URI with 56 segments", set1("/0/1/0", str("coaps://h"+strings.Repeat("/a", 56))), "/0/1/0", ReasonURIRoom},
		{"URI with 56 arguments", set1("/0/1/0", str("coaps://h?a"+strings.Repeat("&a", 55))), "/0/1/0", ReasonURIRoom},
		{"bootstrap URI with 60 segments", set1("/0/0/0", str("coaps://h"+strings.Repeat("/a", 60))), "/0/0/0", ReasonURIRoom},
		{"coap with a key", set1("/0/1/0", str("coap://host")), "/0/1/0", ReasonScheme},
		{"coaps without", set1("/0/1/2", num(3)), "/0/1/0", ReasonScheme},
		{"raw public key that is none", set1("/0/1/2", num(1)), "/0/1/3", ReasonPublicKey},
		{"EST without the server's certificate", set1("/0/1/2", num(4)), "/0/1/4", ReasonEmpty},
		{"EST for the bootstrap server", enrolling("/0/0", set), "/0/0/2", ReasonEST},
		{"mode unknown", set1("/0/1/2", num(5)), "/0/1/2", ReasonMode},
		{"mode negative", set1("/0/1/2", num(-1)), "/0/1/2", ReasonMode},

		{"SSID absent", without("/0/1/10"), "/0/1/10", ReasonMissing},
		{"SSID 0", func(tree *lwm2m.Tree) { renameAccount(tree, 0) }, "/0/1/10", ReasonRange},
		{"SSID 65535", func(tree *lwm2m.Tree) { renameAccount(tree, 65535) }, "/0/1/10", ReasonRange},
		{"SSID 65537 is not 1", func(tree *lwm2m.Tree) { renameAccount(tree, 65537) }, "/0/1/10", ReasonRange},
		{"SSID twice", set1("/0/2/10", num(1)), "/0/2/10", ReasonDuplicate},
		{"second bootstrap account", set1("/0/1/1", lwm2m.Boolean(true)), "/0/1/1", ReasonSecondBootstrap},
		{"no Server instance", func(tree *lwm2m.Tree) { tree.DeleteInstance(1, 0) }, "/0/1/10", ReasonNoServer},
		{"two Server instances", set1("/1/1/0", num(1)), "/1/1/0", ReasonDuplicate},
		{"lifetime absent", without("/1/0/1"), "/1/0/1", ReasonMissing},
		{"lifetime negative", set1("/1/0/1", num(-1)), "/1/0/1", ReasonRange},
		{"storing absent", without("/1/0/6"), "/1/0/6", ReasonMissing},
		{"binding absent", without("/1/0/7"), "/1/0/7", ReasonMissing},
		{"hold-off negative", set1("/0/0/11", num(-1)), "/0/0/11", ReasonRange},

		{"identity absent", without("/0/1/3"), "/0/1/3", ReasonMissing},
		{"identity empty", set1("/0/1/3", opaque(0)), "/0/1/3", ReasonEmpty},
		{"identity too long", set1("/0/1/3", opaque(129)), "/0/1/3", ReasonTooLong},
		{"identity not UTF-8", set1("/0/1/3", lwm2m.Opaque([]byte{0xff})), "/0/1/3", ReasonUTF8},
		{"key absent", without("/0/1/5"), "/0/1/5", ReasonMissing},
		{"key empty", set1("/0/1/5", opaque(0)), "/0/1/5", ReasonEmpty},
		{"key too long", set1("/0/1/5", opaque(65)), "/0/1/5", ReasonTooLong},

		{"certificate empty", set1("/0/2/3", opaque(0)), "/0/2/3", ReasonEmpty},
		{"certificate garbage", set1("/0/2/3", opaque(9)), "/0/2/3", ReasonCertificate},
		{"chain too long", set1("/0/2/4", lwm2m.Opaque(long)), "/0/2/4", ReasonTooLong},
		{"private key empty", set1("/0/2/5", opaque(0)), "/0/2/5", ReasonEmpty},
		{"private key garbage", set1("/0/2/5", opaque(9)), "/0/2/5", ReasonPrivateKey},
		{"private key of another", set1("/0/2/5", lwm2m.Opaque(otherKey)), "/0/2/5", ReasonKeyMismatch},
		{"server certificate empty", set1("/0/2/4", opaque(0)), "/0/2/4", ReasonEmpty},
		{"server certificate garbage", set1("/0/2/4", opaque(9)), "/0/2/4", ReasonCertificate},
		{"usage 4", set1("/0/2/15", uns(4)), "/0/2/15", ReasonUsage},
		{"usage of another type", set1("/0/2/15", num(3)), "/0/2/15", ReasonType},
		{"hash as server certificate", set1("/0/2/13", uns(1)), "/0/2/13", ReasonMatchingType},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := goodTree(t, set)
			c.change(tree)
			wantFault(t, Check(tree), c.path, c.reason)
		})
	}
}

func mustRepeat(b []byte, n int) []byte {
	var out []byte
	for range n {
		out = append(out, b...)
	}
	return out
}

func wantFault(t *testing.T, err error, path string, reason Reason) {
	t.Helper()
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v, want Faults", err)
	}
	for _, f := range faults {
		if f.Path == mustPath(path) && f.Reason == reason {
			return
		}
	}
	t.Errorf("got %v, want %s %s", err, path, reason)
}

func TestCheckWantsAManagementAccount(t *testing.T) {
	wantFault(t, Check(ToTree([]messages.Account{bootstrapAccount(t)})), "/0", ReasonNoManagement)
	wantFault(t, Check(lwm2m.NewTree()), "/0", ReasonNoManagement)
}

// SEC 1 is the other form of resource 5.
func TestPrivateKeySEC1(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	der, err := marshalSEC1(set.Client)
	if err != nil {
		t.Fatal(err)
	}
	tree := goodTree(t, set)
	put(tree, "/0/2/5", lwm2m.Opaque(der))
	if err := Check(tree); err != nil {
		t.Error(err)
	}
}

func usable(tree *lwm2m.Tree) []messages.Account {
	accts, _ := FromTree(tree)
	return accts
}

func TestCheckExpiry(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	tree := goodTree(t, set)
	end := set.Client.Cert.NotAfter
	for at, ok := range map[time.Time]bool{
		end:                                true,
		end.Add(time.Second):               false,
		time.Unix(0, 0):                    true, // a clock that was never set
		end.Add(30 * 365 * 24 * time.Hour): false,
	} {
		switch err := CheckExpiry(usable(tree), validity.Clock{Now: at}); {
		case ok && err != nil:
			t.Errorf("at %v: %v", at, err)
		case !ok:
			wantFault(t, err, "/0/2/3", ReasonCertificateExpired)
		}
	}
}

// Nothing has expired by a clock that stands before a time that has passed.
func TestCheckExpiryByAWrongClock(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	accts := usable(goodTree(t, set))
	late := set.Client.Cert.NotAfter.Add(time.Hour)
	if err := CheckExpiry(accts, validity.Clock{Now: late, Known: late.Add(1)}); err != nil {
		t.Error(err)
	}
	wantFault(t, CheckExpiry(accts, validity.Clock{Now: late, Known: late}), "/0/2/3", ReasonCertificateExpired)
	server, err := set.CA.Issue(testpki.Request{ValidIn: time.Until(late.Add(time.Minute))})
	if err != nil {
		t.Fatal(err)
	}
	accts[len(accts)-1].Credentials.ServerCertificates = [][]byte{server.Cert.Raw}
	if err := CheckExpiry(accts, validity.Clock{Now: late}); err != nil {
		t.Errorf("a certificate is newer than the clock: %v", err)
	}
}

func TestNewest(t *testing.T) {
	at := func(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		built int
		years []int
		want  int
	}{
		{2026, []int{2027, 2028, 1970}, 2028},
		{2026, []int{2099, 2027}, 2027}, // by a clock in the future
		{0, []int{2099}, 2099},
	} {
		var accepted []time.Time
		for _, year := range c.years {
			accepted = append(accepted, at(year))
		}
		var built time.Time
		if c.built > 0 {
			built = at(c.built)
		}
		if got := Newest(accepted, built); got != at(c.want) {
			t.Errorf("built %d, records of %v: %v", c.built, c.years, got)
		}
	}
	if !Newest(nil, time.Time{}).IsZero() {
		t.Error("no record has a time")
	}
}

func TestNewestCertificate(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	newest := NewestCertificate(usable(goodTree(t, set)))
	if newest.Before(set.Client.Cert.NotBefore) || newest.After(time.Now()) {
		t.Errorf("%v", newest)
	}
	if !NewestCertificate([]messages.Account{pskAccount(t, messages.ManagementPeer(1))}).IsZero() {
		t.Error("a pre-shared key has a beginning")
	}
}

func TestCheckDowngrade(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	before := goodTree(t, set)
	for name, c := range map[string]struct {
		after []messages.Account
		path  string
	}{
		"same":                  {[]messages.Account{bootstrapAccount(t), pskAccount(t, messages.ManagementPeer(1))}, ""},
		"NoSec for PSK":         {[]messages.Account{bootstrapAccount(t), nosecAccount(t, messages.ManagementPeer(1))}, "/0/1/2"},
		"NoSec for X.509":       {[]messages.Account{bootstrapAccount(t), nosecAccount(t, messages.ManagementPeer(2))}, "/0/1/2"},
		"PSK for X.509":         {[]messages.Account{bootstrapAccount(t), pskAccount(t, messages.ManagementPeer(2))}, ""},
		"NoSec for another one": {[]messages.Account{bootstrapAccount(t), nosecAccount(t, messages.ManagementPeer(3))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckDowngrade(before, ToTree(c.after))
			if c.path == "" && err != nil {
				t.Fatal(err)
			}
			if c.path != "" {
				wantFault(t, err, c.path, ReasonDowngrade)
			}
		})
	}
}

// What an error says may reach logs and the server: no key is in it.
func TestFaultsShowNoSecret(t *testing.T) {
	tree := ToTree([]messages.Account{pskAccount(t, messages.ManagementPeer(1))})
	put(tree, "/0/0/2", lwm2m.Integer(2)) // the PSK key where a private key belongs
	err := Check(tree)
	if err == nil || strings.Contains(err.Error(), secretText) {
		t.Errorf("got %v", err)
	}
	for _, fault := range err.(Faults).Unwrap() {
		if strings.Contains(fault.Error(), secretText) {
			t.Errorf("got %v", fault)
		}
	}
}

func TestFaultsText(t *testing.T) {
	one := &Fault{Path: mustPath("/1/0/7"), Reason: ReasonMissing}
	two := &Fault{Path: mustPath("/0/1/0"), Reason: ReasonURI, Cause: errors.New("no host")}
	if got := (Faults{one}).Error(); got != "/1/0/7 is missing" {
		t.Error(got)
	}
	if got := (Faults{two, one}).Error(); got != "/0/1/0 is not a usable server URI: no host (and 1 more)" {
		t.Error(got)
	}
	if !errors.Is(Faults{two}, two.Cause) {
		t.Error("the cause is hidden")
	}
}

// All checks of a change at once: what is not usable is said before what is no
// longer valid, and that before what must not be replaced.
func TestCheckChange(t *testing.T) {
	set := testpki.Must(t, "gw-0001")
	before := goodTree(t, set)
	end := set.Client.Cert.NotAfter
	late := end.Add(time.Second)
	if err := CheckChange(before, before, validity.Clock{Now: end}); err != nil {
		t.Error(err)
	}
	after := before.Clone()
	put(after, "/0/1/0", lwm2m.String("coap://example.com"))
	put(after, "/0/1/2", lwm2m.Integer(3))
	wantFault(t, CheckChange(before, after, validity.Clock{Now: end}), "/0/1/2", ReasonDowngrade)
	wantFault(t, CheckChange(before, after, validity.Clock{Now: late}), "/0/2/3", ReasonCertificateExpired)
	drop(after, "/1/0/1")
	wantFault(t, CheckChange(before, after, validity.Clock{Now: late}), "/1/0/1", ReasonMissing)
}

// A change reads the accounts of both sides once each.
func TestCheckChangeReadsOnce(t *testing.T) {
	tree := goodTree(t, testpki.Must(t, "gw-0001"))
	one := testing.AllocsPerRun(20, func() { fromTree(tree) })
	held := testing.AllocsPerRun(20, func() { notHeld(tree, tree) })
	if all := testing.AllocsPerRun(20, func() { _ = CheckChange(tree, tree, validity.Clock{}) }); all > 2.7*one+held {
		t.Errorf("%v allocations, and one reading takes %v", all, one)
	}
}
