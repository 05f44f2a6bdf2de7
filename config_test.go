package holdfast

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-iot/holdfast/lwm2m/object"
)

// validConfig has the least that is required and an account of each kind.
func validConfig() Config {
	return Config{
		Endpoint:  "gw-0001",
		Bootstrap: &Account{URI: "coaps://bs.test", Security: SecurityPSK, PSKIdentity: "gw-0001", PSKKey: []byte("0123456789abcdef")},
		Server:    &Account{URI: "coap://lwm2m.test", Security: SecurityNoSec},
	}
}

func x509Account() *Account {
	return &Account{URI: "coaps://h", Security: SecurityX509, Certificate: "c", PrivateKey: "k", Trust: "t"}
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	want := Config{
		StateDir: "./state", Lifetime: 24 * time.Hour, LwM2MVersion: "1.1",
		Reconnect:           ReconnectConfig{Policy: PolicyAuto, InitialMin: 2 * time.Second, InitialMax: 10 * time.Second, Max: 168 * time.Hour},
		RegistrationTimeout: 3 * time.Minute,
		BootstrapTimeout:    15 * time.Minute,
		ObjectTimeout:       10 * time.Second,
		CoAP:                CoAPConfig{AckTimeout: 2 * time.Second, AckRandomFactor: 1.5, MaxRetransmit: 4, NStart: 1},
		RenewAt:             0.9,
		Limits:              LimitsConfig{BootstrapBytes: 64 << 10, QueuedMessages: 64, Accounts: 8, Observations: 256},
		Device:              DeviceConfig{Manufacturer: "Holdfast"},
	}
	if diff := cmp.Diff(want, Config{}.withDefaults()); diff != "" {
		t.Error(diff)
	}
	again := want.withDefaults()
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("defaults are not stable: %s", diff)
	}
}

func TestConfigDefaultsShareNothing(t *testing.T) {
	t.Parallel()
	original := validConfig()
	c := original.withDefaults()
	c.Bootstrap.URI, c.Bootstrap.PSKKey[0], c.Server.URI = "x", 'x', "x"
	if diff := cmp.Diff(validConfig(), original, cmp.AllowUnexported(Account{})); diff != "" {
		t.Errorf("the original changed: %s", diff)
	}
}

// certified gives the management account credentials from files.
func certified(c *Config) *Account {
	c.Server = &Account{URI: "coaps://h", Security: SecurityX509, Certificate: "c", PrivateKey: "k", Trust: "t"}
	return c.Server
}

func TestConfigNeverShowsAKey(t *testing.T) {
	t.Parallel()
	const secret = "tiger-tiger-burn"
	inDigits := new(big.Int).SetBytes([]byte(secret + secret)).String() // as an *ecdsa.PrivateKey prints
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), []byte(secret+secret))
	if err != nil {
		t.Fatal(err)
	}
	a := Account{URI: "coaps://h", PSKKey: []byte(secret), Signer: private}
	encoded, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	hexed := fmt.Sprintf("%x", secret)
	for _, text := range []string{
		fmt.Sprint(a), fmt.Sprint(&a), fmt.Sprintf("%+v %#v %x %s", a, a, a.PSKKey, a.PSKKey), string(encoded),
		fmt.Sprintf("%d %x %+v", a, a, &a), fmt.Sprintf("%+v", Config{Server: &a}),
	} {
		if strings.Contains(text, inDigits) || strings.Contains(text, secret) || strings.Contains(text, hexed) || strings.Contains(text, "116 105 103") {
			t.Errorf("shows the key: %s", text)
		}
	}
}

