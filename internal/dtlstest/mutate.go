package dtlstest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// mutations are the ways to break a flight. Each gets memory of its own.
var mutations = []func(*rand.Rand, [][]byte) [][]byte{
	flipBits, overwriteByte, truncate, extend, drop, duplicate, shuffle, spliceWithin, tweakLength, swapRecords, cutBytes,
}

// Mutate breaks a flight, given as datagrams, in one to four random ways: bits
// flipped, bytes overwritten, inserted or removed, lengths changed, datagrams
// and records cut, dropped, repeated, spliced or put into another order. The
// flight itself is left as it is.
func Mutate(random *rand.Rand, flight [][]byte) [][]byte {
	out := make([][]byte, len(flight))
	for i, d := range flight {
		out[i] = bytes.Clone(d)
	}
	for range 1 + random.IntN(4) {
		if len(out) == 0 {
			break
		}
		out = mutations[random.IntN(len(mutations))](random, out)
	}
	return out
}

// one picks a datagram, and returns its place.
func one(random *rand.Rand, flight [][]byte) int { return random.IntN(len(flight)) }

func flipBits(random *rand.Rand, flight [][]byte) [][]byte {
	d := flight[one(random, flight)]
	for range 1 + random.IntN(3) {
		if len(d) > 0 {
			d[random.IntN(len(d))] ^= 1 << random.IntN(8)
		}
	}
	return flight
}

// interesting are bytes at the ends of ranges.
var interesting = []byte{0, 1, 2, 3, 4, 11, 12, 14, 16, 20, 22, 25, 0x7f, 0x80, 0xfd, 0xfe, 0xff}

func overwriteByte(random *rand.Rand, flight [][]byte) [][]byte {
	if d := flight[one(random, flight)]; len(d) > 0 {
		d[random.IntN(len(d))] = interesting[random.IntN(len(interesting))]
	}
	return flight
}

func truncate(random *rand.Rand, flight [][]byte) [][]byte {
	i := one(random, flight)
	flight[i] = flight[i][:random.IntN(len(flight[i])+1)]
	return flight
}

func extend(random *rand.Rand, flight [][]byte) [][]byte {
	i := one(random, flight)
	at := random.IntN(len(flight[i]) + 1)
	flight[i] = slices.Insert(flight[i], at, bytes.Repeat([]byte{byte(random.Uint32())}, 1+random.IntN(40))...)
	return flight
}

func drop(random *rand.Rand, flight [][]byte) [][]byte {
	i := one(random, flight)
	return slices.Delete(flight, i, i+1)
}

func duplicate(random *rand.Rand, flight [][]byte) [][]byte {
	d := bytes.Clone(flight[one(random, flight)])
	return slices.Insert(flight, random.IntN(len(flight)+1), d)
}

func shuffle(random *rand.Rand, flight [][]byte) [][]byte {
	random.Shuffle(len(flight), func(i, j int) { flight[i], flight[j] = flight[j], flight[i] })
	return flight
}

// spliceWithin copies bytes from one place to another.
func spliceWithin(random *rand.Rand, flight [][]byte) [][]byte {
	from, to := flight[one(random, flight)], flight[one(random, flight)]
	if len(from) == 0 || len(to) == 0 {
		return flight
	}
	at := random.IntN(len(from))
	copy(to[random.IntN(len(to)):], bytes.Clone(from[at:at+random.IntN(min(64, len(from)-at))]))
	return flight
}

// places are where the fields with lengths, types and numbers of the first
// record and of its first message are.
var places = []int{0, 1, 3, 9, 11, 13, 14, 15, 17, 19, 20, 22, 23, 25, 27, 59, 60, 61}

// tweakLength adds a little to a number of two bytes, likely one that counts.
func tweakLength(random *rand.Rand, flight [][]byte) [][]byte {
	d := flight[one(random, flight)]
	at := places[random.IntN(len(places))]
	if len(d) > at+2 {
		n := binary.BigEndian.Uint16(d[at:])
		binary.BigEndian.PutUint16(d[at:], n+uint16(random.IntN(9))-4)
	}
	return flight
}

// swapRecords puts the records of a datagram into another order.
func swapRecords(random *rand.Rand, flight [][]byte) [][]byte {
	i := one(random, flight)
	var records [][]byte
	for rest := flight[i]; len(rest) > 0; {
		_, tail, err := parseRecord(rest, 0)
		if err != nil {
			return flight
		}
		records = append(records, rest[:len(rest)-len(tail)])
		rest = tail
	}
	flight[i] = slices.Concat(shuffle(random, records)...)
	return flight
}

func cutBytes(random *rand.Rand, flight [][]byte) [][]byte {
	i := one(random, flight)
	if len(flight[i]) > 0 {
		from := random.IntN(len(flight[i]))
		to := from + random.IntN(min(40, len(flight[i])-from)+1)
		flight[i] = slices.Delete(flight[i], from, to)
	}
	return flight
}
