package console

import (
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-iot/holdfast/lwm2m"
)

// codeNames are those of RFC 7252 section 12.1.2, RFC 7959, RFC 8132 and RFC 8516.
var codeNames = map[lwm2m.Code]string{
	lwm2m.CodeCreated:                 "Created",
	lwm2m.CodeDeleted:                 "Deleted",
	lwm2m.CodeValid:                   "Valid",
	lwm2m.CodeChanged:                 "Changed",
	lwm2m.CodeContent:                 "Content",
	lwm2m.CodeContinue:                "Continue",
	lwm2m.CodeBadRequest:              "Bad Request",
	lwm2m.CodeUnauthorized:            "Unauthorized",
	lwm2m.CodeBadOption:               "Bad Option",
	lwm2m.CodeForbidden:               "Forbidden",
	lwm2m.CodeNotFound:                "Not Found",
	lwm2m.CodeMethodNotAllowed:        "Method Not Allowed",
	lwm2m.CodeNotAcceptable:           "Not Acceptable",
	lwm2m.CodeRequestEntityIncomplete: "Request Entity Incomplete",
	lwm2m.CodeConflict:                "Conflict",
	lwm2m.CodePreconditionFailed:      "Precondition Failed",
	lwm2m.CodeRequestEntityTooLarge:   "Request Entity Too Large",
	lwm2m.CodeUnsupportedFormat:       "Unsupported Content-Format",
	lwm2m.NewCode(4, 22):              "Unprocessable Entity",
	lwm2m.CodeTooManyRequests:         "Too Many Requests",
	lwm2m.CodeInternalServerError:     "Internal Server Error",
	lwm2m.CodeNotImplemented:          "Not Implemented",
	lwm2m.CodeBadGateway:              "Bad Gateway",
	lwm2m.CodeServiceUnavailable:      "Service Unavailable",
	lwm2m.CodeGatewayTimeout:          "Gateway Timeout",
	lwm2m.CodeProxyingNotSupported:    "Proxying Not Supported",
}

func codeName(code lwm2m.Code) string { return codeNames[code] }

// words returns bytes that may be text: as it is when it can be printed, else as an
// Opaque is written.
func words(data []byte) string {
	text := string(data)
	if utf8.ValidString(text) && strings.IndexFunc(text, unprintable) < 0 {
		return text
	}
	return "hex:" + hex.EncodeToString(data)
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }

// aligned sets the columns of a table below each other. What stands in the last column,
// or alone, may be of any length.
func aligned(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row[:max(len(row)-1, 0)] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = padded(row, widths)
	}
	return lines
}

func padded(row []string, widths []int) string {
	var b strings.Builder
	for i, cell := range row {
		b.WriteString(cell)
		if i < len(row)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
	}
	return strings.TrimRight(b.String(), " ")
}
