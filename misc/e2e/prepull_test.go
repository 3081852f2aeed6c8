//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
)

// door stands before a registry. What layers and configurations are made of does not come out before it is opened.
type door struct {
	addr    string
	reached chan struct{} // closed when somebody asks for it
	open    chan struct{}
}

func newDoor(t *testing.T, registry *dockertest.Registry) *door {
	t.Helper()
	d := &door{reached: make(chan struct{}), open: make(chan struct{})}
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: registry.Addr})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			once.Do(func() { close(d.reached) })
			select {
			case <-d.open:
			case <-r.Context().Done():
				return
			}
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	d.addr = strings.TrimPrefix(server.URL, "http://")
	return d
}

// With ECS_PREPULL_WAIT an instance is registered when its images are there; without, they come meanwhile. An image that
// does not exist holds up nobody.
func TestPrepulledImages(t *testing.T) {
	registry := dockertest.StartRegistry(t, false)
	for name, wait := range map[string]string{"before the registration": "true", "beside it": "false"} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, registry)
			repository := dockertest.Name("prepulled") + ":1"
			registry.Push(t, repository, "ONE_OF_A_KIND="+repository)
			image := d.addr + "/" + repository
			dockertest.RemoveImage(t, image)
			list, err := json.Marshal([]string{d.addr + "/nosuch:1", image})
			if err != nil {
				t.Fatal(err)
			}
			h := newHost(t)
			h.env = map[string]string{"ECS_PREPULL_IMAGES": string(list), "ECS_PREPULL_WAIT": wait}
			h.launch()
			select {
			case <-d.reached:
			case <-time.After(time.Minute):
				t.Fatal("nobody pulls the image")
			}
			if wait == "true" {
				h.noInstanceFor(time.Second)
				close(d.open)
			}
			if _, err := h.AwaitAgent(h.ctx()); err != nil {
				t.Fatalf("%v; the agent's last words:\n%s", err, h.agent.LastWords())
			}
			there, err := docker.HasImage(h.ctx(), image)
			h.must(err)
			if there != (wait == "true") {
				t.Errorf("when the instance is registered, the image is there: %v", there)
			}
			if wait != "true" {
				close(d.open)
				h.poll("the image to come", func() (bool, error) { return docker.HasImage(h.ctx(), image) })
			}
		})
	}
}

// noInstanceFor looks out for an instance, in vain.
func (h *host) noInstanceFor(period time.Duration) {
	h.t.Helper()
	tick, end := time.NewTicker(50*time.Millisecond), time.After(period)
	defer tick.Stop()
	for {
		if instances, err := h.Instances(h.ctx()); err != nil || len(instances) > 0 {
			h.t.Fatalf("instances %v, %v", instances, err)
		}
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}
