package bootstrap

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/internal/core"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the scenarios under testdata with what the machine does now")

// TestScenarios runs testdata/*.txt. A line that is not indented is an input,
// and the indented lines below it are what the machine does about it:
//
//	begin VERSION TREE            tree: bare, factory
//	linkup, linklost CLASS
//	answer CODE [text=] [max-age=] [echo=]
//	exhausted, reset
//	GET|PUT|POST|DELETE PATH [format=] [accept=] [body=]
//	persisted, persist-failed
//	advance DURATION              due timers expire at their instant
//
// A body is INSTANCE (written as it is at an instance), ID:INSTANCE,... (at an
// object), =TEXT or hex=BYTES.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, got, string(want))
		})
	}
}

// compare points at the first line that differs.
func compare(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("line %d differs, got:\n%s", i+1, strings.Join(g[min(i, len(g)):], "\n"))
		}
	}
}

// player drives one machine on a clock of its own.
type player struct {
	t       *testing.T
	machine *Machine
	now     time.Time
	timers  map[core.Timer]time.Time
	request uint64
	inbound uint64
	token   uint64
	tree    *lwm2m.Tree // as given to the machine
	before  *lwm2m.Tree // a copy
	out     strings.Builder
}

func play(t *testing.T, script string) string {
	p := &player{t: t, machine: New(Config{}), now: start, timers: map[core.Timer]time.Time{}}
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, " ") {
			continue
		}
		fmt.Fprintln(&p.out, line)
		if line != "" && !strings.HasPrefix(line, "#") {
			p.input(strings.Fields(line))
		}
	}
	if p.tree != nil && !p.tree.Equal(p.before) {
		t.Error("the machine changed the tree that it was given")
	}
	return p.out.String()
}

func (p *player) input(words []string) {
	arguments := map[string]string{}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		arguments[key] = value
	}
	switch words[0] {
	case "begin":
		p.begin(words[1], words[2])
	case "linkup":
		p.step(messages.LinkUp{Epoch: epoch})
	case "linklost":
		p.step(messages.LinkLost{Failure: messages.Failure{Class: p.class(words[1]), Epoch: epoch}})
	case "answer":
		p.step(p.answer(words[1], arguments))
	case "exhausted":
		p.step(messages.RequestFailed{Epoch: epoch, ID: p.request, Reason: messages.Exhausted})
	case "reset":
		p.step(messages.RequestFailed{Epoch: epoch, ID: p.request, Reason: messages.Reset})
	case "persisted":
		p.step(core.Persisted{Token: p.token})
	case "persist-failed":
		p.step(core.PersistFailed{Token: p.token, Err: errors.New("no space left on device")})
	case "advance":
		p.advance(words[1])
	default:
		p.step(p.operation(words[0], words[1], arguments))
	}
}

func (p *player) begin(version, tree string) {
	p.tree = map[string]func() *lwm2m.Tree{"bare": bareTree, "factory": factoryTree}[tree]()
	p.before = p.tree.Clone()
	p.step(begin(version, p.tree))
}

func (p *player) class(name string) messages.Class {
	for _, c := range messages.Classes() {
		if c.String() == name {
			return c
		}
	}
	p.t.Fatalf("no class %q", name)
	return 0
}

func (p *player) code(s string) messages.CoAPCode {
	var class, detail uint8
	if _, err := fmt.Sscanf(s, "%d.%d", &class, &detail); err != nil {
		p.t.Fatalf("code %q: %v", s, err)
	}
	return messages.NewCoAPCode(class, detail)
}

func (p *player) answer(code string, arguments map[string]string) messages.Response {
	r := messages.Response{Epoch: epoch, ID: p.request, Code: p.code(code)}
	r.Payload = []byte(strings.ReplaceAll(arguments["text"], "_", " "))
	r.Echo = p.hex(arguments["echo"])
	if s := arguments["max-age"]; s != "" {
		r.MaxAge = new(uint32(p.number(s)))
	}
	return r
}

func (p *player) hex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

func (p *player) number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

var methods = map[string]messages.CoAPCode{
	"GET": messages.GET, "PUT": messages.PUT, "POST": messages.POST, "DELETE": messages.DELETE,
	"FETCH": messages.FETCH, "IPATCH": messages.IPATCH,
}

func (p *player) operation(method, path string, arguments map[string]string) messages.Inbound {
	p.inbound++
	in := messages.Inbound{
		Epoch: epoch, ID: p.inbound, Code: methods[method],
		Path: strings.Split(strings.TrimPrefix(path, "/"), "/"),
	}
	if s := arguments["accept"]; s != "" {
		in.Accept = new(messages.Format(p.number(s)))
	}
	if s := arguments["format"]; s != "" {
		in.ContentFormat = new(messages.Format(p.number(s)))
	}
	if _, given := arguments["observe"]; given {
		in.Observe = new(uint32(0))
	}
	if s, given := arguments["body"]; given {
		in.Payload = p.body(in.ContentFormat.Standard(), path, s)
	}
	return in
}

