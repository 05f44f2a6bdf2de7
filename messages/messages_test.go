package messages

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// However a secret is printed, its content does not show.
func TestSecretNeverPrints(t *testing.T) {
	key := Secret("0123456789abcdef")
	holder := struct {
		Credentials Credentials
		Any         any
	}{Credentials{Key: key, PrivateKey: key}, key}
	texts := []string{key.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, key), fmt.Sprintf(verb, holder))
	}
	asJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	texts = append(texts, string(asJSON))
	for _, text := range texts {
		for _, leak := range []string{"0123456789abcdef", "30313233", "48 49 50", "48, 49, 50", "MDEyMzQ1"} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(leak)) {
				t.Errorf("%q shows the key", text)
			}
		}
	}
}

// RFC 7252 section 5.5.2: a diagnostic payload is for people; it comes from
// outside.
func TestDiagnosticIsFitForATerminal(t *testing.T) {
	tests := map[string]string{
		"":                             "",
		"Account device quota reached": "Account device quota reached",
		"a\x00b\x1b[31mc\r\nd\u202ee":  "ab[31mcde",
		"bad \xff\xfe utf-8":           "bad  utf-8",
		strings.Repeat("x", 100):       strings.Repeat("x", 64),
		strings.Repeat("é", 40):        strings.Repeat("é", 32),
		strings.Repeat("x", 63) + "é":  strings.Repeat("x", 63),
	}
	for in, want := range tests {
		if got := Diagnostic([]byte(in)); got != want {
			t.Errorf("Diagnostic(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzDiagnostic(f *testing.F) {
	f.Add([]byte("no room\x1b[0m"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got := Diagnostic(payload)
		if len(got) > maxDiagnostic || !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\x1b\r\n\x7f") {
			t.Errorf("Diagnostic(%q) = %q", payload, got)
		}
	})
}

// The numbers are those of the reference behaviour (docs/recovery.md).
func TestErrorCodesKeepTheirNumbersAndNames(t *testing.T) {
	want := "ConnectBootstrapFailed ConnectInvalidParameters ConnectorInvalidCredentials ConnectNotRegistered " +
		"ConnectTimeout ConnectNetworkError ConnectResponseParseFailed ConnectUnknownError ConnectMemoryConnectFail " +
		"ConnectNotAllowed ConnectSecureConnectionFailed ConnectDnsResolvingFailed ConnectorUnregistrationFailed " +
		"EnrolmentFailed ConnectorFailedToStoreCredentials ConnectorFailedToReadCredentials"
	var names []string
	for i, code := range ErrorCodes() {
		if int(code) != i+2 {
			t.Errorf("code %d stands in place %d", code, i+2)
		}
		names = append(names, code.String())
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("names %s", got)
	}
}

func TestFailureTellsWhatHappened(t *testing.T) {
	cause := errors.New("read: connection reset")
	f := &Failure{Class: ClassRejected, Answer: Forbidden, Alert: new(uint8(49)), Detail: "blocked", Cause: cause}
	if got := f.Error(); got != "rejected 4.03 (alert 49): blocked: read: connection reset" {
		t.Errorf("%q", got)
	}
	if !errors.Is(f, cause) {
		t.Error("the cause cannot be reached")
	}
	for _, class := range Classes() {
		if class.String() == "" || class.String() == "invalid" {
			t.Errorf("class %d has no name", class)
		}
	}
}

// docs/contract.md, Events: fields that an event does not have are absent; a
// delay of 0 is present.
func TestEventJSONHasOnlyItsFields(t *testing.T) {
	e := Event{Time: time.Unix(0, 1).UTC(), Seq: 1, Endpoint: "gw", Type: EventError, Code: ConnectNetworkError,
		Name: "ConnectNetworkError", Phase: "update", Attempt: 1, Action: ActionRetry, RetryInMS: new(int64(0))}
	got, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time":"1970-01-01T00:00:00.000000001Z","seq":1,"endpoint":"gw","type":"error","code":7,` +
		`"name":"ConnectNetworkError","phase":"update","attempt":1,"action":"retry","retry_in_ms":0}`
	if string(got) != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if retry, ok := e.RetryIn(); retry != 0 || !ok {
		t.Errorf("RetryIn() = %v, %v", retry, ok)
	}
}

func TestNotifyOutcomesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for o := NotifyAcknowledged; o <= NotifyUnsendable; o++ {
		if name := o.String(); name == NotifyOutcome(0).String() || seen[name] {
			t.Errorf("outcome %d is called %q", o, name)
		}
		seen[o.String()] = true
	}
	if NotifyOutcome(99).String() != NotifyOutcome(0).String() {
		t.Error("an unknown outcome has a name")
	}
}

func TestAddressShare(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		left      time.Duration
		addresses int
		want      time.Duration
	}{
		{3 * time.Minute, 0, 3 * time.Minute},
		{3 * time.Minute, 1, 3 * time.Minute},
		{3 * time.Minute, 3, time.Minute},
		{time.Minute, 8, MinAddressShare},
		{MinAddressShare, 2, MinAddressShare},
		{5 * time.Second, 8, 5 * time.Second},
		{-time.Second, 8, -time.Second},
	} {
		if got := AddressShare(now, now.Add(test.left), test.addresses).Sub(now); got != test.want {
			t.Errorf("%v for %d addresses: %v, want %v", test.left, test.addresses, got, test.want)
		}
	}
}
