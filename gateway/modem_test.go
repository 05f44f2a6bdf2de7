package gateway

import (
	"strings"
	"testing"
)

// Each access technology of ModemManager (MMModemAccessTechnology) is a bearer, with the
// measurements that the standard has for it.
func TestAccessTechnologies(t *testing.T) {
	signal := map[string]map[string]float64{
		"Gsm": {"rssi": -71}, "Umts": {"rssi": -72, "rscp": -82}, "Cdma": {"rssi": -73, "ecio": -3},
		"Evdo": {"rssi": -74, "sinr": 4}, "Lte": {"rssi": -65, "rsrp": -95, "rsrq": -10, "snr": 5.6},
		"Nr5g": {"rsrp": -96, "rsrq": -12, "snr": -6.5},
	}
	lte, nr := channel{cellLTE, 1300}, channel{cellNR, 640000}
	for name, c := range map[string]struct {
		technologies technology
		serving      []channel
		want         string // bearer, signal, quality, SNR
	}{
		"none":              {0, nil, "- - - -"},
		"a telephone line":  {1 << 0, nil, "- - - -"},
		"GSM":               {1 << 1, nil, "0 -71 - -"},
		"compact GSM":       {1 << 2, nil, "0 -71 - -"},
		"GPRS":              {1 << 3, nil, "0 -71 - -"},
		"EDGE":              {1<<1 | 1<<4, nil, "0 -71 - -"},
		"UMTS":              {1 << 5, nil, "2 -82 - -"},
		"HSDPA and HSUPA":   {1<<6 | 1<<7, nil, "2 -82 - -"},
		"HSPA":              {1 << 8, nil, "2 -82 - -"},
		"HSPA+":             {1 << 9, nil, "2 -82 - -"},
		"1xRTT":             {1 << 10, nil, "3 -73 - -"},
		"EV-DO beside it":   {1<<10 | 1<<12, nil, "3 -74 - 4"},
		"LTE":               {1 << 14, []channel{lte}, "6 -95 -10 6"},
		"LTE by time":       {1 << 14, []channel{{cellLTE, 38950}}, "5 -95 -10 6"},
		"LTE somewhere":     {1 << 14, []channel{nr}, "- -95 -10 6"},
		"Cat-M":             {1 << 16, []channel{lte}, "6 -95 -10 6"},
		"NB-IoT":            {1 << 17, nil, "7 -95 -10 6"},
		"5G":                {1 << 15, []channel{nr}, "8 -96 -12 -7"},
		"5G behind LTE":     {1<<14 | 1<<15, []channel{nr, lte}, "6 -95 -10 6"},
		"5G by frequency":   {1 << 15, []channel{{cellNR, 156000}}, "9 -96 -12 -7"},
		"5G somewhere":      {1 << 15, []channel{{cellNR, 520000}}, "- -96 -12 -7"},
		"something of 2030": {1 << 20, nil, "- - - -"},
	} {
		m := modem{registered: true, technologies: c.technologies, serving: c.serving, signal: signal}
		got := m.carrier("")
		if s := texts(got.bearer.number(), got.signal, got.quality, got.snr); s != c.want {
			t.Errorf("%s: %s, want %s", name, s, c.want)
		}
		m.registered = false
		if got := m.carrier(""); got.bearer != nil || got.signal != nil {
			t.Errorf("%s: a signal of a network in which the modem is not: %+v", name, got)
		}
	}
}

func TestDuplexByChannel(t *testing.T) {
	for number, want := range map[uint32]duplex{
		0: byFrequency, 10359: byFrequency, 35999: byFrequency, 36000: byTime, 65535: byTime, 65536: byFrequency, 262143: byFrequency, 262144: 0, 1<<32 - 1: 0,
	} {
		if got := lteDuplex(number); got != want {
			t.Errorf("EARFCN %d: %d, want %d", number, got, want)
		}
	}
	for number, want := range map[uint32]duplex{
		123400: byFrequency, 285399: byFrequency, 285400: 0, 524000: 0, 619999: 0, 620000: byTime, 875000: byTime, 875001: 0, 1600000: 0, 2016667: byTime, 2279165: byTime,
	} {
		if got := nrDuplex(number); got != want {
			t.Errorf("NR-ARFCN %d: %d, want %d", number, got, want)
		}
	}
}

