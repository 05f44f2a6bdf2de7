package console

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// docs/contract.md names every field of the lists that clients and help answer with.
func TestContractNamesFieldsOfLists(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "contract.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, row, _ := strings.Cut(string(text), "\n| `value`, `format` |")
	row, _, _ = strings.Cut(row, "\n")
	for _, list := range []reflect.Type{reflect.TypeFor[registered](), reflect.TypeFor[described](), reflect.TypeFor[link]()} {
		for field := range list.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if field.IsExported() && !strings.Contains(row, "`"+name+"`") {
				t.Errorf("%s of %s is not named: %q", name, list, row)
			}
		}
	}
}
