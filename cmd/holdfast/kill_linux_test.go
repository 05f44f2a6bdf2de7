package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// way is how an update is ordered, and where its image is.
type way string

// The ways.
const (
	manifestManagement way = "manifest, management link"
	manifestLink       way = "manifest, own link"
	manifestHTTP       way = "manifest, HTTP"
	uriManagement      way = "URI, management link"
	uriLink            way = "URI, own link"
	uriHTTP            way = "URI, HTTP"
	pushed             way = "push"
)

var ways = []way{manifestManagement, uriLink, pushed, manifestHTTP, uriManagement, manifestLink, uriHTTP}

// signed reports whether an update goes through object 10252.
func (w way) signed() bool {
	return slices.Contains([]way{manifestManagement, manifestLink, manifestHTTP}, w)
}

// order is an update that the server has ordered.
type order struct {
	way
	name     string
	content  lwm2mtest.Pattern
	manifest []byte
	uri      string
	from     int   // where in what the server was told it begins
	ordered  bool  // the client has taken it
	doubt    bool  // it may have: the answer was lost
	executed bool  // so with the Execute of Update
	unsure   bool  // the answer to that was lost
	kills    int   // since it was begun
	cuts     int   // of packages, by the client's registering anew
	resumes  int64 // where fetching has to go on; 0 for anywhere
	fetches  int   // how often it had begun before the present process
}

// mortality is a test: what is ordered, and when the gateway is killed.
type mortality struct {
	*mortal
	random *rand.Rand
	orders int
	span   time.Duration // of a start and an update
	lives  []int         // where in what the server was told the processes begin
}

// newOrder makes the next image and the order for it.
func (m *mortality) newOrder() *order {
	m.t.Helper()
	m.bury(true)
	m.orders++
	o := &order{way: ways[(m.orders-1)%len(ways)], name: fmt.Sprintf("image-%d", m.orders), content: lwm2mtest.Pattern(m.orders), from: len(m.told.All())}
	m.images.add(o.name, o.content)
	switch o.way {
	case manifestManagement, uriManagement:
		o.uri = "coap://" + m.addr + "/" + o.name
	case manifestLink, uriLink:
		o.uri = "coap://" + m.images.linkAddr + "/" + o.name
	default:
		o.uri = "http://" + m.images.webAddr + "/" + o.name
	}
	if o.signed() {
		o.manifest = m.sign(o)
	}
	return o
}

func (m *mortality) sign(o *order) []byte {
	m.t.Helper()
	whole := make([]byte, killSize)
	_, _ = o.content.ReadAt(whole, 0) // it never fails
	image := m.signing.write(m.t, "image", whole)
	if got := m.signing.sign(m.t, "image", image, "uri", o.uri, "version", fmt.Sprintf("1.0.%d", m.orders)); got.exit != exitDone {
		m.t.Fatalf("%+v", got)
	}
	signed, err := os.ReadFile(m.signing.path("manifest"))
	if err != nil {
		m.t.Fatal(err)
	}
	return signed
}

// place orders the update, unless that was done, and reports whether it was. An order whose
// answer is lost is placed again: a client that has taken it says that it is busy with it.
func (m *mortality) place(o *order) {
	if o.doubt && o.way != pushed && len(m.values(o, firmware.PathState)) > 1 {
		o.ordered = true // it was: the server was told of it
		return
	}
	m.moments.pass("ordering")
	code, err := m.request(o)
	switch {
	case err != nil:
		o.doubt = true
	case code == lwm2m.CodeChanged, code == lwm2m.CodeBadRequest && o.doubt:
		o.ordered = true
		m.moments.pass("ordered")
	case code == lwm2m.CodeServiceUnavailable: // the client is reading its state: again
	case code == lwm2m.CodeRequestEntityIncomplete && o.way == pushed: // it has registered anew meanwhile: again
		o.cuts++
	default:
		m.t.Errorf("%s: the order was answered %s", o.name, code)
		o.ordered = true
	}
}

func (m *mortality) request(o *order) (lwm2m.Code, error) {
	var answer lwm2mtest.Response
	var err error
	switch {
	case o.way == pushed:
		answer, err = m.server.Push(m.alive, gateway, "/5/0/0", o.content.Reader(killSize), lwm2mtest.PushOptions{Before: m.pushes})
	case o.signed():
		answer, err = m.server.Write(m.alive, gateway, "/10252/0/1", lwm2mtest.Replace, lwm2mtest.Content{Format: lwm2m.FormatOpaque, Payload: o.manifest})
	default:
		answer, err = m.server.Write(m.alive, gateway, "/5/0/1", lwm2mtest.Replace, lwm2mtest.Content{Format: lwm2m.FormatText, Payload: []byte(o.uri)})
	}
	return answer.Code, err
}

