package console

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/lwm2m/linkformat"
	"github.com/holdfast-iot/holdfast/lwm2mtest"
)

// client is a registered client, with its object list.
type client struct {
	lwm2mtest.Registration
	list linkformat.Registration
}

// client returns a registered client. The server refuses object lists that cannot be parsed.
func (c *Console) client(endpoint string) (client, bool) {
	r, ok := c.server.Registration(endpoint)
	list, _ := linkformat.ParseRegistration(r.Objects, lwm2m.Limits{Bytes: len(r.Objects) + 1, Nodes: len(r.Objects) + 1})
	return client{r, list}, ok
}

// instances lists those of an object that a client has announced.
func (k client) instances(object uint16) []uint16 {
	for _, o := range k.list.Objects {
		if o.ID == object {
			return o.Instances
		}
	}
	return nil
}

// takeClient takes the client off the front of a command's words. It may be left out
// before a path when there is one client only, and be abbreviated.
func (c *Console) takeClient(words []string) (client, []string, error) {
	endpoints := c.server.Endpoints()
	if len(words) == 0 || strings.HasPrefix(words[0], "/") && !slices.Contains(endpoints, words[0]) {
		endpoint, err := only(endpoints)
		k, _ := c.client(endpoint)
		return k, words, err
	}
	endpoint, err := abbreviated(endpoints, words[0])
	k, _ := c.client(endpoint)
	return k, words[1:], err
}

// only returns the one client that there is.
func only(endpoints []string) (string, error) {
	switch len(endpoints) {
	case 0:
		return "", errors.New("no client is registered: start one that uses this server")
	case 1:
		return endpoints[0], nil
	}
	return "", fmt.Errorf("several clients are registered, so name one: %s", listed(endpoints))
}

// abbreviated finds the client that a word names, or begins the name of.
func abbreviated(endpoints []string, name string) (string, error) {
	var found []string
	for _, e := range endpoints {
		switch {
		case e == name:
			return e, nil
		case strings.HasPrefix(e, name):
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", fmt.Errorf("%q could be %s: write more of it", name, listed(found))
	}
	return "", noSuchClient(endpoints, name)
}

func noSuchClient(endpoints []string, name string) error {
	if _, err := lwm2m.ParsePath("/" + name); err == nil {
		return fmt.Errorf("%q is not a client: a path begins with a slash, /%s", name, name)
	}
	if len(endpoints) == 0 {
		return fmt.Errorf("%q is not registered, and no other client is: start it with the address of this server", brief(name))
	}
	return fmt.Errorf("%q is not registered: choose one of %s", brief(name), listed(endpoints))
}

// mostListed is how many names an error lists.
const mostListed = 5

// listed lists names as they can be typed.
func listed(names []string) string {
	shown := make([]string, min(len(names), mostListed))
	for i := range shown {
		shown[i] = quoted(names[i])
	}
	if more := len(names) - len(shown); more > 0 {
		return strings.Join(shown, ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(shown, ", ")
}

// takeTarget takes a client and a path of at least so many segments off the front.
func (c *Console) takeTarget(words []string, least, most int) (k client, path lwm2m.Path, rest []string, err error) {
	k, rest, err = c.takeClient(words)
	if err != nil {
		return k, path, rest, err
	}
	if len(rest) == 0 {
		return k, path, rest, errMissing
	}
	path, err = parsePath(rest[0], least, most)
	return k, path, rest[1:], err
}

// levels are what a path of so many segments names.
var levels = []string{"the root", "an object (/3)", "an instance (/3/0)", "a resource (/3/0/0)", "a resource instance (/3/0/6/0)"}

func parsePath(text string, least, most int) (lwm2m.Path, error) {
	path, err := lwm2m.ParsePath(text)
	switch {
	case err != nil:
		return path, fmt.Errorf("%q is not a path: write up to four numbers from 0 to 65534, such as /3/0/0", brief(text))
	case path.Len() < least || path.Len() > most:
		return path, fmt.Errorf("%s is %s: write %s", path, levels[path.Len()], oneOf(levels[least:most+1]))
	}
	return path, nil
}

// oneOf lists alternatives: "a, b or c".
func oneOf(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
