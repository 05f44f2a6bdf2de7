package uplink

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-iot/holdfast/internal/linkwatch"
)

var names = []string{"eth0", "wlan0", "wwan0"}

// machineOf is a machine with interfaces: "eth0+" has a default route, "eth0" an address only,
// "eth0-" no carrier, "eth0?" no address.
func machineOf(list string) (v linkwatch.View) {
	for _, text := range strings.Fields(list) {
		name := strings.TrimRight(text, "+-?")
		i := linkwatch.Interface{Name: name, Index: slices.Index(names, name) + 2, Up: !strings.HasSuffix(text, "-")}
		if !strings.HasSuffix(text, "?") {
			i.Addresses = []linkwatch.Usable{{Addr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i.Index)})}}
		}
		i.Route4.Is = strings.HasSuffix(text, "+")
		v = append(v, i)
	}
	return v
}

// step is what a machine is like from an instant on, and what is used then.
type step struct {
	after  time.Duration
	is     string
	used   string
	reason string // a part of it
	wake   time.Duration
}

func TestChooser(t *testing.T) {
	tests := []struct {
		name  string
		steps []step
	}{
		{"nothing is there", []step{{is: "", reason: "eth0 is not there, wlan0 is not there, wwan0 is not there"}}},
		{"none can be used", []step{{is: "eth0- wlan0? wwan0-", reason: "eth0 is down, or has no carrier, wlan0 has no address"}}},
		{"the first", []step{{is: "eth0+ wlan0+ wwan0+", used: "eth0"}}},
		{"the first with a route", []step{{is: "eth0 wlan0 wwan0+", used: "wwan0"}}},
		{"none has a route", []step{{is: "wlan0 wwan0", used: "wlan0"}}},
		{"one comes", []step{{is: ""}, {after: time.Hour, is: "wwan0+", used: "wwan0"}}},
		{"fall back and return", []step{
			{is: "eth0+ wwan0+", used: "eth0"},
			{after: time.Hour, is: "eth0- wwan0+", used: "wwan0", reason: "eth0 is down"},
			{after: time.Minute, is: "eth0+ wwan0+", used: "wwan0", wake: Hold},
			{after: Hold - 1, is: "eth0+ wwan0+", used: "wwan0", wake: 1},
			{after: 1, is: "eth0+ wwan0+", used: "eth0", reason: "eth0 has been good for 30s"},
		}},
		{"one that is lost again is trusted later", []step{
			{is: "eth0+ wwan0+", used: "eth0"},
			{after: time.Hour, is: "wwan0+", used: "wwan0"},
			{is: "eth0+ wwan0+", used: "wwan0", wake: Hold},
			{after: Hold, is: "eth0+ wwan0+", used: "eth0"},
			{after: time.Second, is: "wwan0+", used: "wwan0"},
			{is: "eth0+ wwan0+", used: "wwan0", wake: 2 * Hold},
			{after: 2 * Hold, is: "eth0+ wwan0+", used: "eth0"},
		}},
		{"it has to be good without a break", []step{
			{is: "wwan0+", used: "wwan0"},
			{is: "eth0+ wwan0+", used: "wwan0", wake: Hold},
			{after: Hold - 1, is: "eth0- wwan0+", used: "wwan0"},
			{after: 1, is: "eth0+ wwan0+", used: "wwan0", wake: Hold},
		}},
		{"the route goes", []step{
			{is: "eth0+ wwan0+", used: "eth0"},
			{after: time.Hour, is: "eth0 wwan0+", used: "wwan0", reason: "eth0 has no default route"},
		}},
		{"one gets a way out where the one in use has none", []step{
			{is: "eth0 wwan0", used: "eth0"},
			{after: time.Hour, is: "eth0 wwan0+", used: "wwan0", reason: "eth0 has no default route"},
		}},
		{"a way out that was lost is trusted later", []step{
			{is: "eth0 wwan0+", used: "wwan0"},
			{after: time.Hour, is: "eth0 wwan0-", used: "eth0"},
			{is: "eth0 wwan0+", used: "eth0", wake: Hold},
			{after: Hold, is: "eth0 wwan0+", used: "wwan0"},
		}},
		{"all go", []step{{is: "eth0+", used: "eth0"}, {after: 1, is: "eth0-"}, {after: 1, is: "eth0+", used: "eth0"}}},
	}
	for _, tt := range tests {
		c, now := NewChooser(names), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for i, s := range tt.steps {
			now = now.Add(s.after)
			choice, wake := c.Step(now, machineOf(s.is))
			used := ""
			if choice.Interface != nil {
				used = choice.Interface.Name
			}
			var in time.Duration
			if !wake.IsZero() {
				in = wake.Sub(now)
			}
			if used != s.used || in != s.wake || !strings.Contains(choice.Reason, s.reason) {
				t.Errorf("%s, step %d: %q (%s), again in %v; want %q (%s), %v", tt.name, i, used, choice.Reason, in, s.used, s.reason, s.wake)
			}
		}
	}
}

// Whatever interfaces do: one is used as soon and as long as one can be, never one that
// cannot be, and when all has been quiet for long enough it is the best.
func TestChooserProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, now := NewChooser(names), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		draw := func() string {
			var list []string
			for _, name := range names {
				if suffix := rapid.SampledFrom([]string{"", "+", "-", "?", "gone"}).Draw(t, name); suffix != "gone" {
					list = append(list, name+suffix)
				}
			}
			return strings.Join(list, " ")
		}
		last, grades, since := "", map[string]grade{}, map[string]time.Time{}
		is := ""
		look := func() (used string, wake time.Time) {
			view := machineOf(is)
			choice, wake := c.Step(now, view)
			if best := bestOf(view); (choice.Interface == nil) != (best == "") {
				t.Fatalf("%q: used is %v, the best is %q", is, choice.Interface, best)
			}
			if choice.Interface != nil {
				used = choice.Interface.Name
				if !view.Named(used).Reaches() {
					t.Fatalf("%q: %s cannot be used", is, used)
				}
			}
			if (used == "") != strings.Contains(choice.Reason, "no interface of the list") {
				t.Fatalf("%q is used, because %q", used, choice.Reason)
			}
			if !wake.IsZero() && !wake.After(now) {
				t.Fatal("a wake-up that is due already")
			}
			return used, wake
		}
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(2*time.Minute)).Draw(t, "pause")))
			is = draw()
			for _, name := range names {
				if g := gradeOf(machineOf(is).Named(name)); g != grades[name] {
					grades[name], since[name] = g, now
				}
			}
			used, _ := look()
			// A change to what is better by its place only comes when that has been as good
			// as it is for a hold.
			if used != last && last != "" && used != "" && grades[last] == grades[used] &&
				slices.Index(names, used) < slices.Index(names, last) && now.Sub(since[used]) < Hold {
				t.Fatalf("from %s to %s, which is like that for %v", last, used, now.Sub(since[used]))
			}
			last = used
		}
		used := ""
		for wake := now; !wake.IsZero(); {
			now = wake
			used, wake = look()
			if !wake.IsZero() && wake.Sub(now) > LongestHold {
				t.Fatalf("again in %v", wake.Sub(now))
			}
		}
		if best := bestOf(machineOf(is)); used != best {
			t.Fatalf("%q: in the end %q is used", is, used)
		}
	})
}

// bestOf is the first one with a route, else the first one that reaches.
func bestOf(v linkwatch.View) string {
	for _, want := range []grade{routed, onLink} {
		for _, name := range names {
			if i := v.Named(name); gradeOf(i) == want {
				return name
			}
		}
	}
	return ""
}
