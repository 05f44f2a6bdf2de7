package firmware

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// numbersOf returns the numbers of a family, in the order of the table.
func numbersOf(f Family) (numbers []int) {
	for _, r := range Rows() {
		if r.Family == f {
			numbers = append(numbers, r.Number)
		}
	}
	return numbers
}

// span returns all numbers from first to last.
func span(first, last int) (numbers []int) {
	for n := first; n <= last; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}

// Every number of every family has a row.
func TestTableHasEveryResult(t *testing.T) {
	internal := span(-89, -80)
	slices.Reverse(internal)
	for f, want := range map[Family][]int{
		FamilyNewest:   slices.Concat([]int{18}, span(21, 49)),
		FamilyObject5:  span(0, 11),
		FamilyHub:      slices.Concat(span(100, 103), span(200, 230), span(300, 316), span(400, 409), span(500, 512)),
		FamilyOldest:   span(0, 19),
		FamilyInternal: internal,
	} {
		if diff := cmp.Diff(want, numbersOf(f)); diff != "" {
			t.Errorf("%s: %s", f, diff)
		}
	}
}

func TestRowsAreComplete(t *testing.T) {
	names := map[Family]map[string]bool{}
	for _, r := range Rows() {
		if r.Name == "" || r.Meaning == "" || r.Remedy == "" || r.Class == 0 {
			t.Errorf("%s %d lacks words or a class: %+v", r.Family, r.Number, r)
		}
		if names[r.Family] == nil {
			names[r.Family] = map[string]bool{}
		}
		if names[r.Family][r.Name] {
			t.Errorf("%s has %s twice", r.Family, r.Name)
		}
		names[r.Family][r.Name] = true
	}
}

// What each row maps to is a result that the client has, and both faces say the same: only
// object 5 has values that the newest family lacks.
func TestRowsMapToBothFaces(t *testing.T) {
	only5 := []int{Object5UnsupportedProtocol, Object5Cancelled, Object5Deferred}
	for _, r := range Rows() {
		switch {
		case r.Family == FamilyNewest && r.Result != Result(r.Number):
			t.Errorf("newest %d maps to %d", r.Number, r.Result)
		case r.Family == FamilyObject5 && r.Object5 != int64(r.Number):
			t.Errorf("object 5's %d maps to %d", r.Number, r.Object5)
		case r.Family == FamilyInternal && (r.Result != ResultNone || r.Object5 != Object5Initial):
			t.Errorf("internal %d is reported", r.Number)
		}
		if r.Family == FamilyObject5 && slices.Contains(only5, r.Number) {
			continue
		}
		if r.Object5 != r.Result.Object5() {
			t.Errorf("%s %d: %d by object 5, but %s is %d", r.Family, r.Number, r.Object5, r.Result, r.Result.Object5())
		}
	}
}

func TestResultOnObject5(t *testing.T) {
	for value, results := range map[int64][]Result{
		Object5Initial:         {ResultNone},
		Object5Success:         {ResultSuccess},
		Object5NoSpace:         {ResultNoSpace, ResultWriteFailed, ResultReadFailed},
		Object5OutOfMemory:     {ResultOutOfMemory},
		Object5ConnectionLost:  {ResultDownloadFailed},
		Object5IntegrityFailed: {ResultSignatureInvalid, ResultPayloadCorrupted},
		Object5UnsupportedPackage: {ResultManifestMalformed, ResultUnsupportedPayload, ResultUnsupportedSchema, ResultVendorDataTooBig,
			ResultWrongVendor, ResultWrongClass, ResultWrongComponent, ResultCombinedMalformed, ResultCombinedCount, ResultCombinedName,
			ResultCombinedVendorData},
		Object5InvalidURI: {ResultInvalidURI, ResultNotFound},
		Object5UpdateFailed: {ResultVersionRejected, ResultPrecursorMismatch, ResultInstallRefused, ResultDownloadRefused,
			ResultInstallationFailed, ResultInternal, ResultDelta, ResultCrypto, ResultMulticastAborted, Result(77), Result(0)},
	} {
		for _, r := range results {
			if got := r.Object5(); got != value {
				t.Errorf("%s: %d, not %d", r, got, value)
			}
		}
	}
}

func TestOlderNumbersMapped(t *testing.T) {
	for _, test := range []struct {
		family Family
		number int
		want   Result
	}{
		{FamilyHub, 100, ResultSuccess}, {FamilyHub, 210, ResultSignatureInvalid}, {FamilyHub, 214, ResultUnsupportedSchema},
		{FamilyHub, 215, ResultWrongVendor}, {FamilyHub, 216, ResultWrongClass}, {FamilyHub, 221, ResultVersionRejected},
		{FamilyHub, 225, ResultNoSpace}, {FamilyHub, 305, ResultDownloadFailed}, {FamilyHub, 307, ResultInvalidURI},
		{FamilyHub, 309, ResultPayloadCorrupted}, {FamilyHub, 315, ResultDownloadRefused}, {FamilyHub, 504, ResultPayloadCorrupted},
		{FamilyHub, 505, ResultInstallationFailed}, {FamilyHub, 511, ResultInstallRefused},
		{FamilyOldest, 0, ResultNone}, {FamilyOldest, 1, ResultSuccess}, {FamilyOldest, 7, ResultSignatureInvalid},
		{FamilyOldest, 9, ResultNoSpace}, {FamilyOldest, 14, ResultInvalidURI}, {FamilyOldest, 19, ResultSuccess},
		{FamilyObject5, 4, ResultDownloadFailed}, {FamilyNewest, 44, ResultNotFound}, {FamilyInternal, -81, ResultNone},
	} {
		if got, ok := ResultOf(test.family, test.number); !ok || got != test.want {
			t.Errorf("%s %d: %s, %t", test.family, test.number, got, ok)
		}
	}
	for f, number := range map[Family]int{FamilyHub: 104, FamilyOldest: 20, FamilyNewest: 19, FamilyObject5: 12, FamilyInternal: -90} {
		if got, ok := ResultOf(f, number); ok || got != ResultNone {
			t.Errorf("%s %d: %s, %t", f, number, got, ok)
		}
	}
}

func TestResultNames(t *testing.T) {
	for r, want := range map[Result]string{
		ResultSignatureInvalid: "MANIFEST_SIGNATURE_INVALID", ResultSuccess: "FW_UPDATE_OK", ResultNone: "NONE", Result(77): "result 77",
	} {
		if got := r.String(); got != want {
			t.Errorf("%d: %s, not %s", r, got, want)
		}
	}
}

// What the caller gets is its own.
func TestRowsAreCopied(t *testing.T) {
	Rows()[0].Name = "changed"
	if got := Rows()[0].Name; got != "FW_UPDATE_OK" {
		t.Error(got)
	}
}
