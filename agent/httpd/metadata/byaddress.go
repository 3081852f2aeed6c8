package metadata

import (
	"context"
	"net"
	"net/http"

	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// byAddress finds the task that asks by its address on the agent's own bridge, which only awsvpc tasks have; otherwise it
// answers. Everything of version 2 fails with 400.
func (h *handler) byAddress(w http.ResponseWriter, r *http.Request, request string) (*task.Task, bool) {
	const prefix = "Unable to get task arn from request: "
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		httpd.JSON(w, http.StatusBadRequest, request, prefix+"unable to parse request's ip address: "+err.Error())
		return nil, false
	}
	for _, t := range h.tasks.Tasks() {
		if t.LocalIPAddress != "" && t.LocalIPAddress == host {
			return t, true
		}
	}
	httpd.JSON(w, http.StatusBadRequest, request, prefix+"unable to associate '"+host+"' with task")
	return nil, false
}

// byDockerID finds any container on the instance: it need not belong to the task that asks.
func (h *handler) byDockerID(id string) (*task.Task, *task.Container, bool) {
	for _, t := range h.tasks.Tasks() {
		for _, c := range t.Containers {
			if c.RuntimeID == id {
				return t, c, true
			}
		}
	}
	return nil, nil, false
}

func (h *handler) taskV2(w http.ResponseWriter, r *http.Request, _ httpd.Vars) {
	if t, known := h.byAddress(w, r, taskRequest); known {
		h.bodies.serve(w, t, key{t.ARN, "v2"}, taskRequest, func() any { return newTaskV2(t, h.instance, false) })
	}
}

func (h *handler) taskV2WithTags(w http.ResponseWriter, r *http.Request, _ httpd.Vars) {
	t, known := h.byAddress(w, r, taskRequest)
	if !known {
		return
	}
	body := newTaskV2(t, h.instance, false)
	if len(body.Containers) > 0 {
		ctx, cancel := context.WithTimeout(r.Context(), tagsBudget)
		defer cancel()
		body.ContainerInstanceTags, body.TaskTags, _ = h.listTags(ctx, t, "")
	}
	httpd.JSON(w, http.StatusOK, taskRequest, body)
}

func (h *handler) containerV2(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
	if _, known := h.byAddress(w, r, containerRequest); !known {
		return
	}
	t, c, known := h.byDockerID(vars[0])
	if !known {
		httpd.JSON(w, http.StatusBadRequest, containerRequest, "Unable to generate metadata for container '"+vars[0]+"'")
		return
	}
	h.bodies.serve(w, t, key{c.RuntimeID, "v2"}, containerRequest, func() any { return newContainerV2(c, t.PrimaryENI(), false) })
}
