package holdfast_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/internal/systemtest"
	"github.com/holdfast-iot/holdfast/internal/testpki"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
	"github.com/holdfast-iot/holdfast/messages"
)

// A sentinel that no call returns and no event carries would be a promise that
// nobody keeps. Each is provoked in a whole client, and the table has to name
// every one that the package declares.
func TestEverySentinelIsReached(t *testing.T) {
	declared := declaredSentinels(t)
	if named := slices.Sorted(maps.Keys(sentinels)); !slices.Equal(named, declared) {
		t.Fatalf("the table has\n%v, the package declares\n%v", named, declared)
	}
	for name, s := range sentinels {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if err := s.reach(newSite(t)); !errors.Is(err, s.sentinel) {
					t.Errorf("%v is not %v", err, s.sentinel)
				}
			})
		})
	}
}

// sentinels says how each error is reached: by a call or by an event.
var sentinels = map[string]struct {
	sentinel error
	reach    func(*site) error
}{
	"ErrBootstrapFailed": {holdfast.ErrBootstrapFailed, func(s *site) error {
		s.Server.Misbehave(systemtest.Endpoint, lwm2mtest.BootstrapRequest, -1, lwm2mtest.Behaviour{Answer: messages.BadRequest})
		return s.failsToBootstrap(s.Factory())
	}},
	"ErrInvalidParameters": {holdfast.ErrInvalidParameters, func(*site) error {
		_, err := holdfast.New(holdfast.Config{})
		return err
	}},
	"ErrInvalidCredentials": {holdfast.ErrInvalidCredentials, func(s *site) error {
		cfg := s.Certified(systemtest.Authority(s.T))
		garbage := filepath.Join(s.T.TempDir(), "garbage")
		if err := os.WriteFile(garbage, []byte("no PEM"), 0o600); err != nil {
			s.T.Fatal(err)
		}
		cfg.Server.Certificate = garbage
		return s.fails(cfg)
	}},
	"ErrNotRegistered": {holdfast.ErrNotRegistered, func(s *site) error {
		client := s.start(s.NoSec())
		return client.Close(s.T.Context())
	}},
	"ErrTimeout": {holdfast.ErrTimeout, func(s *site) error {
		s.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, -1, lwm2mtest.Behaviour{Silent: true})
		s.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		return s.fails(s.NoSec())
	}},
	"ErrNetwork": {holdfast.ErrNetwork, func(s *site) error {
		return s.fails(s.NoSec()) // nobody listens
	}},
	"ErrResponseParse": {holdfast.ErrResponseParse, func(s *site) error {
		s.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Register, -1, lwm2mtest.Behaviour{WithoutLocation: true})
		s.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		return s.fails(s.NoSec())
	}},
	"ErrUnknown": {holdfast.ErrUnknown, func(s *site) error {
		s.taps = append(s.taps, lwm2mtest.WithTap(systemtest.NewCrashOnce[messages.LinkUp]("registration/1")))
		s.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		return s.fails(s.NoSec())
	}},
	"ErrMemory": {holdfast.ErrMemory, func(s *site) error {
		cfg := s.Factory()
		cfg.Limits.BootstrapBytes = 256
		account := lwm2mtest.AccountConfig{URI: "coaps://192.0.2.1", PSKIdentity: systemtest.Endpoint, PSKKey: make([]byte, 300)}
		s.Server.SetBootstrap(systemtest.Endpoint, lwm2mtest.BootstrapConfig{Writes: account.Writes()})
		return s.failsToBootstrap(cfg)
	}},
	"ErrNotAllowed": {holdfast.ErrNotAllowed, func(s *site) error {
		client := s.start(s.NoSec())
		return client.Resume(context.Background())
	}},
	"ErrSecureConnection": {holdfast.ErrSecureConnection, func(s *site) error {
		return s.untrusted(testpki.Request{Role: testpki.Server, IPs: []net.IP{net.ParseIP("192.0.2.77")}})
	}},
	"ErrDNS": {holdfast.ErrDNS, func(s *site) error {
		return s.fails(s.nowhere())
	}},
	"ErrEnrolment": {holdfast.ErrEnrolment, func(s *site) error {
		ca := systemtest.Authority(s.T)
		server := systemtest.IssueServer(s.T, ca)
		s.Serve(systemtest.DTLSPort, lwm2mtest.X509(server.TLS(), ca.Pool()))
		s.ServeBootstrap()
		s.DeliverCertificateOf(ca, server, testpki.Request{Lifetime: time.Hour}) // the same one again and again
		return s.fails(s.Factory())
	}},
	"ErrUnregistration": {holdfast.ErrUnregistration, func(s *site) error {
		client := s.registered()
		s.Server.Misbehave(systemtest.Endpoint, lwm2mtest.Deregister, -1, lwm2mtest.Behaviour{Answer: messages.InternalServerError})
		return client.Close(s.T.Context())
	}},
	"ErrStoreCredentials": {holdfast.ErrStoreCredentials, func(s *site) error {
		s.Serve(systemtest.CoAPPort, lwm2mtest.NoSec())
		cfg := s.NoSec()
		client := s.start(cfg)
		synctest.Wait() // nothing is being written
		if err := errors.Join(os.RemoveAll(cfg.StateDir), os.WriteFile(cfg.StateDir, nil, 0o600)); err != nil {
			s.T.Fatal(err)
		}
		return client.FactoryReset(context.Background())
	}},
	"ErrReadCredentials": {holdfast.ErrReadCredentials, func(s *site) error {
		cfg := s.NoSec()
		if err := holdfast.Provision(s.T.Context(), cfg); err != nil {
			s.T.Fatal(err)
		}
		s.damage(cfg.StateDir)
		cfg.Server = nil // what is provisioned counts
		return s.fails(cfg)
	}},
	"ErrStore": {holdfast.ErrStore, func(s *site) error {
		cfg := s.NoSec()
		cfg.StateDir = filepath.Join(cfg.StateDir, "file")
		if err := os.WriteFile(cfg.StateDir, nil, 0o600); err != nil {
			s.T.Fatal(err)
		}
		return holdfast.Provision(s.T.Context(), cfg)
	}},
	"ErrStoreInUse": {holdfast.ErrStoreInUse, func(s *site) error {
		cfg := s.NoSec()
		s.start(cfg)
		return holdfast.FactoryReset(s.T.Context(), cfg.StateDir)
	}},
}

