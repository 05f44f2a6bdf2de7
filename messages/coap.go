package messages

import "github.com/holdfast-iot/holdfast/lwm2m"

// CoAPCode is a CoAP method or response code (RFC 7252 section 3).
type CoAPCode = lwm2m.Code

// NewCoAPCode composes a code from its class (0 to 7) and detail (0 to 31).
func NewCoAPCode(class, detail uint8) CoAPCode { return lwm2m.NewCode(class, detail) }

// Methods (RFC 7252 section 12.1.1, RFC 8132).
const (
	Empty  = lwm2m.CodeEmpty
	GET    = lwm2m.CodeGET
	POST   = lwm2m.CodePOST
	PUT    = lwm2m.CodePUT
	DELETE = lwm2m.CodeDELETE
	FETCH  = lwm2m.CodeFETCH
	PATCH  = lwm2m.CodePATCH
	IPATCH = lwm2m.CodeIPATCH
)

// Response codes (RFC 7252 section 12.1.2, RFC 7959, RFC 8132, RFC 8516).
const (
	Created                 = lwm2m.CodeCreated
	Deleted                 = lwm2m.CodeDeleted
	Valid                   = lwm2m.CodeValid
	Changed                 = lwm2m.CodeChanged
	Content                 = lwm2m.CodeContent
	Continue                = lwm2m.CodeContinue
	BadRequest              = lwm2m.CodeBadRequest
	Unauthorized            = lwm2m.CodeUnauthorized
	BadOption               = lwm2m.CodeBadOption
	Forbidden               = lwm2m.CodeForbidden
	NotFound                = lwm2m.CodeNotFound
	MethodNotAllowed        = lwm2m.CodeMethodNotAllowed
	NotAcceptable           = lwm2m.CodeNotAcceptable
	RequestEntityIncomplete = lwm2m.CodeRequestEntityIncomplete
	Conflict                = lwm2m.CodeConflict
	PreconditionFailed      = lwm2m.CodePreconditionFailed
	RequestEntityTooLarge   = lwm2m.CodeRequestEntityTooLarge
	UnsupportedFormat       = lwm2m.CodeUnsupportedFormat
	TooManyRequests         = lwm2m.CodeTooManyRequests
	InternalServerError     = lwm2m.CodeInternalServerError
	NotImplemented          = lwm2m.CodeNotImplemented
	BadGateway              = lwm2m.CodeBadGateway
	ServiceUnavailable      = lwm2m.CodeServiceUnavailable
	GatewayTimeout          = lwm2m.CodeGatewayTimeout
	ProxyingNotSupported    = lwm2m.CodeProxyingNotSupported
)

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