func TestValidateAccepts(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*Config){
		"least":             func(c *Config) { *c = Config{Endpoint: "g"} },
		"both accounts":     func(*Config) {},
		"longest names":     func(c *Config) { c.Endpoint, c.AccountID = strings.Repeat("e", 64), strings.Repeat("a", 64) },
		"UTF-8":             func(c *Config) { c.Endpoint = "Zähler 7" },
		"lifetime 1 s":      func(c *Config) { c.Lifetime = time.Second },
		"longest lifetime":  func(c *Config) { c.Lifetime = 4294967295 * time.Second },
		"LwM2M 1.0":         func(c *Config) { c.LwM2MVersion = "1.0" },
		"equal delays":      func(c *Config) { c.Reconnect = ReconnectConfig{PolicyExponential, 1, 1, 1} },
		"no resends":        func(c *Config) { c.CoAP.MaxRetransmit = NoRetransmit },
		"most resends":      func(c *Config) { c.CoAP.MaxRetransmit = 16 },
		"factor 1":          func(c *Config) { c.CoAP.AckRandomFactor = 1 },
		"name server":       func(c *Config) { c.DNS.Server = "[2001:db8::53]:53" },
		"x509":              func(c *Config) { c.Server = x509Account() },
		"psk_key_file":      func(c *Config) { c.Bootstrap.PSKKey, c.Bootstrap.PSKKeyFile = nil, "key" },
		"longest identity":  func(c *Config) { c.Bootstrap.PSKIdentity = strings.Repeat("i", 128) },
		"longest PSK":       func(c *Config) { c.Bootstrap.PSKKey = make([]byte, 64) },
		"aid in the URI":    func(c *Config) { c.AccountID, c.Server.URI = "a", "coap://h?aid=b" },
		"upper-case scheme": func(c *Config) { c.Server.URI = "COAP://h" },
	} {
		c := validConfig()
		edit(&c)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		edit func(*Config)
		want string // key: problem
	}{
		{func(c *Config) { c.Endpoint = "" }, "endpoint: is required"},
		{func(c *Config) { c.Endpoint = strings.Repeat("e", 65) }, "endpoint: is longer than 64 bytes"},
		{func(c *Config) { c.Endpoint = "a\nb" }, "endpoint: must be UTF-8 without control characters"},
		{func(c *Config) { c.Endpoint = "a\xff" }, "endpoint: must be UTF-8 without control characters"},
		{func(c *Config) { c.AccountID = strings.Repeat("a", 65) }, "account_id: is longer than 64 bytes"},
		{func(c *Config) { certified(c).CertificateChain = [][]byte{{0}} }, "server.certificate: excludes CertificateChain: give one of the two"},
		{func(c *Config) { certified(c).Signer = &ecdsa.PrivateKey{} }, "server.private_key: excludes Signer: give one of the two"},
		{func(c *Config) { certified(c).TrustAnchors = [][]byte{{0}} }, "server.trust: excludes TrustAnchors: give one of the two"},
		{func(c *Config) { certified(c).Trust = "" }, "server.trust: is required with security: x509"},
		{func(c *Config) { c.StateDir = "a\x00" }, "state_dir: has a zero byte"},
		{func(c *Config) { c.Lifetime = time.Second - 1 }, "lifetime: must be whole seconds, from 1s to 4294967295s"},
		{func(c *Config) { c.Lifetime = 1500 * time.Millisecond }, "lifetime: must be whole seconds, from 1s to 4294967295s"},
		{func(c *Config) { c.Lifetime = 4294967296 * time.Second }, "lifetime: must be whole seconds, from 1s to 4294967295s"},
		{func(c *Config) { c.Lifetime = -time.Hour }, "lifetime: must be whole seconds, from 1s to 4294967295s"},
		{func(c *Config) { c.LwM2MVersion = "1.2" }, "lwm2m_version: is neither 1.0 nor 1.1"},
		{func(c *Config) { c.Reconnect.Policy = "never" }, "reconnect.policy: is none of auto, exponential and lwm2m"},
		{func(c *Config) { c.Reconnect.InitialMin = -1 }, "reconnect.initial_min: must be a positive duration"},
		{func(c *Config) { c.Reconnect.InitialMax = -1 }, "reconnect.initial_max: must be a positive duration"},
		{func(c *Config) { c.Reconnect.Max = -1 }, "reconnect.max: must be a positive duration"},
		{func(c *Config) { c.Reconnect.InitialMin = time.Minute }, "reconnect.initial_min: is above reconnect.initial_max (10s)"},
		{func(c *Config) { c.Reconnect.Max = time.Second }, "reconnect.max: is below reconnect.initial_max (10s)"},
		{func(c *Config) { c.Reconnect.InitialMax = time.Second }, "reconnect.initial_max: is below reconnect.initial_min (2s)"},
		{func(c *Config) { c.Reconnect.InitialMax = 1000 * time.Hour }, "reconnect.initial_max: is above reconnect.max (168h0m0s)"},
		{func(c *Config) {
			c.Reconnect.InitialMin, c.Reconnect.InitialMax = time.Minute, time.Second
		}, "reconnect.initial_min: is above reconnect.initial_max (1s)"},
		{func(c *Config) {
			c.Reconnect.InitialMax, c.Reconnect.Max = time.Hour, time.Minute
		}, "reconnect.max: is below reconnect.initial_max (1h0m0s)"},
		{func(c *Config) { c.AccountID = strings.Repeat("a", 300) }, "account_id: is longer than 64 bytes"},
		{func(c *Config) { c.Bootstrap.Security = SecurityNoSec }, "bootstrap.security: is nosec, and all the rest is for psk: write psk, or correct the rest"},
		{func(c *Config) { c.Bootstrap.Security = SecurityX509 }, "bootstrap.security: is x509, and all the rest is for psk: write psk, or correct the rest"},
		{func(c *Config) { c.Bootstrap.Security = SecurityRPK }, "bootstrap.security: is rpk, and all the rest is for psk: write psk, or correct the rest"},
		{func(c *Config) { c.Server = x509Account(); c.Server.Security = SecurityPSK }, "server.security: is psk, and all the rest is for x509 or rpk: write one of them, or correct the rest"},
		{func(c *Config) {
			c.Server = &Account{URI: "coaps://h", Security: SecurityNoSec, PrivateKey: "f", Trust: "f"}
		}, "server.security: is nosec, and all the rest is for x509 or rpk: write one of them, or correct the rest"},
		{func(c *Config) { c.Server = x509Account(); c.Server.URI = "coap://h" }, "server.uri: is coap, which has no keys: write coaps://, or security: nosec"},
		{func(c *Config) { c.RegistrationTimeout = -1 }, "registration_timeout: must be a positive duration"},
		{func(c *Config) { c.BootstrapTimeout = -1 }, "bootstrap_timeout: must be a positive duration"},
		{func(c *Config) { c.Objects = []object.Object{nil} }, "objects[0]: is nil"},
		{func(c *Config) { c.ObjectTimeout = -1 }, "object_timeout: must be a positive duration"},
		{func(c *Config) { c.CoAP.AckTimeout = -1 }, "coap.ack_timeout: must be a positive duration of at most 10m"},
		{func(c *Config) { c.CoAP.AckTimeout = time.Hour }, "coap.ack_timeout: must be a positive duration of at most 10m"},
		{func(c *Config) { c.CoAP.AckRandomFactor = 0.9 }, "coap.ack_random_factor: must be a number from 1 to 10"},
		{func(c *Config) { c.CoAP.MaxRetransmit = 17 }, "coap.max_retransmit: must be a whole number from 0 to 16"},
		{func(c *Config) { c.CoAP.MaxRetransmit = -2 }, "coap.max_retransmit: must be a whole number from 0 to 16"},
		{func(c *Config) { c.CoAP.NStart = -1 }, "coap.nstart: must be a whole number from 1 to 255"},
		{func(c *Config) { c.DNS.Server = "192.0.2.53" }, "dns.server: is not host:port, such as 192.0.2.53:53 or [2001:db8::53]:53"},
		{func(c *Config) { c.DNS.Server = "h:0" }, "dns.server: is not host:port, such as 192.0.2.53:53 or [2001:db8::53]:53"},
		{func(c *Config) { c.Device.Model = strings.Repeat("m", 256) }, "device.model: is longer than 255 bytes"},
		{func(c *Config) { c.Device.Serial = "\x1b[2J" }, "device.serial: must be UTF-8 without control characters"},

		{func(c *Config) { c.Server.URI = "" }, "server.uri: is required, such as coaps://host:5684"},
		{func(c *Config) { c.Server.URI = "http://h" }, "server.uri: the scheme is not supported: use coap (UDP) or coaps (DTLS)"},
		{func(c *Config) { c.Server.URI = "coap:://h" }, "server.uri: the scheme is followed by a stray colon: write coap://host, not coap:://host"},
		{func(c *Config) { c.Server.URI = "coap://h:70000" }, "server.uri: the port is not a number from 1 to 65535: correct it, or leave it out with its colon for the default"},
		{func(c *Config) { c.Server.URI = "coap://[::1" }, "server.uri: the host has unbalanced brackets: write an IPv6 address as [2001:db8::1]"},
		{func(c *Config) {
			c.AccountID, c.Server.URI = strings.Repeat("a", 64), "coap://h/"+strings.Repeat("p", 200)
		}, "server.uri: the URI is longer than 255 bytes: shorten the path or the query"},
		{func(c *Config) { c.Server.URI = "coaps://h" }, "server.uri: is coaps, which needs keys: write coap://, or security: psk, x509 or rpk"},
		{func(c *Config) { c.Server.URI = "coap://h" + strings.Repeat("/a", 80) }, "server.uri: leaves no room for a request: 80 path segments and arguments, where the Register has room for 55"},
		{func(c *Config) { c.Server.URI = "coap://h" + strings.Repeat("/a", 50) + "?b&c&d&e&f&g" }, "server.uri: leaves no room for a request: 56 path segments and arguments, where the Register has room for 55"},
		{func(c *Config) { c.AccountID, c.Server.URI = "a", "coap://h"+strings.Repeat("/a", 55) }, "server.uri: leaves no room for a request: 56 path segments and arguments, where the Register has room for 55"},
		{func(c *Config) { c.QueueMode, c.Server.URI = true, "coap://h"+strings.Repeat("/a", 55) }, "server.uri: leaves no room for a request: 55 path segments and arguments, where the Register has room for 54 in queue mode: shorten it, or leave queue_mode out"},
		{func(c *Config) { c.QueueMode, c.Server.URI = true, "coap://h"+strings.Repeat("/a", 56) }, "server.uri: leaves no room for a request: 56 path segments and arguments, where the Register has room for 54"},
		{func(c *Config) { c.Bootstrap.URI = "coaps://h" + strings.Repeat("/a", 60) }, "bootstrap.uri: leaves no room for a request: 60 path segments and arguments, where the Bootstrap-Request has room for 59"},
		{func(c *Config) { c.Bootstrap.URI = "coap://h" }, "bootstrap.uri: is coap, which has no keys: write coaps://, or security: nosec"},
		{func(c *Config) { c.Server.Security = "" }, "server.security: is required: nosec, psk, x509 or rpk"},
		{func(c *Config) { c.Server.Security = "tls" }, "server.security: is none of nosec, psk, x509 and rpk"},
		{func(c *Config) {
			c.Server = &Account{URI: "coaps://h", Security: SecurityRPK, Trust: "f"}
		}, "server.private_key: is required with security: rpk"},
		{func(c *Config) {
			c.Server = &Account{URI: "coaps://h", Security: SecurityRPK, PrivateKey: "f"}
		}, "server.trust: is required with security: rpk"},
		{func(c *Config) {
			c.Server = &Account{URI: "coaps://h", Security: SecurityRPK, PrivateKey: "f", Trust: "f", PSKIdentity: "i"}
		}, "server.psk_identity: has no use with security: rpk"},
		{func(c *Config) {
			c.Server = &Account{URI: "coap://h", Security: SecurityRPK, PrivateKey: "f", Trust: "f"}
		}, "server.uri: is coap, which has no keys: write coaps://, or security: nosec"},
		{func(c *Config) { c.Server.PSKIdentity = "i" }, "server.psk_identity: has no use with security: nosec"},
		{func(c *Config) { c.Server.PSKKey = []byte("k") }, "server.psk_key: has no use with security: nosec"},
		{func(c *Config) { c.Server.PSKKeyFile = "f" }, "server.psk_key_file: has no use with security: nosec"},
		{func(c *Config) { c.Server.Trust = "f" }, "server.trust: has no use with security: nosec"},
		{func(c *Config) { c.Bootstrap.PSKIdentity = "" }, "bootstrap.psk_identity: is required with security: psk"},
		{func(c *Config) { c.Bootstrap.PSKIdentity = strings.Repeat("i", 129) }, "bootstrap.psk_identity: is longer than 128 bytes"},
		{func(c *Config) { c.Bootstrap.PSKIdentity = "\xff" }, "bootstrap.psk_identity: is not UTF-8"},
		{func(c *Config) { c.Bootstrap.PSKKey = nil }, "bootstrap.psk_key: is required with security: psk, unless there is a psk_key_file"},
		{func(c *Config) { c.Bootstrap.PSKKey = make([]byte, 65) }, "bootstrap.psk_key: is longer than 64 bytes"},
		{func(c *Config) { c.Bootstrap.PSKKeyFile = "f" }, "bootstrap.psk_key_file: excludes psk_key: give one of the two"},
		{func(c *Config) { c.Bootstrap.Certificate = "f" }, "bootstrap.certificate: has no use with security: psk"},
		{func(c *Config) { c.Bootstrap.PrivateKey = "f" }, "bootstrap.private_key: has no use with security: psk"},
		{func(c *Config) { c.Server = x509Account(); c.Server.Certificate = "" }, "server.certificate: is required with security: x509"},
		{func(c *Config) { c.Server = x509Account(); c.Server.PrivateKey = "" }, "server.private_key: is required with security: x509"},
		{func(c *Config) { c.Server = x509Account(); c.Server.Trust = "" }, "server.trust: is required with security: x509"},
		{func(c *Config) { c.Server = x509Account(); c.Server.PSKIdentity = "i" }, "server.psk_identity: has no use with security: x509"},

		{func(c *Config) { certified(c).Usage = "pkix" }, "server.usage: is none of pkix-ta, pkix-ee, dane-ta and dane-ee, nor 0 to 3"},
		{func(c *Config) { certified(c).Usage = "4" }, "server.usage: is none of pkix-ta, pkix-ee, dane-ta and dane-ee, nor 0 to 3"},
		{func(c *Config) { certified(c).Usage = "0" }, "trust_store: is required with server.usage: 0: name a file with the authorities that this device trusts, or system"},
		{func(c *Config) { certified(c).Usage = UsagePKIXEE }, "trust_store: is required with server.usage: pkix-ee: name a file with the authorities that this device trusts, or system"},
		{func(c *Config) { c.Bootstrap.Usage = UsageDANEEE }, "bootstrap.usage: has no use with security: psk"},
		{func(c *Config) { c.TrustStore, c.TrustStoreAnchors = "f", [][]byte{{0}} }, "trust_store: excludes TrustStoreAnchors: give one of the two"},
		{func(c *Config) { pinned(c).Usage = "" }, "server.usage: is required beside pin: dane-ee if the pin is of the server's own key, dane-ta if it is of its authority's"},
		{func(c *Config) { pinned(c).Trust = "f" }, "server.pin: excludes trust: give one of the two"},
		{func(c *Config) { pinned(c).TrustAnchors = [][]byte{{0}} }, "server.pin: excludes trust: give one of the two"},
		{func(c *Config) { pinned(c).Pins = []string{"sha256/AAAA"} }, "server.pin: is not sha256/ and 32 bytes in Base64"},
		{func(c *Config) { pinned(c).Pins = []string{"md5/AAAA"} }, "server.pin: is none of sha256/, sha384/ and sha512/, followed by a digest in Base64"},
		{func(c *Config) { a := pinned(c); a.Pins = slices.Repeat(a.Pins, 11) }, "server.pin: has more than 10 pins"},
		{func(c *Config) { c.Bootstrap.Pins = []string{pinOfNothing} }, "bootstrap.pin: has no use with security: psk"},
		{func(c *Config) { c.Server.Pins = []string{pinOfNothing} }, "server.pin: has no use with security: nosec"},
		{func(c *Config) { c.Server.ServerName = "s.test" }, "server.server_name: has no use with security: nosec"},
		{func(c *Config) { c.Bootstrap.ServerName = "b test" }, "bootstrap.server_name: is not a name in ASCII of at most 253 bytes"},
		{func(c *Config) {
			c.Server = &Account{URI: "coaps://h", Security: SecurityRPK, PrivateKey: "k", Trust: "t", Usage: "3"}
		}, "server.usage: has no use with security: rpk"},
		{func(c *Config) { enrolling(c).Trust = "" }, "server.trust: is required with security: est"},
		{func(c *Config) { enrolling(c).Certificate = "f" }, "server.certificate: has no use with security: est, which makes a key on this device"},
		{func(c *Config) { enrolling(c).PrivateKey = "f" }, "server.private_key: has no use with security: est, which makes a key on this device"},
		{func(c *Config) { enrolling(c).PSKKeyFile = "f" }, "server.psk_key_file: has no use with security: est"},
		{func(c *Config) { enrolling(c); c.Bootstrap = nil }, "server.security: is est, and there is no bootstrap section: its server enrols this device, or its credentials do at server.est"},
		{func(c *Config) {
			enrolling(c)
			c.Bootstrap = &Account{URI: "coap://b", Security: SecurityNoSec}
		}, "server.security: is est, and bootstrap.security is nosec: nobody knows this device there, so that it could be enrolled"},
		{func(c *Config) { c.Bootstrap = enrolling(c); c.Server = nil }, "bootstrap.security: is est, which only server can have: nobody would enrol this device for another account"},
		{func(c *Config) { enrolling(c).URI = "coap://s" }, "server.uri: is coap, which has no keys: write coaps://, or security: nosec"},
		{func(c *Config) { enrolling(c).Usage = "0" }, "trust_store: is required with server.usage: 0: name a file with the authorities that this device trusts, or system"},
		{func(c *Config) { enrolling(c).EST = "coap://e" }, "server.est: is coap, where nobody would know this device: write coaps://"},
		{func(c *Config) { enrolling(c).EST = "coaps://e/est" }, "server.est: has a path or arguments: give the host, and the port if it is not 5684"},
		{func(c *Config) { enrolling(c).EST = "coaps://e:0" }, "server.est: the port is not a number from 1 to 65535: correct it, or leave it out with its colon for the default"},
		{func(c *Config) { certified(c).EST = "coaps://e" }, "server.est: has no use without security: est"},
		{func(c *Config) { a := pinned(c); a.Security, a.Usage = SecurityPSK, "" }, "server.security: is psk, and all the rest is for x509 or rpk: write one of them, or correct the rest"},
	} {
		c := validConfig()
		test.edit(&c)
		if got := faultsOf(c.Validate()); !slices.Equal(got, []string{test.want}) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// enrolling has an account whose certificate is enrolled for.
func enrolling(c *Config) *Account {
	c.Server = &Account{URI: "coaps://s", Security: SecurityEST, Trust: "f"}
	return c.Server
}

const pinOfNothing = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

// pinned has a certified account with a pin in place of trust anchors.
func pinned(c *Config) *Account {
	a := certified(c)
	a.Trust, a.Usage, a.Pins = "", UsageDANEEE, []string{pinOfNothing}
	return a
}

// What a server has to be can be said in every way that goes together.
func TestValidateTakesEveryUsage(t *testing.T) {
	t.Parallel()
	for i, usage := range []CertificateUsage{UsagePKIXTA, UsagePKIXEE, UsageDANETA, UsageDANEEE, "0", "1", "2", "3"} {
		if n, ok := usage.number(); !ok || int(n) != i%4 {
			t.Errorf("%s: %d, %t", usage, n, ok)
		}
		for name, edit := range map[string]func(*Config) *Account{"certified": certified, "pinned": pinned} {
			c := validConfig()
			edit(&c).Usage = usage
			c.Server.ServerName = "s.test"
			c.TrustStore = TrustStoreSystem
			if err := c.Validate(); err != nil {
				t.Errorf("%s, %s: %v", usage, name, err)
			}
			c.TrustStore, c.TrustStoreAnchors = "", [][]byte{{0}}
			if err := c.Validate(); err != nil {
				t.Errorf("%s, %s, in memory: %v", usage, name, err)
			}
		}
	}
	c := validConfig()
	c.Server = &Account{URI: "coaps://h", Security: SecurityRPK, PrivateKey: "k", Pins: []string{pinOfNothing}}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// faultsOf returns the faults of a ConfigError, without their sources.
func faultsOf(err error) []string {
	var list *ConfigError
	if !errors.As(err, &list) {
		return nil
	}
	var lines []string
	for _, f := range list.Faults {
		lines = append(lines, f.Key+": "+f.Problem)
	}
	return lines
}

func TestConfigErrorCode(t *testing.T) {
	t.Parallel()
	_, err := New(Config{})
	if !errors.Is(err, ErrInvalidParameters) {
		t.Errorf("New: %v", err)
	}
	var list *ConfigError
	if !errors.As(err, &list) {
		t.Errorf("New: %v, want a ConfigError", err)
	}
	c := validConfig()
	c.Server.URI = "coap://"
	if err := c.Validate(); !errors.As(err, new(interface{ Unwrap() []error })) {
		t.Errorf("%v has no causes", err)
	}
}

// A URI that just fits is taken, with queue mode and without.
func TestConfigURIThatJustFits(t *testing.T) {
	for queue, parts := range map[bool]int{false: 55, true: 54} {
		c := Config{
			Endpoint: "gw", QueueMode: queue,
			Server: &Account{URI: "coap://h" + strings.Repeat("/a", parts), Security: SecurityNoSec},
		}
		if _, err := New(c); err != nil {
			t.Errorf("queue mode %v: %v", queue, err)
		}
	}
}

// Interfaces are refused by name where sockets cannot be bound to one.
func TestInterfacesElsewhereThanOnLinux(t *testing.T) {
	for _, supported := range []bool{true, false} {
		for _, names := range [][]string{nil, {"eth0"}} {
			var f configFaults
			f.network(NetworkConfig{Interfaces: names}, supported)
			if refused := len(f) > 0; refused != (len(names) > 0 && !supported) {
				t.Errorf("supported %v, %v: %v", supported, names, f)
			}
		}
	}
}