// declaredSentinels returns the names of the package's variables that begin
// with Err, in order.
func declaredSentinels(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Err") {
				names = append(names, spec.Names[0].Name)
			}
			return true
		})
	}
	slices.Sort(names)
	return names
}

// damage cuts every record in a state directory short.
func (s *site) damage(dir string) {
	s.T.Helper()
	records, err := filepath.Glob(filepath.Join(dir, "factory.*"))
	if err != nil || len(records) == 0 {
		s.T.Fatalf("%v, %v", records, err)
	}
	for _, record := range records {
		if err := os.Truncate(record, 10); err != nil {
			s.T.Fatal(err)
		}
	}
}

// fails starts a client and returns its first error.
func (s *site) fails(cfg holdfast.Config) error {
	s.T.Helper()
	return s.start(cfg).Next(holdfast.EventError).Err()
}

// nowhere is a configuration whose server has a name that does not exist.
func (s *site) nowhere() holdfast.Config {
	cfg := s.NoSec()
	cfg.Server.URI = "coap://nowhere.test"
	return cfg
}

func (s *site) failsToBootstrap(cfg holdfast.Config) error {
	s.T.Helper()
	s.ServeBootstrap()
	return s.fails(cfg)
}

// untrusted returns what comes of a server with such a certificate.
func (s *site) untrusted(r testpki.Request) error {
	ca := systemtest.Authority(s.T)
	s.Serve(systemtest.DTLSPort, lwm2mtest.X509(systemtest.Issue(s.T, ca, r).TLS(), ca.Pool()))
	return s.fails(s.Certified(ca))
}

