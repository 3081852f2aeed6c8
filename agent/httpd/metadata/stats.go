package metadata

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Stats gives what was measured of containers. *stats.Collector is the real one.
type Stats interface {
	// ContainerStats gives the newest sample of a container as JSON; nil when there is none yet. tracked is false when the
	// container is not measured. With rates the body has the network rates of version 4. It does not wait for Docker, and
	// the body is not changed any more.
	ContainerStats(t *task.Task, c *task.Container, rates bool) (body []byte, tracked bool)
}

func (h *handler) containerStats(v version) httpd.Handler {
	return func(w http.ResponseWriter, _ *http.Request, vars httpd.Vars) {
		t, c, known := h.caller(vars[0])
		if !known {
			httpd.JSON(w, v.unknown, containerStats, v.name+" container stats handler: "+noTask+vars[0])
			return
		}
		h.writeContainerStats(w, t, c, v)
	}
}

func (h *handler) containerStatsV2(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
	t, known := h.byAddress(w, r, containerStats)
	if !known {
		return
	}
	for _, c := range t.Containers {
		if c.RuntimeID == vars[0] && c.RuntimeID != "" {
			h.writeContainerStats(w, t, c, v3)
			return
		}
	}
	writeNoStats(w, v3, vars[0])
}

func (h *handler) writeContainerStats(w http.ResponseWriter, t *task.Task, c *task.Container, v version) {
	body, tracked := h.stats.ContainerStats(t, c, v.rates)
	switch {
	case !tracked:
		writeNoStats(w, v, c.RuntimeID)
	case body == nil:
		httpd.RawJSON(w, http.StatusOK, containerStats, []byte(v.noStats))
	default:
		httpd.RawJSON(w, http.StatusOK, containerStats, body)
	}
}

func writeNoStats(w http.ResponseWriter, v version, dockerID string) {
	httpd.JSON(w, v.failed, containerStats, "Unable to get container stats for: "+dockerID)
}

func (h *handler) taskStats(v version) httpd.Handler {
	return func(w http.ResponseWriter, _ *http.Request, vars httpd.Vars) {
		t, _, known := h.caller(vars[0])
		if !known {
			httpd.JSON(w, v.unknown, taskStatsRequest, v.name+" task stats handler: "+noTask+vars[0])
			return
		}
		h.writeTaskStats(w, t, v)
	}
}

func (h *handler) taskStatsV2(w http.ResponseWriter, r *http.Request, _ httpd.Vars) {
	if t, known := h.byAddress(w, r, taskStatsRequest); known {
		h.writeTaskStats(w, t, v3)
	}
}

// writeTaskStats answers with an entry for every container that Docker has, in the order of their ids.
func (h *handler) writeTaskStats(w http.ResponseWriter, t *task.Task, v version) {
	var containers []*task.Container
	for _, c := range t.Containers {
		if c.RuntimeID != "" {
			containers = append(containers, c)
		}
	}
	if len(containers) == 0 {
		httpd.JSON(w, v.failed, taskStatsRequest, "Unable to get task stats for: "+t.ARN)
		return
	}
	slices.SortFunc(containers, func(a, b *task.Container) int { return strings.Compare(a.RuntimeID, b.RuntimeID) })
	var out bytes.Buffer
	out.WriteByte('{')
	for i, c := range containers {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(`"` + c.RuntimeID + `":`)
		body, _ := h.stats.ContainerStats(t, c, v.rates)
		if body == nil {
			logger.Debug("No statistics of a container", logger.F("taskARN", t.ARN), logger.F("runtimeID", c.RuntimeID))
			body = []byte(v.noStats)
		}
		out.Write(body)
	}
	out.WriteByte('}')
	httpd.RawJSON(w, http.StatusOK, taskStatsRequest, out.Bytes())
}
