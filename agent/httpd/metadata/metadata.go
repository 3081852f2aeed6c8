// Package metadata tells containers about themselves and their task: the task metadata endpoints, versions 2 to 4. Version
// 2 knows its caller by the address, the others by an id in the path. Status codes and texts are frozen.
package metadata

import (
	"context"
	"net/http"

	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// Kinds of requests, as the log calls them.
const (
	taskRequest         = "task metadata"
	containerRequest    = "container metadata"
	taskStatsRequest    = "task stats"
	containerStats      = "container stats"
	associationsRequest = "container associations"
	associationRequest  = "container association"
)

// Tasks is what metadata needs of the engine. All it gives are snapshots.
type Tasks interface {
	Tasks() []*task.Task
	// ByEndpoint finds a container by the id in its metadata address.
	ByEndpoint(id string) (*task.Task, *task.Container, bool)
}

// TagLister asks ECS for the tags of a task or container instance, for the metadata request of the named container.
type TagLister interface {
	ListTagsForResource(ctx context.Context, arn, container string) ([]ecsapi.Tag, error)
}

// Instance is what metadata shows of the container instance. Availability zone and zone id stay empty when they are not
// to be shown (ECS_DISABLE_TASK_METADATA_AZ), the VPC when it is not known.
type Instance struct {
	ARN                string
	Cluster            string
	AvailabilityZone   string
	AvailabilityZoneID string
	VPCID              string
}

// Register adds the routes of all versions.
func Register(routes *httpd.Router, in Instance, tasks Tasks, stats Stats, tags TagLister) {
	h := &handler{instance: in, tasks: tasks, stats: stats, tags: tags, bodies: newBodies()}

	routes.Handle("/v2/metadata", h.taskV2)
	routes.Handle("/v2/metadata/", h.taskV2)
	routes.Handle("/v2/metadata/{+dockerId}", h.containerV2)
	routes.Handle("/v2/metadataWithTags", h.taskV2WithTags)
	routes.Handle("/v2/metadataWithTags/", h.taskV2WithTags)
	routes.Handle("/v2/stats", h.taskStatsV2)
	routes.Handle("/v2/stats/", h.taskStatsV2)
	routes.Handle("/v2/stats/{+dockerId}", h.containerStatsV2)

	routes.Handle("/v3/{id}", h.containerV3)
	routes.Handle("/v3/{id}/task", h.taskV3)
	routes.Handle("/v3/{id}/taskWithTags", h.taskV3WithTags)
	routes.Handle("/v4/{id}", h.containerV4)
	routes.Handle("/v4/{id}/task", h.taskV4)
	routes.Handle("/v4/{id}/taskWithTags", h.taskV4WithTags)

	for _, v := range []version{v3, v4} {
		routes.Handle(v.path+"/stats", h.containerStats(v))
		routes.Handle(v.path+"/task/stats", h.taskStats(v))
		routes.Handle(v.path+"/associations/{type}", h.associations(v))
		routes.Handle(v.path+"/associations/{type}/", h.association(v))
		routes.Handle(v.path+"/associations/{type}/{+name}", h.association(v))
	}
}

type handler struct {
	instance Instance
	tasks    Tasks
	stats    Stats
	tags     TagLister
	bodies   *bodies
	looks    looks
}

// version is what differs between versions 3 and 4 outside the bodies.
type version struct {
	path    string
	name    string // as texts begin
	unknown int    // status for an id that is not known
	failed  int    // status when there is no answer
	noStats string // the body for a container without statistics
	rates   bool   // network rates are shown
}

var (
	v3 = version{"/v3/{id}", "V3", http.StatusBadRequest, http.StatusBadRequest, "null", false}
	v4 = version{"/v4/{id}", "V4", http.StatusNotFound, http.StatusInternalServerError, "{}", true}
)

// Texts about ids that are not known. They say "v3" in version 4 too, and some say "Arn".
const (
	noContainer = "unable to get container ID from request: unable to get docker ID from v3 endpoint ID: "
	noTask      = "unable to get task arn from request: unable to get task Arn from v3 endpoint ID: "
)

// caller finds the container with the endpoint id, once Docker has it.
func (h *handler) caller(id string) (*task.Task, *task.Container, bool) {
	t, c, known := h.tasks.ByEndpoint(id)
	return t, c, known && c.RuntimeID != ""
}

func (h *handler) containerV3(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
	t, c, known := h.settled(r.Context(), vars[0])
	if !known {
		httpd.JSON(w, http.StatusInternalServerError, containerRequest, "V3 container metadata handler: "+noContainer+vars[0])
		return
	}
	h.bodies.serve(w, t, key{c.RuntimeID, "v3"}, containerRequest, func() any { return newContainerV2(c, t.PrimaryENI(), true) })
}

func (h *handler) taskV3(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
	t, known := h.taskOf(w, r, v3, http.StatusInternalServerError, vars[0])
	if known {
		h.bodies.serve(w, t, key{t.ARN, "v3"}, taskRequest, func() any { return newTaskV2(t, h.instance, true) })
	}
}

func (h *handler) taskV3WithTags(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
	ctx, cancel := context.WithTimeout(r.Context(), tagsBudget)
	defer cancel()
	t, known := h.taskOf(w, r, v3, http.StatusInternalServerError, vars[0])
	if known {
		body := newTaskV2(t, h.instance, true)
		body.ContainerInstanceTags, body.TaskTags, _ = h.listTags(ctx, t, "")
		httpd.JSON(w, http.StatusOK, taskRequest, body)
	}
}

func (h *handler) containerV4(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
	t, c, known := h.settled(r.Context(), vars[0])
	if !known {
		httpd.JSON(w, http.StatusNotFound, containerRequest, "V4 container metadata handler: "+noContainer+vars[0])
		return
	}
	h.bodies.serve(w, t, key{c.RuntimeID, "v4"}, containerRequest, func() any { return newContainerV4(c, t.PrimaryENI()) })
}

func (h *handler) taskV4(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
	t, known := h.taskOf(w, r, v4, http.StatusNotFound, vars[0])
	if known {
		h.bodies.serve(w, t, key{t.ARN, "v4"}, taskRequest, func() any { return newTaskV4(t, h.instance) })
	}
}

func (h *handler) taskV4WithTags(w http.ResponseWriter, r *http.Request, vars httpd.Vars) {
	ctx, cancel := context.WithTimeout(r.Context(), tagsBudget)
	defer cancel()
	t, known := h.taskOf(w, r, v4, http.StatusNotFound, vars[0])
	if !known {
		return
	}
	name := ""
	for _, c := range t.Containers {
		if c.EndpointID == vars[0] {
			name = c.Name
		}
	}
	body := newTaskV4(t, h.instance)
	body.ContainerInstanceTags, body.TaskTags, body.Errors = h.listTags(ctx, t, name)
	httpd.JSON(w, http.StatusOK, taskRequest, body)
}

// taskOf finds the task of the container that asks; otherwise it answers with the given status.
func (h *handler) taskOf(w http.ResponseWriter, r *http.Request, v version, unknown int, id string) (*task.Task, bool) {
	t, _, known := h.settled(r.Context(), id)
	if !known {
		httpd.JSON(w, unknown, taskRequest, v.name+" task metadata handler: "+noTask+id)
	}
	return t, known
}
