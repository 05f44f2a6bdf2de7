package lwm2m

import "testing"

func TestCodeIsWrittenInDots(t *testing.T) {
	tests := map[Code]string{CodeGET: "0.01", CodeCreated: "2.01", CodeContinue: "2.31", CodeForbidden: "4.03", CodeTooManyRequests: "4.29", CodeGatewayTimeout: "5.04"}
	for code, want := range tests {
		if got := code.String(); got != want || NewCode(code.Class(), code.Detail()) != code {
			t.Errorf("%d is %q, want %q", code, got, want)
		}
	}
	if CodeEmpty.IsRequest() || !CodeDELETE.IsRequest() || !CodeContent.IsSuccess() || CodeBadRequest.IsSuccess() {
		t.Error("classes are mixed up")
	}
}
