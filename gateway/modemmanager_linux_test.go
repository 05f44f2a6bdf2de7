package gateway

import (
	"context"
	"errors"
	"math"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

const (
	managed  = "org.freedesktop.DBus.ObjectManager.GetManagedObjects"
	setup    = mmSignal + ".Setup"
	cellInfo = mmModem + ".GetCellInfo"
)

// over makes object 4 of the machine of network, with a modem on a bus.
func over(t *testing.T, name string, dial func(context.Context) (net.Conn, error)) *Connectivity {
	c := NewConnectivity(ConnectivityConfig{Interface: name, Machine: network(t, nil)})
	c.modems = newService(newModemManager(dial).modems)
	return c
}

func TestModemOfModemManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newFakeBus(t)
		c := over(t, "wwan0", bus.dial)
		has(t, values(t, c), map[string]string{
			"/4/0/0": "5", "/4/0/1/0": "5", "/4/0/1/1": "21", "/4/0/1/2": "23", "/4/0/1/3": "41",
			"/4/0/2": "-99", "/4/0/3": "-11", "/4/0/4/0": "100.64.0.2", "/4/0/5/0": "100.64.0.10", "/4/0/6": "",
			"/4/0/7/0": "iot.example", "/4/0/7/1": "", "/4/0/8": "27440068", "/4/0/9": "1", "/4/0/10": "262", "/4/0/11": "8",
			"/4/0/12": "", "/4/0/13": "",
		})
		if n := bus.asked(managed); n != 1 {
			t.Errorf("asked %d times for the resources of one moment", n)
		}
		if bus.asked(setup) != 0 {
			t.Error("the rate that somebody has set is another now")
		}
		port := over(t, "", bus.dial) // by Ethernet: the modem is there beside it
		has(t, values(t, port), map[string]string{"/4/0/0": "41", "/4/0/1/0": "5", "/4/0/2": "0", "/4/0/8": "", "/4/0/7/0": ""})
		bus.closed(t)
	})
}

// closed wants nothing to be left of what was asked.
func (b *fakeBus) closed(t *testing.T) {
	t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open != 0 {
		t.Errorf("%d connections are left", b.open)
	}
}

// A modem that looks like Ethernet is a modem all the same, and one that is registered
// nowhere has no signal of 0.
func TestModemThatLooksLikeEthernet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newFakeBus(t)
		bus.modem[mmModem]["Ports"] = v([]port{{"eth0", portNet}})
		bus.bearers[bearerPath]["Interface"] = v("eth0")
		has(t, values(t, over(t, "", bus.dial)), map[string]string{
			"/4/0/0": "5", "/4/0/1/0": "5", "/4/0/1/1": "21", "/4/0/1/2": "23", "/4/0/1/3": "", "/4/0/2": "-99", "/4/0/4/0": "10.0.0.7", "/4/0/5/0": "10.0.0.1",
		})
		bus.modem[mmModem]["State"] = v(int32(7)) // it searches
		has(t, values(t, over(t, "", bus.dial)), map[string]string{"/4/0/0": "", "/4/0/1/0": "21", "/4/0/2": "", "/4/0/8": "", "/4/0/9": ""})
	})
}

// The interface of PPP is nobody's: it is the modem's that dials, if there is one only.
func TestModemByPPP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newFakeBus(t)
		bus.modem[mmModem]["Ports"] = v([]port{{"ttyUSB2", 3}})
		bus.modem[mmModem]["AccessTechnologies"] = v(uint32(1<<5 | 1<<6))
		bus.modem[mmSignal]["Umts"] = v(properties{"rssi": v(-70.0), "rscp": v(-88.0), "ecio": v(-3.0)})
		bus.answers[mmLocation+".GetLocation"] = []any{map[uint32]dbus.Variant{locationCell: v("262,01,84CD,D30156,0")}}
		bus.bearers[bearerPath]["Interface"] = v("ttyUSB2")
		bus.bearers[bearerPath]["Ip4Config"] = v(properties{"method": v(uint32(methodPPP))})
		has(t, values(t, over(t, "wwan0", bus.dial)), map[string]string{
			"/4/0/0": "2", "/4/0/2": "-88", "/4/0/3": "", "/4/0/4/0": "100.64.0.2", "/4/0/7/0": "iot.example", "/4/0/8": "13828438", "/4/0/12": "33997",
		})
		has(t, values(t, over(t, "lowpan0", bus.dial)), map[string]string{"/4/0/0": "23", "/4/0/7/0": ""})
		bus.bearers[bearerPath]["Ip4Config"] = v(properties{"method": v(uint32(2))})
		has(t, values(t, over(t, "wwan0", bus.dial)), map[string]string{"/4/0/0": "", "/4/0/1/0": "2", "/4/0/2": "", "/4/0/7/0": ""})
	})
}

