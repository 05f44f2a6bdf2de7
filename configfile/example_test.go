package configfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/configfile"
)

// Every fault comes at once, with the place of the value and without the value.
func ExampleLoader() {
	dir, err := os.MkdirTemp("", "holdfast")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "gw.yaml")
	text := "endpoint: gw-0001\nlifetime: 24\nserver: {uri: coap://127.0.0.1, security: nosec}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}
	_, err = configfile.Loader{
		Path:      path,
		LookupEnv: func(string) (string, bool) { return "", false },
		Overrides: []configfile.Setting{{Key: "server.security", Text: "tls", Source: "--server-security"}},
	}.Load()
	var invalid *holdfast.ConfigError
	if errors.As(err, &invalid) {
		for _, f := range invalid.Faults {
			fmt.Println(f.Key, filepath.Base(f.Source))
		}
	}
	// Output:
	// lifetime gw.yaml:2:11
	// server.security --server-security
}
