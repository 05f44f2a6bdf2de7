package coap

// Option numbers (RFC 7252 section 5.10, RFC 7641, 7959, 7967, 8613, 8768,
// 9175, 9177).
const (
	IfMatch       uint16 = 1
	URIHost       uint16 = 3
	ETag          uint16 = 4
	IfNoneMatch   uint16 = 5
	Observe       uint16 = 6
	URIPort       uint16 = 7
	LocationPath  uint16 = 8
	OSCORE        uint16 = 9
	URIPath       uint16 = 11
	ContentFormat uint16 = 12
	MaxAge        uint16 = 14
	URIQuery      uint16 = 15
	HopLimit      uint16 = 16
	Accept        uint16 = 17
	QBlock1       uint16 = 19
	LocationQuery uint16 = 20
	Block2        uint16 = 23
	Block1        uint16 = 27
	Size2         uint16 = 28
	QBlock2       uint16 = 31
	ProxyURI      uint16 = 35
	ProxyScheme   uint16 = 39
	Size1         uint16 = 60
	Echo          uint16 = 252
	NoResponse    uint16 = 258
	RequestTag    uint16 = 292
)

// definition is one row of the registry: the legal lengths of an option's
// value in bytes, and whether it may occur more than once.
type definition struct {
	min, max   int
	repeatable bool
}

// definitions has the options whose format is known here. Knowing the format
// is not the same as supporting the option: see [Message.UnrecognizedCritical].
var definitions = map[uint16]definition{
	IfMatch:       {0, 8, true},
	URIHost:       {1, 255, false},
	ETag:          {1, 8, true},
	IfNoneMatch:   {0, 0, false},
	Observe:       {0, 3, false},
	URIPort:       {0, 2, false},
	LocationPath:  {0, 255, true},
	URIPath:       {0, 255, true},
	ContentFormat: {0, 2, false},
	MaxAge:        {0, 4, false},
	URIQuery:      {0, 255, true},
	HopLimit:      {1, 1, false},
	Accept:        {0, 2, false},
	LocationQuery: {0, 255, true},
	Block2:        {0, 3, false},
	Block1:        {0, 3, false},
	Size2:         {0, 4, false},
	ProxyURI:      {1, 1034, false},
	ProxyScheme:   {1, 255, false},
	Size1:         {0, 4, false},
	Echo:          {1, 40, false},
	NoResponse:    {0, 1, false},
	RequestTag:    {0, 8, true},
}

// IsCritical reports whether an endpoint that does not understand the option
// must reject the message (RFC 7252 section 5.4.1): odd numbers.
func IsCritical(number uint16) bool { return number&1 == 1 }

// acceptable reports whether an occurrence of an option obeys the registry:
// RFC 7252 sections 5.4.3 (length) and 5.4.5 (repetition) say that one which
// does not is treated like an unknown option.
func acceptable(number uint16, length int, repeated bool) bool {
	def, known := definitions[number]
	if !known {
		return true
	}
	return length >= def.min && length <= def.max && (def.repeatable || !repeated)
}

// UnrecognizedCritical returns the first critical option that recognized does
// not accept (RFC 7252 section 5.4.1). The caller answers a request that has
// one with 4.02 and rejects a response.
func (m Message) UnrecognizedCritical(recognized func(number uint16) bool) (number uint16, found bool) {
	for _, o := range m.Options {
		if IsCritical(o.Number) && !recognized(o.Number) {
			return o.Number, true
		}
	}
	return 0, false
}
