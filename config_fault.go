package holdfast

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/holdfast-iot/holdfast/internal/store"
)

// Fault is one thing that is wrong with a configuration or with a file that it
// names. It never repeats a value that may be secret.
type Fault struct {
	// Key is the configuration key, "bootstrap.uri"; empty when the fault
	// concerns the configuration file as a whole.
	Key string
	// Problem says what is wrong, in words that follow the key.
	Problem string
	// Source is where the value came from: "gw.yaml:7:8" (line, column),
	// "HOLDFAST_LIFETIME" or "--lifetime"; empty when not known.
	Source string
	// Err is the cause, for errors.Is and errors.As; may be nil.
	Err error
}

// String returns the fault on one line: "key: problem (source)".
func (f Fault) String() string {
	text := f.Problem
	if f.Key != "" {
		text = f.Key + ": " + text
	}
	if f.Source != "" {
		text += " (" + f.Source + ")"
	}
	return text
}

// ConfigError lists every fault of a configuration; there is at least one.
type ConfigError struct{ Faults []Fault }

// Error lists all faults, one a line.
func (e *ConfigError) Error() string { return configLines("invalid configuration", e.Faults) }

// Unwrap returns the causes that are known.
func (e *ConfigError) Unwrap() []error { return configCauses(e.Faults) }

// Code returns ConnectInvalidParameters.
func (e *ConfigError) Code() ErrorCode { return CodeInvalidParameters }

// CredentialsError lists every fault of what a configuration names;
// there is at least one.
type CredentialsError struct{ Faults []Fault }

// Error lists all faults, one a line.
func (e *CredentialsError) Error() string { return configLines("unusable credentials", e.Faults) }

// Unwrap returns the causes that are known.
func (e *CredentialsError) Unwrap() []error { return configCauses(e.Faults) }

// Code returns ConnectorFailedToReadCredentials when nothing but I/O errors
// stands in the way, else ConnectorInvalidCredentials: a person is needed.
func (e *CredentialsError) Code() ErrorCode {
	if slices.ContainsFunc(e.Faults, func(f Fault) bool { return !configIsIO(f.Err) }) {
		return CodeInvalidCredentials
	}
	return CodeReadCredentials
}

// configIsIO tells an I/O error, which may pass, from a file that is missing
// or that this user may not read.
func configIsIO(err error) bool {
	var distrust *store.DistrustError
	if errors.As(err, &distrust) {
		return true // of the state directory, which is good or not at any time
	}
	var path *fs.PathError
	if !errors.As(err, &path) {
		return false
	}
	lasting := []error{fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG}
	return !slices.ContainsFunc(lasting, func(target error) bool { return errors.Is(err, target) })
}

func configLines(title string, faults []Fault) string {
	lines := []string{title + ":"}
	for _, f := range faults {
		lines = append(lines, "  "+f.String())
	}
	return strings.Join(lines, "\n")
}

func configCauses(faults []Fault) []error {
	var causes []error
	for _, f := range faults {
		if f.Err != nil {
			causes = append(causes, f.Err)
		}
	}
	return causes
}
