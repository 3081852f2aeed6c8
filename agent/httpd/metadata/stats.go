package metadata

import (
	"encoding/json"
	"net/http"

	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Statistics are not collected: the endpoints answer as they do with ECS_DISABLE_METRICS=true.

func (h *handler) containerStats(v version) httpd.Handler {
	return func(w http.ResponseWriter, _ *http.Request, vars httpd.Vars) {
		_, c, known := h.caller(vars[0])
		if !known {
			httpd.JSON(w, v.unknown, containerStats, v.name+" container stats handler: "+noTask+vars[0])
			return
		}
		writeNoStats(w, v, c.RuntimeID)
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

// writeTaskStats answers with an entry for every container that Docker has.
func (h *handler) writeTaskStats(w http.ResponseWriter, t *task.Task, v version) {
	stats := map[string]json.RawMessage{}
	for _, c := range t.Containers {
		if c.RuntimeID != "" {
			stats[c.RuntimeID] = json.RawMessage(v.noStats)
		}
	}
	if len(stats) == 0 {
		httpd.JSON(w, v.failed, taskStatsRequest, "Unable to get task stats for: "+t.ARN)
		return
	}
	httpd.JSON(w, http.StatusOK, taskStatsRequest, stats)
}
