package docker

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Observer hears of every call to the daemon. Its methods are called often and must not block.
type Observer interface {
	// DockerCall tells of one request: a word for what was asked, of a small set; how long the answer took to begin; and
	// whether it failed or the daemon refused it.
	DockerCall(operation string, took time.Duration, failed bool)
	// ImagePulled tells of one attempt to pull an image and of the bytes it downloaded.
	ImagePulled(took time.Duration, bytes int64, failed bool)
}

// SetObserver sets who hears of calls. Call it before other methods.
func (c *Client) SetObserver(o Observer) { c.observer = o }

// observed sends a request and tells the observer, if there is one.
func (t transport) observed(r *http.Request) (*http.Response, error) {
	if t.client == nil || t.client.observer == nil {
		return t.base.RoundTrip(r)
	}
	began := time.Now()
	answer, err := t.base.RoundTrip(r)
	t.client.observer.DockerCall(operation(r.Method, r.URL.Path), time.Since(began), err != nil || answer.StatusCode >= 400)
	return answer, err
}

// Objects and verbs of the Engine API, as far as operations are named after them.
var (
	objects = map[string]string{"containers": "container", "images": "image", "volumes": "volume", "plugins": "plugin",
		"networks": "network", "distribution": "distribution", "exec": "exec"}
	verbs   = []string{"create", "start", "stop", "kill", "wait", "stats", "tag", "load", "restart", "update", "rename", "logs"}
	singles = []string{"_ping", "version", "info", "events"}
)

// operation names a request: "container_inspect", "ping". What the agent does not ask for is "other".
func operation(method, path string) string {
	path = strings.TrimPrefix(path, "/")
	if first, rest, has := strings.Cut(path, "/"); has && strings.HasPrefix(first, "v1.") {
		path = rest
	}
	if slices.Contains(singles, path) {
		return strings.TrimPrefix(path, "_")
	}
	kind, rest, _ := strings.Cut(path, "/")
	object, known := objects[kind]
	last := rest[strings.LastIndexByte(rest, '/')+1:]
	switch {
	case !known:
		return "other"
	case method == http.MethodDelete:
		return object + "_remove"
	case method == http.MethodPost && kind == "images" && last == "create":
		return "image_pull"
	case method == http.MethodPost && slices.Contains(verbs, last), last == "stats":
		return object + "_" + last
	case method == http.MethodGet && (rest == "" || rest == "json"):
		return object + "_list"
	case method == http.MethodGet:
		return object + "_inspect"
	}
	return object + "_other"
}

// downloads counts the bytes of a pull, layer by layer, as the daemon tells of them.
type downloads map[string]int64

func (d downloads) see(p progress) {
	if p.Status == "Downloading" {
		d[p.ID] = max(d[p.ID], p.Detail.Current)
	}
}

func (d downloads) total() (bytes int64) {
	for _, n := range d {
		bytes += n
	}
	return bytes
}
