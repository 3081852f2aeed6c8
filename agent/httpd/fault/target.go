package fault

import (
	"fmt"
	"net/http"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// hostMode is the network mode of tasks in the namespace of the host; it is also the label of that namespace.
const hostMode = "host"

// awsvpcDevice is the interface of every task with a namespace of its own.
const awsvpcDevice = "eth0"

// target is where a task's faults are made.
type target struct {
	task      string // ARN
	namespace string // path, or hostMode
	devices   []string
	// ipv6Only: there is one interface, and it has no IPv4 address.
	ipv6Only bool
}

// command is how a command is run in the target's namespace.
func (t target) command(args []string) []string {
	if t.namespace == hostMode {
		return args
	}
	return append([]string{"nsenter", "--net=" + t.namespace}, args...)
}

// refusal is the answer to a request that cannot be done.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// find finds the task that asks, by the id in the path, and what it may impair.
func (h *handler) find(id string) (target, error) {
	t, c, known := h.tasks.ByEndpoint(id)
	if !known || c.RuntimeID == "" {
		return target{}, &refusal{http.StatusNotFound, "unable to get task arn from request: unable to get task Arn from v3 endpoint ID: " + id}
	}
	unresolved := &refusal{http.StatusInternalServerError, "failed to get task metadata due to internal server error for container: " + id}
	found := target{task: t.ARN}
	switch t.NetworkMode {
	case hostMode:
		links, err := h.injector.hostLinks()
		if err != nil {
			return target{}, &refusal{http.StatusInternalServerError, "failed to resolve default host network interface"}
		}
		found.namespace = hostMode
		for _, l := range links {
			found.devices = append(found.devices, l.name)
		}
		found.ipv6Only = len(links) == 1 && links[0].ipv6 && !links[0].ipv4
	case task.NetworkAWSVPC:
		eni := t.PrimaryENI()
		if eni == nil {
			return target{}, unresolved
		}
		found.namespace, found.devices, found.ipv6Only = t.NetworkNamespace, []string{awsvpcDevice}, eni.IPv6Only()
	}
	switch {
	case !t.EnableFaultInjection:
		return target{}, &refusal{http.StatusBadRequest, "enableFaultInjection is not enabled for task: " + t.ARN}
	case t.NetworkMode != hostMode && t.NetworkMode != task.NetworkAWSVPC:
		return target{}, &refusal{http.StatusBadRequest, fmt.Sprintf("%s mode is not supported. Please use either host or awsvpc mode.", networkMode(t))}
	case found.namespace == "" || len(found.devices) == 0:
		return target{}, unresolved
	}
	return found, nil
}

// networkMode names the mode of a task that says none: Docker's default.
func networkMode(t *task.Task) string {
	if t.NetworkMode == "" {
		return "bridge"
	}
	return t.NetworkMode
}
