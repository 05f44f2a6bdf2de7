package gateway

import "slices"

// An access technology does not say how a network keeps sending and receiving apart,
// which the bearers of the standard do. The channel of the serving cell says it, or the
// bands, where all that are allowed are of one kind.

// duplex is a way to keep sending and receiving apart; 0 where it is not known.
type duplex uint8

const (
	byFrequency duplex = 1 + iota
	byTime
)

// lteBearer is LTE with its duplex; nil where that is not known.
func (m modem) lteBearer() *Bearer {
	return bearerBy(m.duplex(cellLTE, lteDuplex, lteBands), BearerLTEFDD, BearerLTETDD)
}

// nrBearer is 5G with its duplex; nil where that is not known.
func (m modem) nrBearer() *Bearer {
	return bearerBy(m.duplex(cellNR, nrDuplex, nrBands), BearerNRFDD, BearerNRTDD)
}

func bearerBy(d duplex, byFrequencyBearer, byTimeBearer Bearer) *Bearer {
	switch d {
	case byFrequency:
		return &byFrequencyBearer
	case byTime:
		return &byTimeBearer
	}
	return nil
}

func (m modem) duplex(cell uint32, ofChannel func(uint32) duplex, bands bandPlan) duplex {
	for _, c := range m.serving {
		if c.kind == cell {
			return ofChannel(c.number)
		}
	}
	return bands.duplex(m.bands)
}

// lteDuplex goes by the EARFCN (3GPP TS 36.101 table 5.7.3-1): the bands 33 to 64, all
// of them TDD, have 36000 to 65535. The largest there is is 262143 (TS 36.331).
func lteDuplex(earfcn uint32) duplex {
	switch {
	case earfcn > 262143:
		return 0
	case earfcn >= 36000 && earfcn <= 65535:
		return byTime
	}
	return byFrequency
}

// nrDuplex goes by the NR-ARFCN (3GPP TS 38.104 table 5.4.2.3-1). Between 1.4 and 3 GHz,
// and from 17 GHz to where the millimetre waves begin, bands of both kinds are near each
// other or overlap.
func nrDuplex(arfcn uint32) duplex {
	switch {
	case arfcn < 285400: // below band 51
		return byFrequency
	case arfcn >= 620000 && arfcn <= 875000, arfcn >= 2016667: // bands 77, 78, 79, 46, 96, 102, 104; from 258 on
		return byTime
	}
	return 0
}

// bandPlan is where the bands of a technology are in MMModemBand, and which are TDD.
type bandPlan struct {
	zero, last uint32 // the value that band 0 would have, and that of the last
	byTime     []uint32
}

var (
	lteBands = bandPlan{zero: 30, last: 200, byTime: numbers(33, 64)}
	nrBands  = bandPlan{zero: 300, last: 600, byTime: slices.Concat(
		[]uint32{34, 38, 39, 40, 41, 46, 47, 48, 50, 51, 53, 54, 77, 78, 79, 90, 96, 101, 102, 104}, numbers(257, 263))}
)

func numbers(first, last uint32) (all []uint32) {
	for n := first; n <= last; n++ {
		all = append(all, n)
	}
	return all
}

// duplex is that of all the bands of the technology that are allowed; 0 where they have
// both, or where there is none.
func (p bandPlan) duplex(allowed []uint32) (all duplex) {
	for _, b := range allowed {
		if b <= p.zero || b > p.last {
			continue
		}
		one := byFrequency
		if slices.Contains(p.byTime, b-p.zero) {
			one = byTime
		}
		if all != 0 && all != one {
			return 0
		}
		all = one
	}
	return all
}