// Where no cell tells its channel, the bands do that are allowed: those of MMModemBand.
func TestDuplexByBands(t *testing.T) {
	for name, c := range map[string]struct {
		bands   []uint32
		lte, nr duplex
	}{
		"none":                {nil, 0, 0},
		"any":                 {[]uint32{256}, 0, 0},
		"GSM and UMTS":        {[]uint32{1, 2, 5, 12}, 0, 0},
		"1, 20 and 71":        {[]uint32{31, 50, 101}, byFrequency, 0},
		"85":                  {[]uint32{115}, byFrequency, 0},
		"33, 40 and 54":       {[]uint32{63, 70, 84}, byTime, 0},
		"1 and 40":            {[]uint32{31, 70}, 0, 0},
		"n1 and n28":          {[]uint32{301, 328}, 0, byFrequency},
		"n41, n78 and n257":   {[]uint32{341, 378, 557}, 0, byTime},
		"n1 and n78":          {[]uint32{301, 378}, 0, 0},
		"3, n78, and GSM 900": {[]uint32{1, 33, 378}, byFrequency, byTime},
	} {
		if lte, nr := lteBands.duplex(c.bands), nrBands.duplex(c.bands); lte != c.lte || nr != c.nr {
			t.Errorf("%s: %d and %d, want %d and %d", name, lte, nr, c.lte, c.nr)
		}
	}
}

// The cell and its area, as 3GPP TS 23.003 bounds them, and the network's code.
func TestPlaceInTheNetwork(t *testing.T) {
	for line, want := range map[string]string{
		"GSM||262,01,84CD,2BAF,0":               "262 1 33997 11183",
		"GSM||262,01,84CD,12BAF,0":              "262 1 33997 -", // no cell of GSM
		"UMTS|26201|310,260,84CD,D30156,0":      "262 1 33997 13828438",
		"UMTS|310260|":                          "310 260 - -",
		"LTE|310260|310,260,84CD,FFFFFFF,6FFE":  "310 260 - 268435455", // a tracking area is no location area
		"LTE|310260|310,260,FFFE,FFFFFFFF,6FFE": "310 260 - -",
		"NR|00101|001,01,0,FFFFFFFFF,6FFE":      "1 1 - 68719476735",
		"GSM||262,01,FFFE,0,0":                  "262 1 - -",
		"GSM||262,01,0,1,0":                     "262 1 - 1",
		"GSM||262,01":                           "- - - -",
		"GSM|26|":                               "- - - -",
		"GSM|2620177|":                          "- - - -",
		"GSM|26a01|":                            "- - - -",
		"GSM||,,,":                              "- - - -",
		"GSM||-62,1000,+1,-1,":                  "- - - -",
	} {
		f := strings.Split(line, "|")
		kinds := map[string]technology{"GSM": techGSM, "UMTS": techUMTS, "LTE": techLTE, "NR": techNR}
		c := modem{registered: true, technologies: kinds[f[0]], operator: f[1], location: f[2]}.carrier("")
		if got := texts(c.mcc, c.mnc, c.lac, c.cellID); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

// Whatever a modem says of its place, what is made of it is within the bounds of object 4.
func FuzzPlaceInTheNetwork(f *testing.F) {
	f.Add("26201", "262,01,84CD,D30156,6FFE", uint32(techUMTS))
	f.Add("", "310,260,FFFE,FFFFFFFFF,0", uint32(techNR))
	f.Fuzz(func(t *testing.T, operator, location string, technologies uint32) {
		c := modem{registered: true, technologies: technology(technologies), operator: operator, location: location}.carrier("")
		for name, field := range map[string]struct {
			n    *int64
			most int64
		}{"MCC": {c.mcc, 999}, "MNC": {c.mnc, 999}, "LAC": {c.lac, 0xffff}, "cell ID": {c.cellID, 1<<36 - 1}} {
			if field.n != nil && (*field.n < 0 || *field.n > field.most) {
				t.Errorf("%s %d", name, *field.n)
			}
		}
	})
}
