package console

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/objects"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// ask makes a job of a request about one path.
func (c *Console) ask(k client, path lwm2m.Path, request func(ctx context.Context) (lwm2mtest.Response, error)) job {
	j := about(k, path)
	j.perform = func(ctx context.Context, a *Answer) (func(), error) {
		r, err := request(ctx)
		if err == nil {
			c.response(a, path, r)
		}
		return nil, err
	}
	return j
}

// about is a job without anything to do yet.
func about(k client, path lwm2m.Path) job {
	j := job{answer: Answer{Endpoint: k.Endpoint}}
	if path.Len() > 0 {
		j.answer.Path = path.String()
	}
	return j
}

// alone is the error of words that are left over, or nil.
func alone(rest []string, err error) error {
	if err == nil && len(rest) > 0 {
		return errTooMany
	}
	return err
}

func (c *Console) discover(words []string) (job, error) {
	k, path, rest, err := c.takeTarget(words, 1, 3)
	return c.ask(k, path, func(ctx context.Context) (lwm2mtest.Response, error) {
		return c.server.Discover(ctx, k.Endpoint, path.String())
	}), alone(rest, err)
}

func (c *Console) read(words []string) (job, error) {
	k, path, rest, err := c.takeTarget(words, 1, 4)
	format := k.format()
	if err == nil && len(rest) > 0 {
		format, err = parseFormat(rest[0])
		rest = rest[1:]
	}
	return c.ask(k, path, func(ctx context.Context) (lwm2mtest.Response, error) {
		return c.server.Read(ctx, k.Endpoint, path.String(), format)
	}), alone(rest, err)
}

func (c *Console) write(words []string) (job, error) {
	k, path, rest, err := c.takeTarget(words, 2, 4)
	switch {
	case err != nil:
		return about(k, path), err
	case len(rest) == 0:
		return about(k, path), errMissing
	case path.Len() == 2 || c.isMultiple(path, rest):
		return c.writeSeveral(k, path, lwm2mtest.Merge, rest)
	case len(rest) > 1:
		return about(k, path), fmt.Errorf("%s takes one value: put double quotes around a value with blanks", path)
	}
	if name, isFile := c.fileNamed(path, rest[0]); isFile {
		return c.writeFile(k, path, name)
	}
	v, err := c.parseValue(path, rest[0])
	if err != nil {
		return about(k, path), err
	}
	return c.writeContent(k, path, lwm2mtest.Replace, lwm2m.Node{Path: path, Value: v})
}

// isMultiple reports whether a path names all instances of a resource: by its definition, else
// by what is to be written there.
func (c *Console) isMultiple(path lwm2m.Path, values []string) bool {
	if path.Len() != 3 {
		return false
	}
	if def, known := c.resource(path); known {
		return def.Multiple
	}
	return !slices.ContainsFunc(values, func(v string) bool {
		_, _, err := assigned(path, v)
		return err != nil
	})
}

func (c *Console) replace(words []string) (job, error) {
	k, path, rest, err := c.takeTarget(words, 2, 3)
	if err != nil {
		return about(k, path), err
	}
	return c.writeSeveral(k, path, lwm2mtest.Replace, rest)
}

func (c *Console) writeSeveral(k client, path lwm2m.Path, mode lwm2mtest.WriteMode, rest []string) (job, error) {
	nodes, err := c.assignments(path, rest)
	switch {
	case err != nil:
		return about(k, path), err
	case len(nodes) == 0:
		return about(k, path), errMissing
	}
	return c.writeContent(k, path, mode, nodes...)
}

// writeContent writes in the format for the client; a single value in one of those that
// every client has, where it announces none that says its type.
func (c *Console) writeContent(k client, path lwm2m.Path, mode lwm2mtest.WriteMode, nodes ...lwm2m.Node) (job, error) {
	format := k.format()
	if format == lwm2m.FormatTLV && !k.announces(format) && k.Version != "1.0" && len(nodes) == 1 && nodes[0].Path == path {
		format = lwm2m.FormatText
	}
	content, err := lwm2mtest.Encode(format, path.String(), nodes...)
	if err != nil {
		return about(k, path), err
	}
	return c.ask(k, path, func(ctx context.Context) (lwm2mtest.Response, error) {
		return c.server.Write(ctx, k.Endpoint, path.String(), mode, content)
	}), nil
}

func (c *Console) writeAttributes(words []string) (job, error) {
	k, path, rest, err := c.takeTarget(words, 1, 4)
	if err == nil {
		err = checkAttributes(rest)
	}
	if err == nil && len(rest) == 0 {
		err = errMissing
	}
	return c.ask(k, path, func(ctx context.Context) (lwm2mtest.Response, error) {
		return c.server.WriteAttributes(ctx, k.Endpoint, path.String(), rest...)
	}), err
}

