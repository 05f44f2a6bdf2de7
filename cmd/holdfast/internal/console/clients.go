package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-iot/holdfast/lwm2m/linkformat"
)

// registered is a client in the JSON form of the command clients.
type registered struct {
	Endpoint string    `json:"endpoint"`
	LwM2M    string    `json:"lwm2m"`
	Lifetime int64     `json:"lifetime_s"`
	Binding  string    `json:"binding"`
	Queue    bool      `json:"queue"`
	Awake    bool      `json:"awake"`
	Remote   string    `json:"remote"`
	Since    time.Time `json:"registered"`
	Updated  time.Time `json:"updated"`
	Objects  []string  `json:"objects"` // "/3/0"; "/3303" without an instance

	until time.Time // it is awake, or has been
	brief string    // Objects, for a line
}

func (c *Console) clients(words []string) (job, error) {
	if len(words) > 0 {
		return job{}, errTooMany
	}
	var a Answer
	all := []registered{}
	for _, endpoint := range c.server.Endpoints() {
		k, ok := c.client(endpoint)
		if !ok {
			continue // it has gone meanwhile
		}
		awake, until := c.server.Awake(endpoint)
		r := registered{
			Endpoint: endpoint, LwM2M: k.Version, Lifetime: int64(k.Lifetime / time.Second), Binding: k.Binding,
			Queue: k.Queue, Awake: awake, Remote: k.Remote.String(), Since: k.Registered, Updated: k.Updated, Objects: k.paths(),
			until: until, brief: k.summary(),
		}
		all = append(all, r)
		a.rows = append(a.rows, r.row())
	}
	if a.Value = all; len(all) == 0 {
		a.Detail = "nobody is registered"
	}
	return job{answer: a}, nil
}

// paths lists what a client has announced.
func (k client) paths() (paths []string) {
	for _, o := range k.list.Objects {
		paths = append(paths, instancesOf(o)...)
	}
	return paths
}

func instancesOf(o linkformat.ObjectLink) (paths []string) {
	if len(o.Instances) == 0 {
		return []string{fmt.Sprintf("/%d", o.ID)}
	}
	for _, i := range o.Instances {
		paths = append(paths, fmt.Sprintf("/%d/%d", o.ID, i))
	}
	return paths
}

// mostInstances is how many instances of an object a line lists.
const mostInstances = 4

// summary is what a client has announced, on a line that ends.
func (k client) summary() string {
	var parts []string
	for _, o := range k.list.Objects {
		if n := len(o.Instances); n > mostInstances {
			parts = append(parts, fmt.Sprintf("/%d (%d instances)", o.ID, n))
			continue
		}
		parts = append(parts, instancesOf(o)...)
	}
	return strings.Join(parts, " ")
}

func (r registered) row() []string {
	presence := ""
	switch {
	case r.Queue && r.Awake:
		presence = "awake until " + r.until.Format(time.TimeOnly)
	case r.Queue:
		presence = "asleep since " + r.until.Format(time.TimeOnly)
	}
	lifetime := "for ever"
	if r.Lifetime > 0 {
		lifetime = "lifetime " + short(time.Duration(r.Lifetime)*time.Second)
	}
	return []string{r.Endpoint, "LwM2M " + r.LwM2M, lifetime, r.Remote, presence, r.brief}
}

// short writes a duration without units that are zero at its end: 24h, 5m.
func short(d time.Duration) string {
	text := d.String()
	for _, end := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, end) {
			text = text[:len(text)-2]
		}
	}
	return text
}