// errors.As reaches the cause of an event, and the words of the event are those
// of its error.
func TestTheCauseOfAnEventIsReached(t *testing.T) {
	server := []net.IP{systemtest.ServerAddr.AsSlice()}
	tests := map[string]struct {
		reach func(*site) error
		is    error
		cause func(error) bool
	}{
		"a name that does not exist": {sentinels["ErrDNS"].reach, holdfast.ErrDNS, func(err error) bool {
			dns, ok := errors.AsType[*net.DNSError](err)
			return ok && dns.Name == "nowhere.test" && dns.IsNotFound
		}},
		"a refused port": {sentinels["ErrNetwork"].reach, holdfast.ErrNetwork, func(err error) bool {
			errno, ok := errors.AsType[syscall.Errno](err)
			return ok && errno == syscall.ECONNREFUSED
		}},
		"another authority": {func(s *site) error {
			ca := systemtest.Authority(s.T)
			s.Serve(systemtest.DTLSPort, lwm2mtest.X509(systemtest.Issue(s.T, systemtest.Authority(s.T), testpki.Request{Role: testpki.Server, IPs: server}).TLS(), ca.Pool()))
			return s.fails(s.Certified(ca))
		}, holdfast.ErrSecureConnection, reaches[x509.UnknownAuthorityError]},
		"another name": {sentinels["ErrSecureConnection"].reach, holdfast.ErrSecureConnection, reaches[x509.HostnameError]},
		"an expired certificate": {func(s *site) error {
			return s.untrusted(testpki.Request{Role: testpki.Server, IPs: server, Expired: true})
		}, holdfast.ErrSecureConnection, func(err error) bool {
			invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
			return ok && invalid.Reason == x509.Expired
		}},
		"an alert": {func(s *site) error {
			s.ServePSK().RefuseHandshakes(80)
			return s.fails(s.PSK())
		}, holdfast.ErrSecureConnection, func(err error) bool {
			alert, ok := errors.AsType[*holdfast.AlertError](err)
			return ok && *alert == holdfast.AlertError{Number: 80, Description: "internal_error"}
		}},
		"a session that the server closes": {func(s *site) error {
			service := s.ServePSK()
			client := s.start(s.PSK())
			client.WaitFor(holdfast.Registered)
			service.Close() // says close_notify
			return client.Next(holdfast.EventError).Err()
		}, holdfast.ErrNetwork, func(err error) bool {
			alert, ok := errors.AsType[*holdfast.AlertError](err)
			return ok && *alert == holdfast.AlertError{Number: 0, Description: "close_notify"}
		}},
		"a crash":                  {sentinels["ErrUnknown"].reach, holdfast.ErrUnknown, func(err error) bool { return errors.Is(err, systemtest.ErrInjected) }},
		"a directory that is none": {sentinels["ErrStoreCredentials"].reach, holdfast.ErrStoreCredentials, func(err error) bool { return errors.Is(err, syscall.ENOTDIR) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := tt.reach(newSite(t))
				if !errors.Is(err, tt.is) || !tt.cause(err) {
					t.Errorf("%v is not %v with that cause", err, tt.is)
				}
				if reaches[*messages.Failure](err) {
					t.Error("what the actors say to each other is reached")
				}
				showsNoKey(t, err)
			})
		})
	}
}

func reaches[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// showsNoKey walks the tree of an error and demands that none of its texts,
// however it is printed, has a key in it.
func showsNoKey(t *testing.T, err error) {
	t.Helper()
	for _, format := range []string{"%v", "%+v", "%#v", "%q"} {
		text := fmt.Sprintf(format, err)
		for _, key := range [][]byte{systemtest.Key, systemtest.BootstrapKey} {
			if strings.Contains(text, string(key)) || strings.Contains(text, fmt.Sprintf("%x", key)) {
				t.Errorf("%s of %T shows a key", format, err)
			}
		}
	}
	switch wrapped := err.(type) {
	case interface{ Unwrap() error }:
		if cause := wrapped.Unwrap(); cause != nil {
			showsNoKey(t, cause)
		}
	case interface{ Unwrap() []error }:
		for _, cause := range wrapped.Unwrap() {
			showsNoKey(t, cause)
		}
	}
}

// The error of an event says what the event says. Only an error event has one,
// and of one that went through JSON the code and the text are left.
func TestEventErr(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		client := s.start(s.nowhere())
		e := client.Next(holdfast.EventError)
		for _, before := range client.Seen[:len(client.Seen)-1] {
			if err := before.Err(); err != nil {
				t.Errorf("%s: %v", before.Type, err)
			}
		}
		coded, ok := errors.AsType[*holdfast.Error](e.Err())
		if !ok || coded.Code != e.Code || coded.Phase != e.Phase || !strings.HasSuffix(coded.Error(), ": "+e.Detail) {
			t.Errorf("%+v of %+v", coded, e)
		}
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var read holdfast.Event
		if err := json.Unmarshal(line, &read); err != nil {
			t.Fatal(err)
		}
		if err := read.Err(); !errors.Is(err, holdfast.ErrDNS) || reaches[*net.DNSError](err) || err.Error() != e.Err().Error() {
			t.Errorf("%v of %s", err, line)
		}
		for _, past := range client.Explain().Transitions {
			if reaches[*net.DNSError](past.Err()) {
				t.Error("a transition keeps its cause alive")
			}
		}
		_ = client.Close(context.Background())
	})
}
