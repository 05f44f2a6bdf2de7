package console

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// filePrefix says that a value is the content of a file.
const filePrefix = "file:"

// fileNamed returns the file that a value names. One of another type than Opaque is none.
func (c *Console) fileNamed(path lwm2m.Path, value string) (name string, isFile bool) {
	if def, known := c.resource(path); known && def.Kind != lwm2m.KindOpaque && def.Kind != lwm2m.KindNone {
		return "", false
	}
	return strings.CutPrefix(value, filePrefix)
}

// writeFile writes the content of a file as it is, a block at a time.
func (c *Console) writeFile(k client, path lwm2m.Path, name string) (job, error) {
	j := about(k, path)
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return j, fmt.Errorf("the file cannot be written to the client: %w", err)
	case !info.Mode().IsRegular():
		return j, fmt.Errorf("%q cannot be written to the client: name a regular file", brief(name))
	}
	j.timeout = fileTimeout
	j.perform = func(ctx context.Context, a *Answer) (func(), error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r, err := c.server.Push(ctx, k.Endpoint, path.String(), f, lwm2mtest.PushOptions{Size: info.Size()})
		if err == nil {
			c.response(a, path, r)
		}
		return nil, err
	}
	return j, nil
}
