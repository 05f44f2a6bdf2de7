package coap

import (
	"encoding/binary"
	"math"
)

// scanner walks options and payload marker without interpreting them, and
// finds everything in which go-coap is more lenient than RFC 7252 section 3.1.
type scanner struct {
	rest    []byte
	options int    // options seen
	size    int    // bytes of all options
	current int    // number of the option being read
	length  int    // its length
	fault   uint16 // first critical option that breaks the registry, or 0
}

// scan returns why the message must be rejected, or 0. A critical option that
// breaks the registry is no such reason; it is noted in fault.
func (s *scanner) scan() Reason {
	for len(s.rest) > 0 {
		if s.rest[0] == payloadMarker {
			return s.payload()
		}
		if reason := s.option(); reason != 0 {
			return reason
		}
	}
	return 0
}

func (s *scanner) payload() Reason {
	if len(s.rest) == 1 {
		return EmptyPayload
	}
	return 0
}

func (s *scanner) option() Reason {
	before, previous := len(s.rest), s.current
	if reason := s.header(); reason != 0 {
		return reason
	}
	if len(s.rest) < s.length {
		return Truncated
	}
	s.rest = s.rest[s.length:]
	s.options++
	s.size += before - len(s.rest)
	s.judge(s.options > 1 && s.current == previous)
	return s.limits()
}

// header reads delta and length of one option.
func (s *scanner) header() Reason {
	first := s.rest[0]
	s.rest = s.rest[1:]
	delta, reason := s.extended(first >> 4)
	if reason != 0 {
		return reason
	}
	length, reason := s.extended(first & 0xf)
	if reason != 0 {
		return reason
	}
	if s.current+delta > math.MaxUint16 {
		return OptionNumber
	}
	s.current += delta
	s.length = length
	return 0
}

// extended reads the value that a nibble of an option header stands for.
func (s *scanner) extended(nibble byte) (int, Reason) {
	switch {
	case nibble == 15:
		return 0, ReservedNibble
	case nibble == 14 && len(s.rest) >= 2:
		v := int(binary.BigEndian.Uint16(s.rest)) + 269
		s.rest = s.rest[2:]
		return v, 0
	case nibble == 13 && len(s.rest) >= 1:
		v := int(s.rest[0]) + 13
		s.rest = s.rest[1:]
		return v, 0
	case nibble >= 13:
		return 0, Truncated
	}
	return int(nibble), 0
}

// judge notes a critical option that is to be treated like an unknown one.
func (s *scanner) judge(repeated bool) {
	number := s.number()
	if s.fault == 0 && IsCritical(number) && !acceptable(number, s.length, repeated) {
		s.fault = number
	}
}

func (s *scanner) limits() Reason {
	switch {
	case s.options > MaxOptions:
		return TooManyOptions
	case s.size > MaxOptionBytes:
		return OptionsTooLong
	}
	return 0
}

func (s *scanner) number() uint16 { return uint16(s.current) }