func (p *player) body(format messages.Format, path, s string) []byte {
	if text, found := strings.CutPrefix(s, "="); found {
		return []byte(text)
	}
	if digits, found := strings.CutPrefix(s, "hex="); found {
		return p.hex(digits)
	}
	target := mustPath(path)
	if target.Len() == 2 {
		return encodeBody(format, target, nodes(target, bodies[s]))
	}
	var whole lwm2m.Payload
	for _, item := range strings.Split(s, ",") {
		id, name, _ := strings.Cut(item, ":")
		one := nodes(target.Child(uint16(p.number(id))), bodies[name])
		whole.Nodes = append(whole.Nodes, one.Nodes...)
		whole.Instances = append(whole.Instances, one.Instances...)
	}
	return encodeBody(format, target, whole)
}

// advance moves the clock; timers expire on the way.
func (p *player) advance(s string) {
	d, err := time.ParseDuration(s)
	if err != nil {
		p.t.Fatal(err)
	}
	end := p.now.Add(d)
	for {
		timer, due := p.next()
		if timer.Name == "" || due.After(end) {
			break
		}
		p.now = due
		delete(p.timers, timer)
		p.print("at %v: expired %s", due.Sub(start), timer)
		p.step(core.Expired{Timer: timer})
	}
	p.now = end
}

func (p *player) next() (core.Timer, time.Time) {
	var first core.Timer
	for timer, due := range p.timers {
		if first.Name == "" || due.Before(p.timers[first]) {
			first = timer
		}
	}
	return first, p.timers[first]
}

func (p *player) print(format string, a ...any) { fmt.Fprintf(&p.out, "    "+format+"\n", a...) }

func (p *player) step(in any) {
	before := p.machine.State()
	for _, effect := range p.machine.Step(p.now, in) {
		p.effect(effect)
	}
	if after := p.machine.State(); after != before {
		p.print("state %v", after)
	}
}

func (p *player) effect(effect core.Effect) {
	switch effect := effect.(type) {
	case core.SetTimer:
		p.timers[effect.Timer] = p.now.Add(effect.After)
		p.print("timer %s %v", effect.Timer, effect.After)
	case core.StopTimer:
		if _, armed := p.timers[effect.Timer]; armed {
			delete(p.timers, effect.Timer)
			p.print("stop %s", effect.Timer)
		}
	case core.Persist:
		p.token = effect.Token
		p.print("persist %s: %s", effect.Record, p.describe(effect.Data))
	case core.After:
		p.print("after the store's answer:")
	case core.Tell:
		p.tell(effect)
	default:
		p.t.Fatalf("effect %T", effect)
	}
}

// describe shows a record by its accounts.
func (p *player) describe(data []byte) string {
	tree, err := accounts.Decode(data)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := accounts.Check(tree); err != nil {
		p.t.Errorf("stored in spite of: %v", err)
	}
	return listAccounts(tree)
}

func listAccounts(tree *lwm2m.Tree) string {
	var list []string
	accts, _ := accounts.FromTree(tree)
	for _, a := range accts {
		list = append(list, fmt.Sprintf("%v %v %v", a.Peer, a.URI, a.Credentials.Mode))
	}
	return strings.Join(list, ", ")
}

func (p *player) tell(effect core.Tell) {
	switch message := effect.Message.(type) {
	case messages.Request:
		p.request = message.ID
		p.print("request %d %s/%s?%s%s", message.ID, map[messages.CoAPCode]string{messages.POST: "POST "}[message.Code],
			strings.Join(message.Path, "/"), strings.Join(message.Query, "&"), echo(message.Echo))
	case messages.Reply:
		p.print("reply %d %v%s", message.ID, message.Code, payload(message))
	case messages.BootstrapStarted:
		p.print("supervisor: started")
	case messages.Bootstrapped:
		p.print("supervisor: bootstrapped: %s", listAccounts(message.Tree))
	case messages.Failed:
		f := message.Failure
		p.print("supervisor: failed in phase %v: %v%s", f.Phase, f.Error(), maxAge(f.MaxAge))
	default:
		p.t.Fatalf("message %T to %v", message, effect.To)
	}
	if fromUs := slices.Contains([]core.Role{core.Link, core.Supervisor}, effect.To); !fromUs {
		p.t.Fatalf("a message to %v", effect.To)
	}
}

func echo(value []byte) string {
	if len(value) == 0 {
		return ""
	}
	return fmt.Sprintf(" echo=%x", value)
}

func maxAge(d *time.Duration) string {
	if d == nil {
		return ""
	}
	return fmt.Sprintf(" (max-age %v)", *d)
}

// payload shows link-format and diagnostics as text and the rest as bytes.
func payload(r messages.Reply) string {
	switch {
	case r.ContentFormat == nil && len(r.Payload) == 0:
		return ""
	case r.ContentFormat == nil:
		return " " + string(r.Payload)
	case *r.ContentFormat == messages.FormatLinkFormat:
		return " format=40 " + string(r.Payload)
	}
	return fmt.Sprintf(" format=%d %x", *r.ContentFormat, r.Payload)
}
