package gateway

import "net/netip"

// carrier is what is known of a cellular network, by the word of the application or of
// ModemManager. What is nil is not known.
type carrier struct {
	bearer    *Bearer
	signal    *int64 // in dBm
	quality   *int64
	snr       *int64 // in dB
	apns      []string
	cellID    *int64
	lac       *int64
	mnc, mcc  *int64
	coverage  *int64
	addresses []netip.Addr
	routers   []netip.Addr
}

// carrier is the word of the application.
func (c Cell) carrier() carrier {
	return carrier{
		bearer: &c.Bearer, signal: &c.Signal, quality: c.Quality, snr: c.SNR, apns: c.APN,
		cellID: c.CellID, lac: c.LAC, mnc: c.MNC, mcc: c.MCC, coverage: c.CoverageLevel,
	}
}

// radio is what a wireless interface receives.
type radio struct {
	level   *int64 // in dBm
	quality *int64 // 0 to 70, as the kernel's wireless extensions have it
	snr     *int64 // in dB
}