// Of a link that is no modem's, the signal is read without ModemManager.
func TestWLANBesideABusThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newFakeBus(t)
		bus.hangs = "AUTH"
		c := over(t, "wlan0", bus.dial)
		began := time.Now()
		for _, id := range []uint16{0, 2, 3, 4, 5, 7, 8, 11} {
			if _, err := c.Read(t.Context(), lwm2m.PathOf(4, 0, id)); err != nil || time.Since(began) != 0 {
				t.Errorf("/4/0/%d: %v after %v", id, err, time.Since(began))
			}
		}
		has(t, values(t, c), map[string]string{"/4/0/0": "21", "/4/0/2": "-56", "/4/0/1/0": "21"})
	})
}

// The word of the application goes before that of ModemManager, which is not even asked.
func TestApplicationGoesBeforeModemManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newFakeBus(t)
		c := NewConnectivity(ConnectivityConfig{Interface: "wwan0", Machine: network(t, nil), Cell: func() (Cell, bool) {
			return Cell{Bearer: BearerNBIoT, Signal: -110}, true
		}})
		c.modems = newService(newModemManager(bus.dial).modems)
		has(t, values(t, c), map[string]string{"/4/0/0": "7", "/4/0/1/0": "7", "/4/0/1/1": "21", "/4/0/2": "-110", "/4/0/8": "", "/4/0/5/0": ""})
		if len(bus.calls) > 0 {
			t.Error(bus.calls)
		}
	})
}

// A bus that hangs, wherever it does, holds a Read up for two seconds, and no other for
// half a minute. Then it is asked again.
func TestBusThatHangs(t *testing.T) {
	for _, where := range []string{"AUTH", "org.freedesktop.DBus.Hello", managed, "org.freedesktop.DBus.Properties.GetAll"} {
		synctest.Test(t, func(t *testing.T) {
			bus := newFakeBus(t)
			bus.hangs = where
			c := over(t, "wwan0", bus.dial)
			readAfter(t, c, patience, "")
			time.Sleep(respite - time.Nanosecond)
			bus.change(func() { bus.hangs = "" })
			readAfter(t, c, 0, "")
			time.Sleep(time.Nanosecond)
			readAfter(t, c, 0, "iot.example")
			bus.closed(t)
		})
	}
}

// readAfter wants a Read to take that long, and to find this name of a network.
func readAfter(t *testing.T, c *Connectivity, took time.Duration, apn string) {
	t.Helper()
	began := time.Now()
	got := values(t, c)
	if d := time.Since(began); d != took {
		t.Errorf("read in %v, want %v", d, took)
	}
	has(t, got, map[string]string{"/4/0/7/0": apn, "/4/0/4/0": "100.64.0.2"})
}

// Who asked may give up: that says nothing of the bus. Others wait for their turn, and
// not longer than they want.
func TestReadThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newFakeBus(t)
		bus.hangs = managed
		c := over(t, "wwan0", bus.dial)
		first, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go c.modems.get(first)
		synctest.Wait()
		second, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		began := time.Now()
		if got := c.modems.get(second); got != nil || time.Since(began) != time.Second/2 {
			t.Errorf("%v after %v", got, time.Since(began))
		}
		bus.change(func() { bus.hangs = "" })
		time.Sleep(time.Second)
		readAfter(t, c, 0, "iot.example")
		bus.closed(t)
	})
}

// The deadline of a connection may pass a moment before the context that it is from.
func TestReadThatGivesUpAtItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := newService(func(context.Context) int { asked++; return asked })
		ctx := late{t.Context(), time.Now()}
		if first, second := s.get(ctx), s.get(t.Context()); first != 1 || second != 2 {
			t.Errorf("%d, then %d", first, second)
		}
	})
}

// late is a context whose deadline has passed, which it has not noticed yet.
type late struct {
	context.Context
	at time.Time
}

func (c late) Deadline() (time.Time, bool) { return c.at, true }

// Nor does it say anything of the modem, which is asked again.
func TestReadThatGivesUpOnAModem(t *testing.T) {
	for _, method := range []string{mmLocation + ".GetLocation", cellInfo} {
		synctest.Test(t, func(t *testing.T) {
			bus := newFakeBus(t)
			bus.hangs = method
			c := over(t, "wwan0", bus.dial)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
			defer cancel()
			c.modems.get(ctx)
			bus.change(func() { bus.hangs = "" })
			has(t, values(t, c), map[string]string{"/4/0/8": "27440068", "/4/0/0": "5"})
			bus.closed(t)
		})
	}
}

// What is missing at first may come later, and go: the bus, ModemManager, the modem, its
// network.
func TestModemThatComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, none := newFakeBus(t), true
		modem := bus.modem
		bus.modem, bus.absent = nil, true
		c := over(t, "wwan0", func(ctx context.Context) (net.Conn, error) {
			if none {
				return nil, errors.New("no such file or directory")
			}
			return bus.dial(ctx)
		})
		for _, step := range []struct {
			change func()
			apn    string
		}{
			{func() {}, ""},
			{func() { none = false }, ""},
			{func() { bus.absent = false }, ""},
			{func() { bus.modem = modem }, "iot.example"},
			{func() { bus.absent = true }, ""},
			{func() { bus.absent = false }, "iot.example"},
			{func() { none = true }, ""},
		} {
			step.change()
			readAfter(t, c, 0, step.apn)
			time.Sleep(fresh)
		}
		bus.closed(t)
	})
}

