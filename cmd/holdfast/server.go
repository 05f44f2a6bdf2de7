package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/definitions"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// serverOptions are the flags of the command server.
type serverOptions struct {
	listen, bootstrapListen string // UDP addresses, host:port
	advertise               string // host:port of the management server for clients
	pskFile                 string
	keys                    keys
	definitions, files      string // directories
	nosec, cid, asJSON      bool
}

// Where the server listens by default: the ports of RFC 7252 section 12.6 and
// 12.7, and for bootstrap those that other test servers took.
const (
	defaultListen               = "127.0.0.1:5684"
	defaultListenNoSec          = "127.0.0.1:5683"
	defaultBootstrapListen      = "127.0.0.1:5784"
	defaultBootstrapListenNoSec = "127.0.0.1:5783"
)

// maxHistory is what the server remembers of what it has printed.
const maxHistory = 1 << 12

// runServer is the command server.
func (p *program) runServer(args []string) int {
	o, exit, ok := p.serverOptions(args)
	if !ok {
		return exit
	}
	files, ok := unlessEnded(p, o.read)
	if !ok {
		return exitDone // as asked
	}
	if len(files.errs) > 0 {
		for _, err := range files.errs {
			p.complain("%v", err)
		}
		return exitConfig
	}
	for _, w := range files.warnings {
		p.complain("warning: %v", w)
	}
	management, err := net.ListenPacket("udp", o.listen)
	if err != nil {
		p.complain("%v", err)
		return exitFailed
	}
	bootstrap, err := net.ListenPacket("udp", o.bootstrapListen)
	if err != nil {
		_ = management.Close() // nothing was sent
		p.complain("%v", err)
		return exitFailed
	}
	return p.serve(o, files, management, bootstrap)
}

// serverOptions parses the flags. When it is not ok, the command ends with the
// exit code.
func (p *program) serverOptions(args []string) (o serverOptions, exit int, ok bool) {
	o.keys = keys{}
	fs := p.flags("server (--psk-file FILE | --psk ID:HEX ... | --nosec) [flags]")
	fs.StringVar(&o.listen, "listen", "", "UDP `ADDRESS` of the management server (default "+defaultListen+", with --nosec "+defaultListenNoSec+")")
	fs.StringVar(&o.bootstrapListen, "bootstrap-listen", "", "UDP `ADDRESS` of the bootstrap server (default "+defaultBootstrapListen+", with --nosec "+defaultBootstrapListenNoSec+")")
	fs.StringVar(&o.advertise, "advertise", "", "`HOST:PORT` by which clients reach the management server (default: where it listens)")
	fs.StringVar(&o.pskFile, "psk-file", "", "`FILE` with a line ID:HEX for each pre-shared key")
	fs.Func("psk", "pre-shared key `ID:HEX`, repeatable; for trial keys only, as everyone on the machine can read it", o.keys.add)
	fs.StringVar(&o.definitions, "definitions", "", "`DIR` with definitions of objects, XML files of the OMA's registry, for names, types and units of more than the objects of LwM2M itself")
	fs.StringVar(&o.files, "files", "", "`DIR` whose files clients can fetch from the management server, firmware images say: coap://HOST:PORT/NAME")
	fs.BoolVar(&o.nosec, "nosec", false, "serve plain CoAP")
	fs.BoolVar(&o.cid, "cid", true, "give clients DTLS Connection IDs (RFC 9146), by which they are known when they come from elsewhere; --cid=false for none")
	fs.BoolVar(&o.asJSON, "json", false, "print one JSON object a line")
	if exit, ok := p.parse(fs, args, 0); !ok {
		return o, exit, false
	}
	if problem := o.problem(); problem != "" {
		return o, p.misused(fs, problem), false
	}
	if len(o.keys) > 0 {
		p.complain("warning: keys given with --psk can be read by everyone on this machine: for trial keys only")
	}
	return o.withDefaults(), exitDone, true
}

// problem says why the flags do not go together, or "".
func (o serverOptions) problem() string {
	keyed := len(o.keys) > 0 || o.pskFile != ""
	switch {
	case keyed && o.nosec:
		return "--nosec excludes --psk and --psk-file"
	case !keyed && !o.nosec:
		return "one of --psk-file, --psk and --nosec is required"
	case o.advertise == "" && unspecified(o.listen):
		return "with this --listen address, clients must be told another by --advertise"
	}
	return ""
}

