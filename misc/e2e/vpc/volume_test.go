//go:build e2e

package vpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
)

// volumePlugin stands in for the volume plugin of ecs-init. It mounts nothing, and writes down whether it could have: what is
// mounted over a network that has gone cannot be unmounted.
type volumePlugin struct {
	dir string

	mu      sync.Mutex
	options map[string]string // of volumes, by name
	log     []string
}

// servePlugin makes a plugin known to the Docker engine of this host.
func servePlugin(t *testing.T) *volumePlugin {
	t.Helper()
	const sockets = "/run/docker/plugins"
	p := &volumePlugin{dir: t.TempDir(), options: map[string]string{}}
	if err := os.MkdirAll(sockets, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(sockets, "amazon-ecs-volume-plugin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: p}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return p
}

// ServeHTTP answers the Docker volume plugin API.
func (p *volumePlugin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Name string
		Opts map[string]string
	}
	_ = json.NewDecoder(r.Body).Decode(&in) // some have none
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]any{"Err": ""}
	switch method := strings.TrimPrefix(r.URL.Path, "/VolumeDriver."); method {
	case "/Plugin.Activate":
		out["Implements"] = []string{"VolumeDriver"}
	case "Create":
		p.options[in.Name] = in.Opts["o"]
	case "Mount", "Unmount":
		p.log = append(p.log, method+": "+overNetwork(p.options[in.Name]))
		out["Mountpoint"] = p.dir
	case "Path":
		out["Mountpoint"] = p.dir
	case "Get":
		if _, known := p.options[in.Name]; !known {
			out["Err"] = "no such volume"
			break
		}
		out["Volume"] = map[string]any{"Name": in.Name, "Mountpoint": p.dir}
	case "Remove":
		delete(p.options, in.Name)
	}
	_ = json.NewEncoder(w).Encode(out)
}

// overNetwork looks at the network that mount options name.
func overNetwork(options string) string {
	_, path, found := strings.Cut(options, "netns=")
	if !found {
		return "no network in " + options
	}
	err := ns.WithNetNSPath(path, func(ns.NetNS) error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		routes, err := netlink.RouteList(link, netlink.FAMILY_V4)
		for _, r := range routes {
			if r.Gw.String() == "10.200.0.1" && link.Attrs().Flags&net.FlagUp != 0 {
				return nil
			}
		}
		return errors.Join(fmt.Errorf("routes %v", routes), err)
	})
	if err != nil {
		return err.Error()
	}
	return "with its network"
}

// A file system is mounted over the network of its task when that is there, and unmounted before it goes, also by an agent
// that did not start the task.
func TestFileSystemsAreUnmountedBeforeTheNetworkGoes(t *testing.T) {
	plugin := servePlugin(t)
	env := map[string]string{"ECS_VOLUME_PLUGIN_CAPABILITIES": `["efsAuth"]`}
	h := newHost(t, env)
	arns := h.launchOf(definition(map[string]any{
		"volumes": []any{map[string]any{"name": "data", "efsVolumeConfiguration": map[string]any{"fileSystemId": "fs-1", "transitEncryption": "ENABLED"}}},
		"containerDefinitions": []any{webContainer(map[string]any{
			"mountPoints": []any{map[string]any{"sourceVolume": "data", "containerPath": "/data"}}})},
	}), "subnet-lab", 2)
	tasks := h.awaitRunning(arns)
	h.stop(tasks[0])
	h.agent.Kill()
	h.start(env)
	h.stop(tasks[1])
	h.nothingIsLeft()

	plugin.mu.Lock()
	defer plugin.mu.Unlock()
	mounted := 0
	for _, line := range plugin.log {
		switch line {
		case "Mount: with its network":
			mounted++
		case "Unmount: with its network":
			mounted--
		default:
			t.Error(line)
		}
	}
	if mounted != 0 || len(plugin.log) < 4 {
		t.Errorf("%d are still mounted after %q", mounted, plugin.log)
	}
}
