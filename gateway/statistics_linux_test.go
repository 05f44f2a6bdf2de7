package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/object"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
)

// device is a line of /proc/net/dev.
func device(name string, rx, rxPackets, tx, txPackets uint64) string {
	return fmt.Sprintf("%6s: %d %d 0 0 0 0 0 0 %d %d 0 0 0 0 0 0\n", name, rx, rxPackets, tx, txPackets)
}

// devices writes /proc/net/dev.
func devices(t *testing.T, m Machine, lines ...string) {
	t.Helper()
	text := "Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
	for _, l := range lines {
		text += l
	}
	put(t, m, "proc/net/dev", text)
}

func statistics(t *testing.T, name string) (*Statistics, Machine) {
	t.Helper()
	m := files(t, nil)
	m.Now = time.Now
	devices(t, m, device("lo", 5_000_000, 9, 5_000_000, 9), device("eth0", 10_000, 10, 20_000, 20), device("wlan0", 1, 1, 1, 1))
	return NewStatistics(StatisticsConfig{Interface: name, Machine: m}), m
}

func period(seconds int64) object.Change {
	return object.Change{Resources: []lwm2m.Resource{{ID: objects.StatisticsCollectionPeriod, Value: lwm2m.Integer(seconds)}}}
}

// Nothing is counted before Start and after Stop, nothing of the loopback at all, and
// an interface that has been away has counted from zero.
func TestStatisticsFromStartToStop(t *testing.T) {
	s, m := statistics(t, "")
	told := watched(t, s)
	has(t, values(t, s), map[string]string{"/7/0/2": "0", "/7/0/3": "0", "/7/0/4": "", "/7/0/5": "0", "/7/0/8": "0", "/7/0/0": ""})
	if code := execute(t, s, "/7/0/6"); code != 0 {
		t.Fatal(code)
	}
	devices(t, m, device("lo", 9_000_000, 9, 9_000_000, 9), device("eth0", 13_000, 12, 26_500, 30), device("wlan0", 1, 1, 1, 1))
	has(t, values(t, s), map[string]string{"/7/0/2": "6", "/7/0/3": "3", "/7/0/5": "791"})
	devices(t, m, device("eth0", 13_000, 12, 26_500, 30)) // wlan0 has gone
	has(t, values(t, s), map[string]string{"/7/0/2": "6"})
	devices(t, m, device("eth0", 1_000, 1, 2_000, 2), device("wlan0", 4_000, 4, 500, 1)) // both are new
	has(t, values(t, s), map[string]string{"/7/0/2": "9", "/7/0/3": "8"})
	if code := execute(t, s, "/7/0/7"); code != 0 {
		t.Fatal(code)
	}
	devices(t, m, device("eth0", 900_000, 900, 900_000, 900))
	has(t, values(t, s), map[string]string{"/7/0/2": "9", "/7/0/3": "8"})
	_ = execute(t, s, "/7/0/6")
	has(t, values(t, s), map[string]string{"/7/0/2": "0", "/7/0/3": "0"})
	if got := told(); !slices.Equal(got, []string{"/7/0", "/7/0", "/7/0"}) {
		t.Errorf("told %v", got)
	}
	if code := execute(t, s, "/7/0/8"); code != lwm2m.CodeMethodNotAllowed {
		t.Errorf("%v", code)
	}
}

func TestStatisticsOfOneInterface(t *testing.T) {
	s, m := statistics(t, "wlan0")
	_ = execute(t, s, "/7/0/6")
	devices(t, m, device("eth0", 900_000, 900, 900_000, 900), device("wlan0", 2_001, 2, 1_001, 2))
	has(t, values(t, s), map[string]string{"/7/0/2": "1", "/7/0/3": "2"})
}

// The collection period ends to the instant, whether it was set before the Start or
// during it, and one that is Started again begins anew.
func TestCollectionPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := statistics(t, "eth0")
		sent := uint64(20_000)
		pass := func(d time.Duration, bytes uint64) {
			time.Sleep(d)
			synctest.Wait()
			sent += bytes
			devices(t, m, device("eth0", 10_000, 10, sent, 20))
		}
		want := func(kilobytes string) {
			t.Helper()
			has(t, values(t, s), map[string]string{"/7/0/2": kilobytes})
		}
		if code := write(t, s, period(60)); code != 0 {
			t.Fatal(code)
		}
		_ = execute(t, s, "/7/0/6")
		pass(60*time.Second-1, 5_000)
		want("5")
		pass(1, 7_000)
		want("5")
		_ = execute(t, s, "/7/0/6")
		pass(30*time.Second, 1_000)
		_ = write(t, s, period(31))
		pass(time.Second-1, 1_000)
		want("2")
		pass(1, 1_000)
		want("2")
		_ = execute(t, s, "/7/0/6")
		pass(time.Second, 1_000)
		_ = execute(t, s, "/7/0/6")
		pass(30*time.Second, 4_000)
		want("4")
		_ = write(t, s, object.Change{Replace: true}) // back to no end
		has(t, values(t, s), map[string]string{"/7/0/8": "0"})
		pass(time.Hour, 4_000)
		want("8")
		_ = write(t, s, period(1)) // which is over already
		pass(0, 4_000)
		want("8")
		_ = write(t, s, period(1<<62))
		_ = execute(t, s, "/7/0/6")
		pass(1000*time.Hour, 3_000)
		want("3")
		_ = execute(t, s, "/7/0/7")
	})
}

func TestStatisticsRefuseOtherWrites(t *testing.T) {
	s, _ := statistics(t, "")
	change := object.Change{Resources: []lwm2m.Resource{{ID: objects.StatisticsTxData, Value: lwm2m.Integer(0)}}}
	if code := write(t, s, change); code != lwm2m.CodeMethodNotAllowed {
		t.Errorf("%v", code)
	}
}

// Where the kernel does not count there is nothing to read, and Start does no harm.
func TestStatisticsWithoutCounters(t *testing.T) {
	s, m := statistics(t, "")
	if err := os.Remove(filepath.Join(m.Proc, "net", "dev")); err != nil {
		t.Fatal(err)
	}
	_ = execute(t, s, "/7/0/6")
	has(t, values(t, s), map[string]string{"/7/0/2": "0"})
	bare := NewStatistics(StatisticsConfig{Machine: m})
	_ = execute(t, bare, "/7/0/6")
	if got := values(t, bare); len(got) != 1 || got["/7/0/8"] != "0" {
		t.Errorf("%v", got)
	}
}
