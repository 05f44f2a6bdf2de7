package messages

import "strconv"

// ErrorCode is the number of an error as an application sees it. The numbers
// are those of the reference behaviour (docs/recovery.md).
type ErrorCode int

// The error codes. Code 1 was never used.
const (
	ConnectBootstrapFailed            ErrorCode = 2
	ConnectInvalidParameters          ErrorCode = 3
	ConnectorInvalidCredentials       ErrorCode = 4
	ConnectNotRegistered              ErrorCode = 5
	ConnectTimeout                    ErrorCode = 6
	ConnectNetworkError               ErrorCode = 7
	ConnectResponseParseFailed        ErrorCode = 8
	ConnectUnknownError               ErrorCode = 9
	ConnectMemoryConnectFail          ErrorCode = 10
	ConnectNotAllowed                 ErrorCode = 11
	ConnectSecureConnectionFailed     ErrorCode = 12
	ConnectDNSResolvingFailed         ErrorCode = 13
	ConnectorUnregistrationFailed     ErrorCode = 14
	EnrolmentFailed                   ErrorCode = 15
	ConnectorFailedToStoreCredentials ErrorCode = 16
	ConnectorFailedToReadCredentials  ErrorCode = 17
)

var errorNames = map[ErrorCode]string{
	ConnectBootstrapFailed:            "ConnectBootstrapFailed",
	ConnectInvalidParameters:          "ConnectInvalidParameters",
	ConnectorInvalidCredentials:       "ConnectorInvalidCredentials",
	ConnectNotRegistered:              "ConnectNotRegistered",
	ConnectTimeout:                    "ConnectTimeout",
	ConnectNetworkError:               "ConnectNetworkError",
	ConnectResponseParseFailed:        "ConnectResponseParseFailed",
	ConnectUnknownError:               "ConnectUnknownError",
	ConnectMemoryConnectFail:          "ConnectMemoryConnectFail",
	ConnectNotAllowed:                 "ConnectNotAllowed",
	ConnectSecureConnectionFailed:     "ConnectSecureConnectionFailed",
	ConnectDNSResolvingFailed:         "ConnectDnsResolvingFailed",
	ConnectorUnregistrationFailed:     "ConnectorUnregistrationFailed",
	EnrolmentFailed:                   "EnrolmentFailed",
	ConnectorFailedToStoreCredentials: "ConnectorFailedToStoreCredentials",
	ConnectorFailedToReadCredentials:  "ConnectorFailedToReadCredentials",
}

// ErrorCodes returns all codes in ascending order.
func ErrorCodes() []ErrorCode {
	codes := make([]ErrorCode, 0, len(errorNames))
	for c := ConnectBootstrapFailed; c <= ConnectorFailedToReadCredentials; c++ {
		codes = append(codes, c)
	}
	return codes
}

// String returns the name that the reference behaviour gives the code.
func (c ErrorCode) String() string {
	if name, ok := errorNames[c]; ok {
		return name
	}
	return "ErrorCode(" + strconv.Itoa(int(c)) + ")"
}
