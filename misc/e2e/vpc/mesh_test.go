//go:build e2e

package vpc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What comes in for the ports of a task with App Mesh gets to its proxy, and so does what its containers send; the proxy's own
// traffic, and that to the agent, does not.
func TestTaskWithAnAppMeshProxy(t *testing.T) {
	h := newHost(t, nil)
	properties := []any{}
	for name, value := range map[string]string{"IgnoredUID": "1337", "ProxyIngressPort": "15000", "ProxyEgressPort": "15001", "AppPorts": "8080", "EgressIgnoredPorts": "22"} {
		properties = append(properties, map[string]string{"name": name, "value": value})
	}
	proxy := webContainer(map[string]any{"name": "envoy", "command": []string{"serve", "--listen", ":15000"}, "user": "1337",
		"environment": []any{map[string]string{"name": "I_AM", "value": "the-proxy"}}})
	mesh := h.awaitRunning(h.launchOf(definition(map[string]any{
		"containerDefinitions": []any{webContainer(nil), proxy},
		"proxyConfiguration":   map[string]any{"type": "APPMESH", "containerName": "envoy", "properties": properties},
	}), "subnet-lab", 1))[0]
	plain := h.run("subnet-lab", 1)[0]

	var rules []string
	h.must(mesh.in(func() (err error) {
		rules, err = filters(context.Background())
		return err
	}))
	for _, want := range []string{
		"-A PREROUTING -p tcp -m addrtype ! --src-type LOCAL -j APPMESH_INGRESS",
		"-A APPMESH_INGRESS -p tcp -m multiport --dports 8080 -j REDIRECT --to-ports 15000",
		"-A OUTPUT -p tcp -m addrtype ! --dst-type LOCAL -j APPMESH_EGRESS",
		"-A APPMESH_EGRESS -m owner --uid-owner 1337 -j RETURN",
		"-A APPMESH_EGRESS -p tcp -m multiport --dports 22 -j RETURN",
		"-A APPMESH_EGRESS -d 169.254.170.2/32 -p tcp -j RETURN",
		"-A APPMESH_EGRESS -d 169.254.169.254/32 -p tcp -j RETURN",
		"-A APPMESH_EGRESS -p tcp -j REDIRECT --to-ports 15001",
	} {
		if !slices.Contains(rules, "iptables-save "+want) {
			t.Errorf("the task's namespace has no rule %s; it has\n%s", want, strings.Join(rules, "\n"))
		}
	}
	if body := plain.mustGet("http://" + mesh.ip() + ":8080/env"); !strings.Contains(body, "I_AM=the-proxy") {
		t.Errorf("not the proxy answers: %s", body)
	}
	if _, err := mesh.get("http://" + plain.ip() + ":8080/env"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("what the task sends does not get to port 15001 of its proxy, which nobody serves: %v", err)
	}
	mesh.knowsItself()
	h.stop(mesh, plain)
	h.nothingIsLeft()
}