// ModemManager measures when it is asked to. It is asked once, and if it refuses not
// again for ten minutes.
func TestSignalIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newFakeBus(t)
		bus.modem[mmSignal]["Rate"], bus.modem[mmSignal]["Lte"] = v(uint32(0)), v(properties{})
		delete(bus.answers, setup)
		c := over(t, "wwan0", bus.dial)
		for range 3 {
			has(t, values(t, c), map[string]string{"/4/0/2": "", "/4/0/3": ""})
			time.Sleep(fresh)
		}
		if n := bus.asked(setup); n != 1 {
			t.Errorf("asked %d times", n)
		}
		bus.change(func() { bus.answers[setup] = []any{} })
		time.Sleep(refused)
		values(t, c)
		if n := bus.asked(setup); n != 1 {
			t.Errorf("asked %d times after ten minutes", n)
		}
		bus.modem[mmSignal]["RssiThreshold"] = v(uint32(5)) // somebody has it measured by threshold
		time.Sleep(fresh)
		if values(t, c); bus.asked(setup) != 0 {
			t.Error("asked beside a threshold")
		}
	})
}

// A modem that takes its time over its cells does not hold the rest up, nor twice.
func TestModemThatDoesNotTellItsCells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newFakeBus(t)
		bus.hangs = cellInfo
		c := over(t, "wwan0", bus.dial)
		readAfter(t, c, cellPatience, "iot.example")
		has(t, values(t, c), map[string]string{"/4/0/0": "", "/4/0/1/0": "21", "/4/0/2": "-99", "/4/0/8": "27440068"})
		time.Sleep(fresh)
		readAfter(t, c, 0, "iot.example")
		bus.modem[mmModem]["CurrentBands"] = v([]uint32{31, 33}) // which are both FDD: there is nothing to ask
		time.Sleep(refused)
		bus.asked(cellInfo)
		has(t, values(t, c), map[string]string{"/4/0/0": "6"})
		if bus.asked(cellInfo) != 0 {
			t.Error("asked for cells of which nothing depends")
		}
	})
}

// What is of another type than it should be, or no number, is not there.
func TestModemThatTalksNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newFakeBus(t)
		bus.modem[mmModem]["Ports"] = v([]string{"wwan0"})
		bus.modem[mmModem]["CurrentBands"] = v("all")
		bus.modem[mmSignal]["Rate"] = v("often")
		bus.modem[mmSignal]["Lte"] = v(properties{"rsrp": v(math.NaN()), "rsrq": v(-math.MaxFloat64), "snr": v("good")})
		bus.modem[mm3GPP]["OperatorCode"] = v("26x01")
		bus.answers[mmLocation+".GetLocation"] = []any{map[uint32]dbus.Variant{locationCell: v("262,01,ZZ,FFFFFFFF,0")}}
		bus.answers[cellInfo] = []any{"none"}
		bus.bearers[bearerPath]["Ip4Config"] = v(properties{"address": v("here"), "gateway": v(uint32(1))})
		has(t, values(t, over(t, "wwan0", bus.dial)), map[string]string{
			"/4/0/0": "", "/4/0/2": "", "/4/0/3": "", "/4/0/5/0": "", "/4/0/7/0": "iot.example", "/4/0/8": "", "/4/0/9": "1", "/4/0/10": "262", "/4/0/11": "", "/4/0/12": "",
		})
		bus.modem = map[string]properties{mmModem: {}}
		has(t, values(t, over(t, "wwan0", bus.dial)), map[string]string{"/4/0/0": "", "/4/0/1/0": "21", "/4/0/4/0": "100.64.0.2"})
	})
}

// What a modem has is listed where there is one, from the start or since it has turned up.
func TestResourcesThatAModemHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		without := map[string]string{"sys/class/net/wwan0/uevent": "INTERFACE=wwan0\n"}
		bus := newFakeBus(t)
		modem := bus.modem
		bus.modem = nil
		c := NewConnectivity(ConnectivityConfig{Interface: "wwan0", Machine: network(t, without)})
		c.modems = newService(newModemManager(bus.dial).modems)
		lists(t, c, 0, 1, 2, 3, 4, 5)
		values(t, c)
		lists(t, c, 0, 1, 2, 3, 4, 5)
		bus.modem = modem
		time.Sleep(fresh)
		values(t, c)
		lists(t, c, 0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11)
		without["sys/class/wwan/wwan0at0/uevent"] = ""
		for _, config := range []ConnectivityConfig{
			{Machine: network(t, nil)}, {Machine: network(t, without)}, {Machine: files(t, nil), Cell: func() (Cell, bool) { return Cell{}, false }},
		} {
			lists(t, NewConnectivity(config), 0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13)
		}
	})
}

func lists(t *testing.T, c *Connectivity, want ...uint16) {
	t.Helper()
	if got := c.Resources(0); !slices.Equal(got, want) {
		t.Errorf("lists %v, want %v", got, want)
	}
}
