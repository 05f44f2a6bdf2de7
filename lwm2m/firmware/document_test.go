package firmware

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/update-results.md")

const documentPath = "../../docs/update-results.md"

// docs/update-results.md says what the table says.
func TestDocumentIsUpToDate(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile(documentPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/update-results.md is out of date: go test ./lwm2m/firmware -run Document -update")
	}
}

// opening is what docs/update-results.md says before the tables.
const opening = `# Results of a firmware update

Generated from the table in ''lwm2m/firmware''; do not edit.

An update has two faces: the Firmware Update object (5) of the OMA, and the objects 10252, 10255 and
14 of the client whose behaviour this one follows ([recovery.md](recovery.md), The reference
behaviour). Both show the same update. The client tells how one has ended by ''/5/0/5'', with the values
of [object 5](#object-5), and by ''/10252/0/3'', with those of the [newest family](#the-newest-family).
''/10252/0/3'' is -1 while nothing has ended. Services that were made for older clients know other
numbers for the same: [the hub's](#the-family-of-the-hub) and [the oldest](#the-oldest-family). The tables
map each of them to what this client reports.

## Who learns of an error

Each error is in exactly one of three classes:

- **internal**: the client deals with it, and no update ends by it. Only the debug log has it.
- **logged**: a person should know, and no result says it. The log has it at every level. A server whose
  request was the cause has an error as the answer.
- **reported**: the log has it, and the service is told. What is to be told is on the disk before it
  is shown, and stays there until a server has it.

| what goes wrong | class | ''/10252/0/3'' | ''/5/0/5'' |
|---|---|---|---|
`

// families are the tables of results, with what is said before each.
var families = []struct {
	family        Family
	title, before string
}{
	{FamilyNewest, "The newest family", "What `/10252/0/3` shows. The names are those of the reference client; it has the numbers of errors with a minus sign, and reports them without."},
	{FamilyObject5, "Object 5", "What `/5/0/5` shows. Of several results of the newest family that have the same value the table names one."},
	{FamilyHub, "The family of the hub", "The numbers of the reference client's update hub. A portal shows them as `UPD4_OK_100` and `UPD4_FAIL_101` to `UPD4_FAIL_512`. The column on the right is what this client reports instead."},
	{FamilyOldest, "The oldest family", "The numbers from before the hub. A portal shows them as `UPD2_OK_1` and `UPD2_FAIL_2` to `UPD2_FAIL_17`. The column on the right is what this client reports instead."},
	{FamilyInternal, "What is never reported", "Numbers of the reference client for what it deals with by itself. This client has no numbers for them."},
}

func document() string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(opening, "''", "`"))
	for _, c := range Causes() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c, c.Class(), told(c, int64(c.Result())), told(c, c.Object5()))
	}
	b.WriteString("\nA result that is marked *cannot occur* has the reason beside it. A gateway's own installer may still name it.\n\n")
	for _, f := range families {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n", f.title, f.before)
		b.WriteString("| number | name | meaning | what a person can do | newest | object 5 |\n|---|---|---|---|---|---|\n")
		for _, r := range Rows() {
			if r.Family == f.family {
				writeRow(&b, r)
			}
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// told is what a resource shows for a cause; a dash where it shows nothing of it.
func told(c Cause, value int64) string {
	if c.Class() != ClassReported {
		return "-"
	}
	return fmt.Sprint(value)
}

func writeRow(b *strings.Builder, r Row) {
	meaning := r.Meaning
	if r.Unreachable != "" {
		meaning += " *Cannot occur*: " + r.Unreachable
	}
	result := fmt.Sprint(int(r.Result))
	if r.Family != FamilyNewest && r.Result != ResultNone {
		result += " " + r.Result.String()
	}
	fmt.Fprintf(b, "| %d | %s | %s | %s | %s | %d |\n", r.Number, r.Name, meaning, r.Remedy, result, r.Object5)
}
