package gateway

import (
	"cmp"
	"context"
	"time"

	"github.com/mdlayher/wifi"
	"github.com/prometheus/procfs"
)

// wireless is what an interface receives: by nl80211, or by /proc/net/wireless where the
// driver, or the kernel, has the old interface only.
func (m Machine) wireless(ctx context.Context, name string) (radio, bool) {
	if r, ok := m.station(ctx, name); ok {
		return r, true
	}
	return m.extensions(name)
}

// nl80211 asks the kernel about an interface that is a station of an access point.
func nl80211(ctx context.Context, name string) (radio, bool) {
	client, err := wifi.New()
	if err != nil {
		return radio{}, false
	}
	defer func() { _ = client.Close() }()
	deadline, _ := ctx.Deadline()
	if limit := time.Now().Add(patience); deadline.IsZero() || limit.Before(deadline) {
		deadline = limit
	}
	if client.SetDeadline(deadline) != nil {
		return radio{}, false
	}
	return stationOf(client, name)
}

// kernel is what is asked of nl80211.
type kernel interface {
	Interfaces() ([]*wifi.Interface, error)
	StationInfo(*wifi.Interface) ([]*wifi.StationInfo, error)
	SurveyInfo(*wifi.Interface) ([]*wifi.SurveyInfo, error)
}

func stationOf(k kernel, name string) (radio, bool) {
	all, err := k.Interfaces()
	if err != nil {
		return radio{}, false
	}
	for _, i := range all {
		if i.Name == name && i.Type == wifi.InterfaceTypeStation {
			return received(k, i)
		}
	}
	return radio{}, false
}

// received is the signal of the access point; false while there is none. The library
// has 0 where the driver says nothing, which no receiver measures.
func received(k kernel, i *wifi.Interface) (radio, bool) {
	stations, err := k.StationInfo(i)
	if err != nil || len(stations) != 1 {
		return radio{}, false
	}
	level := cmp.Or(stations[0].SignalAverage, stations[0].Signal)
	if level == 0 {
		return radio{}, false
	}
	r := radio{level: new(int64(level)), quality: new(quality(level))}
	if floor := noise(k, i); floor != 0 {
		r.snr = new(int64(level - floor))
	}
	return r, true
}

// quality is 0 to 70, as the kernel makes it of a signal for the wireless extensions
// (cfg80211_wireless_stats): nl80211 has no such number, and both are to be the same.
func quality(level int) int64 { return int64(min(max(level, -110), -40) + 110) }

// noise is that of the channel in use; 0 where the driver does not measure it.
func noise(k kernel, i *wifi.Interface) int {
	surveys, err := k.SurveyInfo(i)
	if err != nil {
		return 0
	}
	for _, s := range surveys {
		if s.InUse {
			return s.Noise
		}
	}
	return 0
}

// extensions is what /proc/net/wireless says of an interface.
func (m Machine) extensions(name string) (radio, bool) {
	fs, err := procfs.NewFS(m.Proc)
	if err != nil {
		return radio{}, false
	}
	all, err := fs.Wireless()
	if err != nil {
		return radio{}, false
	}
	for _, w := range all {
		if w.Name == name {
			return radio{level: new(int64(w.QualityLevel)), quality: new(int64(w.QualityLink))}, true
		}
	}
	return radio{}, false
}