func checkAttributes(words []string) error {
	for _, w := range words {
		name, value, assigned := strings.Cut(w, "=")
		if !slices.Contains(attributes, name) {
			return fmt.Errorf("%q is not an attribute: write one of %s", brief(name), strings.Join(attributes, ", "))
		}
		if assigned && value == "" {
			return fmt.Errorf("%s has no value: write %s=5, or %s alone to unset it", name, name, name)
		}
	}
	return nil
}

func (c *Console) execute(words []string) (job, error) {
	k, path, rest, err := c.takeTarget(words, 3, 3)
	arguments := ""
	if err == nil && len(rest) > 0 {
		arguments, rest = rest[0], rest[1:]
		if _, ok := lwm2m.ParseArguments([]byte(arguments)); !ok {
			err = fmt.Errorf("%q cannot be sent as arguments: write digits with or without a value, such as 0='10',2", brief(arguments))
		}
	}
	return c.ask(k, path, func(ctx context.Context) (lwm2mtest.Response, error) {
		return c.server.Execute(ctx, k.Endpoint, path.String(), arguments)
	}), alone(rest, err)
}

func (c *Console) deleteInstance(words []string) (job, error) {
	k, path, rest, err := c.takeTarget(words, 2, 2)
	return c.ask(k, path, func(ctx context.Context) (lwm2mtest.Response, error) {
		return c.server.Delete(ctx, k.Endpoint, path.String())
	}), alone(rest, err)
}

func (c *Console) triggerUpdate(words []string) (job, error) {
	return c.trigger(words, objects.ServerRegistrationUpdateTrigger)
}

func (c *Console) triggerBootstrap(words []string) (job, error) {
	return c.trigger(words, objects.ServerBootstrapRequestTrigger)
}

// trigger executes a resource of the Server object. A client shows a server the instance
// that is this server's own, where it has several servers.
func (c *Console) trigger(words []string, resource uint16) (job, error) {
	k, rest, err := c.takeClient(words)
	path := lwm2m.PathOf(objects.Server, 0, resource)
	if instances := k.instances(objects.Server); len(instances) > 0 {
		path = lwm2m.PathOf(objects.Server, instances[0], resource)
	}
	return c.ask(k, path, func(ctx context.Context) (lwm2mtest.Response, error) {
		return c.server.Execute(ctx, k.Endpoint, path.String(), "")
	}), alone(rest, err)
}

// takePaths takes a client and one path or several.
func (c *Console) takePaths(words []string) (client, []string, error) {
	k, rest, err := c.takeClient(words)
	if err == nil && len(rest) == 0 {
		err = errMissing
	}
	for _, text := range rest {
		if err == nil {
			_, err = parsePath(text, 0, 4)
		}
	}
	return k, rest, err
}

func (c *Console) readComposite(words []string) (job, error) {
	k, paths, err := c.takePaths(words)
	j := c.ask(k, lwm2m.Path{}, func(ctx context.Context) (lwm2mtest.Response, error) {
		return c.server.ReadComposite(ctx, k.Endpoint, k.compositeFormat(), paths...)
	})
	j.answer.Path = strings.Join(paths, " ")
	return j, err
}

func (c *Console) writeComposite(words []string) (job, error) {
	k, rest, err := c.takeClient(words)
	if err != nil {
		return about(k, lwm2m.Path{}), err
	}
	nodes := map[lwm2m.Path]lwm2m.Node{}
	for _, w := range rest {
		text, value, found := strings.Cut(w, "=")
		path, err := parsePath(text, 3, 4)
		if err != nil || !found {
			return about(k, lwm2m.Path{}), fmt.Errorf("%q: write PATH=VALUE, such as /1/0/1=300", brief(w))
		}
		if err := c.assign(nodes, path, value); err != nil {
			return about(k, lwm2m.Path{}), err
		}
	}
	if len(nodes) == 0 {
		return about(k, lwm2m.Path{}), errMissing
	}
	content, err := lwm2mtest.Encode(k.compositeFormat(), "/", inOrder(nodes)...)
	j := c.ask(k, lwm2m.Path{}, func(ctx context.Context) (lwm2mtest.Response, error) {
		return c.server.WriteComposite(ctx, k.Endpoint, content)
	})
	j.answer.Path = namesOf(inOrder(nodes))
	return j, err
}

func namesOf(nodes []lwm2m.Node) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Path.String()
	}
	return strings.Join(names, " ")
}
