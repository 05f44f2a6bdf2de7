package lwm2m

import "fmt"

// Code is a CoAP method or response code (RFC 7252 section 3): three bits
// of class, five of detail.
type Code uint8

// NewCode composes a code from its class (0 to 7) and detail (0 to 31).
func NewCode(class, detail uint8) Code { return Code(class<<5 | detail&0x1f) }

// Methods (RFC 7252 section 12.1.1, RFC 8132).
const (
	CodeEmpty  Code = 0
	CodeGET    Code = 1
	CodePOST   Code = 2
	CodePUT    Code = 3
	CodeDELETE Code = 4
	CodeFETCH  Code = 5
	CodePATCH  Code = 6
	CodeIPATCH Code = 7
)

// Response codes (RFC 7252 section 12.1.2, RFC 7959, RFC 8132, RFC 8516).
const (
	CodeCreated                 Code = 2<<5 | 1
	CodeDeleted                 Code = 2<<5 | 2
	CodeValid                   Code = 2<<5 | 3
	CodeChanged                 Code = 2<<5 | 4
	CodeContent                 Code = 2<<5 | 5
	CodeContinue                Code = 2<<5 | 31
	CodeBadRequest              Code = 4 << 5
	CodeUnauthorized            Code = 4<<5 | 1
	CodeBadOption               Code = 4<<5 | 2
	CodeForbidden               Code = 4<<5 | 3
	CodeNotFound                Code = 4<<5 | 4
	CodeMethodNotAllowed        Code = 4<<5 | 5
	CodeNotAcceptable           Code = 4<<5 | 6
	CodeRequestEntityIncomplete Code = 4<<5 | 8
	CodeConflict                Code = 4<<5 | 9
	CodePreconditionFailed      Code = 4<<5 | 12
	CodeRequestEntityTooLarge   Code = 4<<5 | 13
	CodeUnsupportedFormat       Code = 4<<5 | 15
	CodeTooManyRequests         Code = 4<<5 | 29
	CodeInternalServerError     Code = 5 << 5
	CodeNotImplemented          Code = 5<<5 | 1
	CodeBadGateway              Code = 5<<5 | 2
	CodeServiceUnavailable      Code = 5<<5 | 3
	CodeGatewayTimeout          Code = 5<<5 | 4
	CodeProxyingNotSupported    Code = 5<<5 | 5
)

// Class returns the code's class: 0 for requests, 2 for success, 4 for client
// errors, 5 for server errors.
func (c Code) Class() uint8 { return uint8(c) >> 5 }

// Detail returns the code's detail, 0 to 31.
func (c Code) Detail() uint8 { return uint8(c) & 0x1f }

// IsRequest reports whether the code is a method, known or not.
func (c Code) IsRequest() bool { return c != CodeEmpty && c.Class() == 0 }

// IsSuccess reports whether the code is of class 2.
func (c Code) IsSuccess() bool { return c.Class() == 2 }

// String returns the dotted form, such as "4.03".
func (c Code) String() string { return fmt.Sprintf("%d.%02d", c.Class(), c.Detail()) }