// pushes says how far a package has been sent, and keeps the pace.
func (m *mortality) pushes(ctx context.Context, offset int64) error {
	m.moments.pass(quarter(offset * 4 / killSize))
	select {
	case <-time.After(killPace):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// execute has what was downloaded through object 5 installed.
func (m *mortality) execute(o *order) {
	m.moments.pass("executing")
	answer, err := m.server.Execute(m.alive, gateway, "/5/0/2", "")
	switch {
	case err != nil:
		o.unsure = true
	case answer.Code == lwm2m.CodeChanged, answer.Code == lwm2m.CodeMethodNotAllowed && o.unsure:
		o.executed = true
		m.moments.pass("executed")
	default:
		m.t.Errorf("%s: Update was answered %s", o.name, answer.Code)
		o.executed = true
	}
}

// values are those that the server was told of a resource during an update, without
// repetitions; the first is what was told last before.
func (m *mortality) values(o *order, path lwm2m.Path) (values []int64) {
	for i, told := range m.told.All() {
		if told.Path != path {
			continue
		}
		if i < o.from {
			values = values[:0]
		}
		values = append(values, told.Value.Int())
	}
	return slices.Compact(values)
}

// drive does what the server does, until the update or the process has ended.
func (m *mortality) drive(o *order) (over bool) {
	for m.alive.Err() == nil {
		seen, registers := len(m.told.All()), m.server.Registers(gateway)
		if !m.observes() { // again after each Register
			break
		}
		state := m.values(o, firmware.PathState)
		switch {
		case !o.ordered:
			m.place(o)
			continue
		case !o.signed() && !o.executed && len(state) > 0 && state[len(state)-1] == 2:
			m.execute(o)
			continue
		case m.over(o):
			return true
		}
		if m.server.Await(m.alive, func() bool { return len(m.told.All()) > seen || m.server.Registers(gateway) > registers }) != nil {
			break
		}
	}
	return false
}

// over reports whether the server was told that an update has ended.
func (m *mortality) over(o *order) bool {
	for path, want := range o.values() {
		values := m.values(o, path)
		if len(values) < 2 || values[len(values)-1] != want[len(want)-1] {
			return false
		}
	}
	return true
}

// values are those that the server has to be told of each resource, in that order.
func (o *order) values() map[lwm2m.Path][]int64 {
	all := map[lwm2m.Path][]int64{
		firmware.PathState: {0, 1, 2, 3, 0}, firmware.PathResult: {0, 1},
		firmware.PathManifestState: {1, 3, 4, 5, 6, 7, 1}, firmware.PathManifestResult: {-1, int64(firmware.ResultSuccess)},
	}
	switch {
	case o.signed():
		all[firmware.PathManifestState] = []int64{1, -1, 3, 4, 6, 7, 1}
	case o.way == pushed:
		all[firmware.PathManifestState] = []int64{1, 4, 5, 6, 7, 1}
	}
	return all
}

// cut are the values of a package that was being sent when the client was killed: they come
// before those of the next attempt.
var cut = map[lwm2m.Path][]int64{
	firmware.PathState: {0, 1}, firmware.PathResult: {0, firmware.Object5ConnectionLost},
	firmware.PathManifestState: {1, 4}, firmware.PathManifestResult: {-1, int64(firmware.ResultDownloadFailed)},
}

// judge checks an update that is over.
func (m *mortality) judge(o *order) {
	m.t.Helper()
	for path, want := range o.values() {
		m.judgeValues(o, path, want)
	}
	m.judgeInstalls(o)
}

// judgeValues checks that the server was told each value of a resource, in order.
func (m *mortality) judgeValues(o *order, path lwm2m.Path, want []int64) {
	m.t.Helper()
	got := m.values(o, path)
	if got[0] != want[0] { // the result of the update before
		got = got[1:]
	}
	if slices.Equal(got, want) {
		return
	}
	for n := 1; o.way == pushed && n <= o.kills+o.cuts; n++ {
		if slices.Equal(got, append(slices.Repeat(cut[path], n), want...)) {
			return
		}
	}
	m.t.Errorf("%s, %s: of %s the server was told %v, want %v", o.name, o.way, path, got, want)
}

// judgeInstalls checks what the install command was given: it runs again after a kill.
func (m *mortality) judgeInstalls(o *order) {
	m.t.Helper()
	sum := o.content.SHA256(killSize)
	want := strings.Repeat(" "+hex.EncodeToString(sum[:]), 2)[1:]
	ctx, cancel := m.soon()
	defer cancel()
	for n := 0; n == 0 || len(m.installs) > 0; n++ {
		select {
		case got := <-m.installs:
			if got != want {
				m.t.Errorf("%s, %s: of the image and of the file installed the digests are %s, want %s", o.name, o.way, got, want)
			}
		case <-ctx.Done():
			m.t.Errorf("%s, %s: nothing was installed", o.name, o.way)
			return
		}
	}
}

// judgeNotifications checks that nothing is notified again after its acknowledgement was on the
// disk. That of the latest value may not have been, when the client was killed, or when the value
// was in the answer to an Observe; that of those before was, or the latest would not have been
// reported.
func (m *mortality) judgeNotifications() {
	m.t.Helper()
	values, latest, again, all := map[lwm2m.Path]int64{}, lwm2m.Path{}, false, m.told.All()
	for i, told := range all {
		if slices.Contains(m.lives, i) {
			again = true
		}
		before, known := values[told.Path]
		switch {
		case !known || before != told.Value.Int():
			values[told.Path], latest, again = told.Value.Int(), told.Path, told.By == lwm2mtest.ByObserve
		case told.By == lwm2mtest.ByObserve && told.Path == latest:
			again = true
		case told.By == lwm2mtest.ByNotification && again && told.Path == latest:
			again = false
		case told.By == lwm2mtest.ByNotification:
			m.t.Errorf("%s is %d was notified again, behind:", told.Path, before)
			for j, t := range all[max(0, i-20) : i+1] {
				m.t.Log(t.Time.Format("15:04:05.000"), t.By, t.Path, t.Value.Int(), slices.Contains(m.lives, max(0, i-20)+j))
			}
		}
	}
}

// aim is when a process is killed: some time after a moment.
type aim struct {
	moment string // empty: its start
	after  time.Duration
}

// delicate are the moments that are aimed at before all others: from the order to the installer
// at work.
var delicate = []aim{
	{"registered", 5 * time.Millisecond},
	{"ordering", 4 * time.Millisecond}, {"ordered", time.Millisecond}, {toldMoment(firmware.PathManifestState, int64(firmware.StateDownloading)), 3 * time.Millisecond},
	{quarter(0), 20 * time.Millisecond}, {quarter(1), 20 * time.Millisecond}, {quarter(2), 20 * time.Millisecond}, {quarter(3), 50 * time.Millisecond},
	{toldMoment(firmware.PathState, firmware.Object5Downloaded), 3 * time.Millisecond}, {"executing", 4 * time.Millisecond}, {"executed", time.Millisecond},
	{"installing", 50 * time.Millisecond},
}

// aims returns when to kill, n times: half of it at random, and half at what is delicate, or when
// the server is told one of the values.
func (m *mortality) aims(n int) (aims []aim) {
	values := slices.Clone(delicate)
	for _, o := range []*order{{way: pushed}, {way: manifestHTTP}} {
		for _, path := range firmware.Reported() {
			for _, value := range o.values()[path] {
				values = append(values, aim{toldMoment(path, value), 3 * time.Millisecond})
			}
		}
	}
	m.shuffle(values[:len(delicate)])
	m.shuffle(values[len(delicate):])
	for i := range n {
		a := aim{after: m.span}
		if i%2 == 0 {
			a = values[i/2%len(values)]
		}
		a.after = time.Duration(m.random.Int64N(int64(a.after)))
		aims = append(aims, a)
	}
	return aims
}

func (m *mortality) shuffle(aims []aim) {
	m.random.Shuffle(len(aims), func(i, j int) { aims[i], aims[j] = aims[j], aims[i] })
}

// doom has the next process killed.
func (m *mortality) doom(a aim) {
	came := m.moments.await(a.moment)
	if a.moment == "" {
		m.moments.pass("")
	}
	m.starts()
	alive, process := m.alive, m.cmd.Process
	go func() {
		select {
		case <-came:
		case <-alive.Done():
			return
		}
		wait, cancel := context.WithTimeout(alive, a.after)
		<-wait.Done()
		cancel()
		_ = process.Kill() // it may have ended: the test says so
	}()
}

// starts starts the next process.
func (m *mortality) starts() {
	m.lives = append(m.lives, len(m.told.All()))
	m.begins()
}

// live drives updates until the process is dead, or the update is over and stop is set; it
// returns the update that is under way.
func (m *mortality) live(o *order, stop bool) *order {
	m.t.Helper()
	o.fetches = len(m.images.startsOf(o.name)) // of the processes before
	for m.observes() && m.drive(o) {
		m.judgeStart(o)
		m.judge(o)
		if stop {
			return o
		}
		o = m.newOrder()
	}
	if stop || context.Cause(m.alive) == errHangs {
		m.t.Fatalf("%s, %s: %v", o.name, o.way, context.Cause(m.alive))
	}
	m.reap()
	m.judgeStart(o)
	if m.random.IntN(4) == 0 {
		m.server.Forget() // it was restarted, too: it registers the client anew, and observes again
	}
	o.kills++
	if o.resumes = m.left(); o.resumes == killSize || o.way == pushed {
		o.resumes = 0
	}
	return o
}

// judgeStart checks that a download went on where it was when the process before was killed: it
// fetches the last byte again, or the block with it, to see that this is still the same.
func (m *mortality) judgeStart(o *order) {
	m.t.Helper()
	starts := m.images.startsOf(o.name)[o.fetches:]
	if o.resumes > 0 && len(starts) > 0 && starts[0]/1024 != (o.resumes-1)/1024 {
		m.t.Errorf("%s, %s: fetching goes on at %d, and %d bytes were there", o.name, o.way, starts, o.resumes)
	}
}

// settled waits until nothing is owed to the server any more: what an answer to an Observe has
// told is notified besides.
func (m *mortality) settled() {
	m.t.Helper()
	ctx, cancel := m.soon()
	defer cancel()
	pending := -1
	for pending != 0 && ctx.Err() == nil {
		pending = m.pending()
	}
	if pending != 0 {
		m.t.Errorf("%d values are owed still", pending)
	}
}

// pending is how many values are owed when the client has done everything that it was sent
// before.
func (m *mortality) pending() int {
	m.t.Helper()
	if answer, err := m.server.Execute(m.alive, gateway, "/5/0/2", ""); err != nil || answer.Code != lwm2m.CodeMethodNotAllowed {
		m.t.Errorf("Update without an image was answered %s, %v", answer.Code, err)
	}
	got := invoke(m.t.Context(), "ctl", "status", "--json", "--addr", m.socket)
	var status struct{ Firmware struct{ Pending *int } }
	if err := json.Unmarshal([]byte(got.stdout), &status); err != nil || status.Firmware.Pending == nil {
		m.t.Fatalf("%+v: %v", got, err)
	}
	return *status.Firmware.Pending
}

// ending ends the process in order, and checks what is left in the directory of images.
func (m *mortality) ending() {
	m.t.Helper()
	m.signal(syscall.SIGTERM)
	if <-m.alive.Done(); m.exit != nil {
		m.t.Error(m.exit)
	}
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		m.t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != "lock" {
		m.t.Errorf("left in the directory of images: %v", entries)
	}
}

// A client that is killed at any moment of an update goes on with it: each time the image is
// the right one, and the server is told every state, in order, and the result.
func TestKilledDuringUpdates(t *testing.T) {
	kills, seed := 50, rand.Uint64()
	if testing.Short() {
		kills = 10
	}
	t.Logf("seed %d", seed)
	m := &mortality{mortal: newMortal(t), random: rand.New(rand.NewPCG(seed, 0))}
	defer func() {
		if t.Failed() {
			m.reap()
			all := m.told.All()
			for _, told := range all[max(0, len(all)-100):] {
				t.Log(told.Time.Format("15:04:05.000"), told.By, told.Path, told.Value.Int())
			}
			t.Logf("what the client said:\n%s", m.tail())
		}
	}()
	m.undisturbed()
	o := m.newOrder()
	for i, a := range m.aims(kills) {
		m.doom(a)
		o = m.live(o, false)
		t.Logf("%d: killed %v after %q, of %s, %s", i, a.after, a.moment, o.name, o.way)
	}
	m.starts()
	m.live(o, true)
	m.settled()
	m.ending()
	m.starts()
	if !m.observes() {
		t.Fatal("the client does not come back")
	}
	m.settled()
	m.ending()
	m.judgeNotifications()
	if err := m.told.Err(); err != nil {
		t.Error(err)
	}
}

// undisturbed has a client whose update nobody interrupts: that is how long one takes.
func (m *mortality) undisturbed() {
	m.t.Helper()
	began := time.Now()
	m.starts()
	m.live(m.newOrder(), true)
	m.span = time.Since(began)
	m.reap()
}
