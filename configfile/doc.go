// Package configfile reads the configuration of a client from a YAML file and
// the environment.
//
//	file, err := configfile.Load("gw.yaml")
//	client, err := holdfast.New(file.Config)
//
// [Keys] lists the keys. Each has an environment variable, which wins over the
// file: the key in capitals with underscores for dots, after HOLDFAST_, such as
// HOLDFAST_BOOTSTRAP_URI (see [Variable]). A [Loader] also takes overrides, such as the flags of a
// program, which win over both.
//
// Everything that is wrong is reported at once, each fault with its key, what is
// the matter and where the value came from, and never with the value: it may be
// a key. Unknown keys and variables are faults. Beside the client's Config a [File] has what
// only programs need: where the control API listens, and how to log.
package configfile