// unspecified reports whether an address can be listened on but not sent to.
func unspecified(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

func (o serverOptions) withDefaults() serverOptions {
	if o.nosec {
		o.listen = cmp.Or(o.listen, defaultListenNoSec)
		o.bootstrapListen = cmp.Or(o.bootstrapListen, defaultBootstrapListenNoSec)
	}
	o.listen = cmp.Or(o.listen, defaultListen)
	o.bootstrapListen = cmp.Or(o.bootstrapListen, defaultBootstrapListen)
	return o
}

// serverFiles is what the files that flags name hold.
type serverFiles struct {
	registry *lwm2m.Registry
	images   *os.Root // nil for none
	errs     []error  // everything that is wrong
	warnings []error  // and that the server does without
}

// read reads the files.
func (o serverOptions) read() serverFiles {
	files := definedIn(o.definitions)
	files.errs = append(files.errs, o.readKeys()...)
	if o.files == "" {
		return files
	}
	images, err := os.OpenRoot(o.files)
	if err != nil {
		files.errs = append(files.errs, fmt.Errorf("--files: %w", err))
	}
	files.images = images
	return files
}

// definedIn reads the definitions of a directory, which come to those of LwM2M's own objects. A
// copy of the registry has files that define nothing: one that cannot be used is a
// warning, and only a directory without any that can is wrong.
func definedIn(dir string) serverFiles {
	if dir == "" {
		return serverFiles{registry: objects.Registry()}
	}
	defs, _, err := definitions.LoadFS(os.DirFS(dir), "*.xml")
	var faults definitions.Faults
	var wrong []error
	if errors.As(err, &faults) {
		for _, f := range faults {
			wrong = append(wrong, fmt.Errorf("%s: %w", dir, f))
		}
	}
	if len(defs) == 0 {
		return serverFiles{errs: wrong}
	}
	return serverFiles{registry: withCore(defs), warnings: wrong}
}

// withCore adds the definitions of LwM2M's own objects to those of others.
func withCore(defs []lwm2m.ObjectDef) *lwm2m.Registry {
	core := objects.Registry()
	var all []lwm2m.ObjectDef
	for id := range uint16(lwm2m.MaxID) {
		if def, known := core.Object(id); known {
			all = append(all, *def)
		}
	}
	return lwm2m.NewRegistry(append(all, defs...)...)
}

// readKeys adds the keys of the file and returns everything that is wrong.
func (o serverOptions) readKeys() []error {
	if o.pskFile == "" {
		return nil
	}
	errs := o.keys.readFile(o.pskFile)
	if len(errs) == 0 && len(o.keys) == 0 {
		errs = append(errs, fmt.Errorf("%s: holds no key", o.pskFile))
	}
	return errs
}

// serve runs the servers until the program's context ends, or somebody quits.
func (p *program) serve(o serverOptions, files serverFiles, management, bootstrap net.PacketConn) int {
	server := lwm2mtest.NewServer(lwm2mtest.ServerOptions{MaxHistory: maxHistory})
	if files.images != nil {
		defer files.images.Close()
		server.ServeDirectory(files.images.FS())
	}
	manage := server.ServeManagement(management, o.security())
	accounts := accountMaker{server: server, management: manage, scheme: o.scheme(), advertise: o.advertise, secret: o.keys.secret()}
	if accounts.advertise == "" {
		accounts.advertise = manage.Addr().String()
	}
	accounts.setAll(o.keys)
	boot := server.ServeBootstrap(bootstrap, o.security())

	ctx, quit := context.WithCancel(p.ctx)
	defer quit()
	inner := *p
	at := p.openPrompt()
	if at != nil {
		defer at.leave(p)
		defer context.AfterFunc(ctx, at.restore)() // a second signal ends the process at once
		inner = at.of(p)
	}
	commands := inner.console(server, files.registry, o.asJSON, quit)
	defer commands.Close()
	defer server.Close()
	log := inner.serverLog(server, commands, o.asJSON)
	log.listening("management", o.scheme()+"://"+manage.Addr().String())
	log.listening("bootstrap", o.scheme()+"://"+boot.Addr().String())
	inner.readCommands(commands, at, quit)
	log.follow(ctx)
	return exitDone
}

func (o serverOptions) security() lwm2mtest.Security {
	if o.nosec {
		return lwm2mtest.NoSec()
	}
	security := lwm2mtest.NoSec()
	for identity, key := range o.keys {
		one := lwm2mtest.PSK(identity, key)
		if security.PSK == nil {
			security = one
			continue
		}
		maps.Copy(security.PSK, one.PSK)
	}
	security.ConnectionID = o.cid
	return security
}

func (o serverOptions) scheme() string {
	if o.nosec {
		return "coap"
	}
	return "coaps"
}

// accountMaker says what clients get from the bootstrap server: an account at
// the management server beside it, with a key that follows from the bootstrap keys: a
// server that is restarted with the same ones knows the clients that it bootstrapped.
type accountMaker struct {
	server     *lwm2mtest.Server
	management *lwm2mtest.Service
	scheme     string
	advertise  string
	secret     []byte // of the keys that are made here
}

// setAll makes an account for every identity, for the endpoint of that name,
// and one that all other endpoints share.
func (m accountMaker) setAll(ks keys) {
	for _, identity := range slices.Sorted(maps.Keys(ks)) {
		m.set(identity)
	}
	m.set("")
}

func (m accountMaker) set(endpoint string) {
	account := lwm2mtest.AccountConfig{URI: m.scheme + "://" + m.advertise}
	if m.scheme == "coaps" {
		account.PSKIdentity, account.PSKKey = m.psk(endpoint)
		m.management.SetPSK(account.PSKIdentity, account.PSKKey)
	}
	m.server.SetBootstrap(endpoint, lwm2mtest.BootstrapConfig{Delete: []string{"/"}, Writes: account.Writes()})
}

// psk returns the key of an endpoint's account, 16 bytes, and an identity that no other
// account has.
func (m accountMaker) psk(endpoint string) (identity string, key []byte) {
	mac := hmac.New(sha256.New, m.secret)
	_, _ = mac.Write([]byte(endpoint)) // it never fails
	made := mac.Sum(nil)
	// The end is cut off an endpoint that fills an identity alone.
	name := cmp.Or(endpoint, "client")
	name = name[:min(len(name), maxIdentity-9)]
	return name + "-" + hex.EncodeToString(made[:4]), made[4:20]
}

// secret is one key made of all.
func (ks keys) secret() []byte {
	all := sha256.New()
	for _, identity := range slices.Sorted(maps.Keys(ks)) {
		fmt.Fprintf(all, "%q %x\n", identity, []byte(ks[identity])) // it never fails
	}
	return all.Sum(nil)
}
