package console

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/codec"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

func (c *Console) create(words []string) (job, error) {
	k, path, rest, err := c.takeTarget(words, 1, 2)
	if err != nil {
		return about(k, path), err
	}
	id, chosen, rest, err := takeID(path, rest)
	if err != nil {
		return about(k, path), err
	}
	object := path.Prefix(1)
	nodes, err := c.assignments(object.Child(id), rest)
	if err != nil {
		return about(k, object), err
	}
	content, err := creation(k, object.Child(id), chosen, nodes)
	return c.ask(k, object, func(ctx context.Context) (lwm2mtest.Response, error) {
		return c.server.Create(ctx, k.Endpoint, object.String(), content)
	}), err
}

// takeID takes the ID of the new instance, which may be a word of its own or the end of the path.
func takeID(path lwm2m.Path, rest []string) (id uint16, chosen bool, after []string, err error) {
	if path.Len() == 2 {
		return path.Instance(), true, rest, nil
	}
	if len(rest) == 0 || strings.Contains(rest[0], "=") {
		return 0, false, rest, nil
	}
	n, err := strconv.ParseUint(rest[0], 10, 16)
	if err != nil || n == lwm2m.MaxID {
		return 0, false, rest, fmt.Errorf("%q is not an ID: write a number up to 65534, or NUMBER=VALUE", brief(rest[0]))
	}
	return uint16(n), true, rest[1:], nil
}

// creation is the payload of a Create (LwM2M Core section 6.3.6): in TLV where the client
// knows that, as it leaves no doubt about an instance without an ID or without resources.
func creation(k client, at lwm2m.Path, chosen bool, nodes []lwm2m.Node) (lwm2mtest.Content, error) {
	format := k.format()
	if k.announces(lwm2m.FormatTLV) || len(nodes) == 0 {
		format = lwm2m.FormatTLV
	}
	made := codec.Creation{ID: at.Instance(), HasID: chosen}
	if instance, ok := (lwm2m.Payload{Nodes: nodes}).Tree().Instance(at.Object(), at.Instance()); ok {
		made.Resources = instance.Resources
	}
	payload, err := codec.EncodeCreate(format, at.Object(), made)
	return lwm2mtest.Content{Format: format, Payload: payload}, err
}
