// Package omatest finds the registry of the OMA for tests: the folder of its XML files
// (github.com/OpenMobileAlliance/lwm2m-registry). It is no part of the repository, and
// tests skip where it is not there.
package omatest

import (
	"os"
	"path/filepath"
	"testing"
)

// Variable is the environment variable that names the folder.
const Variable = "HOLDFAST_OMA_REGISTRY"

// Folder returns the folder that the variable names, or else the folder data/oma-registry
// beside the checkout or one level below something beside it. It skips the test where there is none.
func Folder(t testing.TB) string {
	t.Helper()
	if folder := os.Getenv(Variable); folder != "" {
		return folder
	}
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for parent := filepath.Dir(directory); parent != directory; directory, parent = parent, filepath.Dir(parent) {
		for _, pattern := range []string{"data/oma-registry", "*/data/oma-registry"} {
			if found, _ := filepath.Glob(filepath.Join(parent, pattern)); len(found) > 0 {
				return found[0]
			}
		}
	}
	t.Skipf("the registry of the OMA is not here; set %s to the folder of its XML files", Variable)
	return ""
}
