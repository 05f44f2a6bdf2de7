package coap

import (
	"encoding/binary"
	"math"
)

// scanner walks options and payload marker once, as RFC 7252 section 3.1 has
// them, and collects the options. It is stricter than the codec underneath
// [Encode], whose decoder would let some format errors pass.
type scanner struct {
	all     []byte           // what follows the token
	rest    []byte           // of it; what is behind the payload marker in the end, nil without one
	kept    [MaxOptions]span // the occurrences that obey the registry
	count   int              // of those
	seen    int              // options, those that were left out included
	size    int              // bytes of all options
	current int              // number of the option being read
	length  int              // its length
	fault   uint16           // first critical option that breaks the registry, or 0
}

// span is where the value of an option lies. The scanner has room for all of
// them, without a pointer to it, so that it stays on the stack.
type span struct {
	number   uint16
	from, to uint32
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
	s.rest = nil
	return 0
}

func (s *scanner) payload() Reason {
	if len(s.rest) == 1 {
		return EmptyPayload
	}
	s.rest = s.rest[1:]
	return 0
}

func (s *scanner) option() Reason {
	before := len(s.rest)
	if reason := s.header(); reason != 0 {
		return reason
	}
	if len(s.rest) < s.length {
		return Truncated
	}
	s.rest = s.rest[s.length:]
	s.seen++
	s.size += before - len(s.rest)
	if reason := s.limits(); reason != 0 {
		return reason
	}
	s.judge()
	return 0
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

// judge keeps an option that obeys the registry. One that does not is left out
// when it is elective, and noted when it is critical. Number 0 is reserved (RFC
// 7252 section 12.2) and elective.
func (s *scanner) judge() {
	number := s.number()
	repeated := s.count > 0 && s.kept[s.count-1].number == number
	switch {
	case number == 0:
	case acceptable(number, s.length, repeated):
		end := len(s.all) - len(s.rest)
		s.kept[s.count] = span{number: number, from: uint32(end - s.length), to: uint32(end)}
		s.count++
	case s.fault == 0 && IsCritical(number):
		s.fault = number
	}
}

// options returns what was kept; nil for none.
func (s *scanner) options() []Option {
	if s.count == 0 {
		return nil
	}
	options := make([]Option, s.count)
	for i, o := range s.kept[:s.count] {
		options[i] = Option{Number: o.number, Value: s.all[o.from:o.to:o.to]}
	}
	return options
}

func (s *scanner) limits() Reason {
	switch {
	case s.seen > MaxOptions:
		return TooManyOptions
	case s.size > MaxOptionBytes:
		return OptionsTooLong
	}
	return 0
}

func (s *scanner) number() uint16 { return uint16(s.current) }
