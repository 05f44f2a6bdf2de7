package console

import (
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
		return "", fmt.Errorf("no client is registered")
	case 1:
		return endpoints[0], nil
	}
	return "", fmt.Errorf("which client? registered are %s", listed(endpoints))
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
		return "", fmt.Errorf("%q may be %s: write more of it", name, listed(found))
	}
	return "", noSuchClient(endpoints, name)
}

func noSuchClient(endpoints []string, name string) error {
	if _, err := lwm2m.ParsePath("/" + name); err == nil {
		return fmt.Errorf("%q is no client: a path begins with a slash, /%s", name, name)
	}
	if len(endpoints) == 0 {
		return fmt.Errorf("no client %q is registered, and no other one", name)
	}
	return fmt.Errorf("no client %q is registered: there is %s", name, listed(endpoints))
}

// mostListed is how many names an error lists.
const mostListed = 5

func listed(names []string) string {
	if len(names) > mostListed {
		return strings.Join(names[:mostListed], ", ") + fmt.Sprintf(" and %d more", len(names)-mostListed)
	}
	return strings.Join(names, ", ")
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
		return path, fmt.Errorf("%q is no path: write numbers, such as /3/0/0", text)
	case path.Len() < least || path.Len() > most:
		return path, fmt.Errorf("%s is %s: write %s", path, levels[path.Len()], strings.Join(levels[least:most+1], " or "))
	}
	return path, nil
}
