package messages

import (
	"fmt"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// CoAPCode is a CoAP method or response code (RFC 7252 section 3): three bits
// of class, five of detail.
type CoAPCode uint8

// NewCoAPCode composes a code from its class (0 to 7) and detail (0 to 31).
func NewCoAPCode(class, detail uint8) CoAPCode { return CoAPCode(class<<5 | detail&0x1f) }

// Methods (RFC 7252 section 12.1.1, RFC 8132).
const (
	Empty  CoAPCode = 0
	GET    CoAPCode = 1
	POST   CoAPCode = 2
	PUT    CoAPCode = 3
	DELETE CoAPCode = 4
	FETCH  CoAPCode = 5
	PATCH  CoAPCode = 6
	IPATCH CoAPCode = 7
)

// Response codes (RFC 7252 section 12.1.2, RFC 7959, RFC 8132, RFC 8516).
const (
	Created                 CoAPCode = 2<<5 | 1
	Deleted                 CoAPCode = 2<<5 | 2
	Valid                   CoAPCode = 2<<5 | 3
	Changed                 CoAPCode = 2<<5 | 4
	Content                 CoAPCode = 2<<5 | 5
	Continue                CoAPCode = 2<<5 | 31
	BadRequest              CoAPCode = 4 << 5
	Unauthorized            CoAPCode = 4<<5 | 1
	BadOption               CoAPCode = 4<<5 | 2
	Forbidden               CoAPCode = 4<<5 | 3
	NotFound                CoAPCode = 4<<5 | 4
	MethodNotAllowed        CoAPCode = 4<<5 | 5
	NotAcceptable           CoAPCode = 4<<5 | 6
	RequestEntityIncomplete CoAPCode = 4<<5 | 8
	Conflict                CoAPCode = 4<<5 | 9
	PreconditionFailed      CoAPCode = 4<<5 | 12
	RequestEntityTooLarge   CoAPCode = 4<<5 | 13
	UnsupportedFormat       CoAPCode = 4<<5 | 15
	TooManyRequests         CoAPCode = 4<<5 | 29
	InternalServerError     CoAPCode = 5 << 5
	NotImplemented          CoAPCode = 5<<5 | 1
	BadGateway              CoAPCode = 5<<5 | 2
	ServiceUnavailable      CoAPCode = 5<<5 | 3
	GatewayTimeout          CoAPCode = 5<<5 | 4
	ProxyingNotSupported    CoAPCode = 5<<5 | 5
)

// Class returns the code's class: 0 for requests, 2 for success, 4 for client
// errors, 5 for server errors.
func (c CoAPCode) Class() uint8 { return uint8(c) >> 5 }

// Detail returns the code's detail, 0 to 31.
func (c CoAPCode) Detail() uint8 { return uint8(c) & 0x1f }

// IsRequest reports whether the code is a method, known or not.
func (c CoAPCode) IsRequest() bool { return c != Empty && c.Class() == 0 }

// IsSuccess reports whether the code is of class 2.
func (c CoAPCode) IsSuccess() bool { return c.Class() == 2 }

// String returns the dotted form, such as "4.03".
func (c CoAPCode) String() string { return fmt.Sprintf("%d.%02d", c.Class(), c.Detail()) }

// Format is a CoAP Content-Format number (RFC 7252 section 12.3).
type Format = lwm2m.Format

// The content formats that LwM2M uses (LwM2M Core section 7.4).
const (
	FormatText       = lwm2m.FormatText
	FormatLinkFormat = lwm2m.FormatLinkFormat
	FormatOpaque     = lwm2m.FormatOpaque
	FormatCBOR       = lwm2m.FormatCBOR
	FormatSenMLJSON  = lwm2m.FormatSenMLJSON
	FormatSenMLCBOR  = lwm2m.FormatSenMLCBOR
	FormatTLV        = lwm2m.FormatTLV
	FormatJSON       = lwm2m.FormatJSON
	FormatLwM2MCBOR  = lwm2m.FormatLwM2MCBOR
)
