package introspection

import (
	"net/http"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// shortID is the greatest length at which a dockerid is taken as the beginning of an id.
const shortID = 12

const tasksRequest = "introspection/tasks"

type taskResponse struct {
	Arn           string
	DesiredStatus string `json:",omitempty"`
	KnownStatus   string
	Family        string
	Version       string
	Containers    []containerResponse
}

type containerResponse struct {
	DockerId     string
	DockerName   string
	Name         string
	Image        string
	ImageID      string
	CreatedAt    time.Time         `json:",omitzero"`
	StartedAt    time.Time         `json:",omitzero"`
	Ports        []portResponse    `json:",omitempty"`
	Networks     []networkResponse `json:",omitempty"`
	Volumes      []volumeResponse  `json:",omitempty"`
	RestartCount *int              `json:",omitempty"`
}

type portResponse struct {
	ContainerPort uint16 `json:",omitempty"`
	Protocol      string `json:",omitempty"`
	HostPort      uint16 `json:",omitempty"`
}

type networkResponse struct {
	NetworkMode   string   `json:",omitempty"`
	IPv4Addresses []string `json:",omitempty"`
	IPv6Addresses []string `json:",omitempty"`
}

type volumeResponse struct {
	DockerName  string `json:",omitempty"`
	Source      string `json:",omitempty"`
	Destination string `json:",omitempty"`
}

// serve answers with all tasks, or with the one that a filter names.
func (c *cache) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery == "" {
		c.serveAll(w)
		return
	}
	query := r.URL.Query()
	id, byID := query["dockerid"]
	arn, byARN := query["taskarn"]
	var found *task.Task
	status, problem := http.StatusOK, ""
	switch {
	case byID && byARN:
		status, problem = http.StatusBadRequest, "request contains both dockerid and taskarn but expect at most one of these"
	case byARN:
		found, status, problem = findARN(c.tasks.Tasks(), arn[0])
	case byID:
		found, status, problem = findDockerID(c.tasks.Tasks(), id[0])
	default:
		c.serveAll(w)
		return
	}
	if problem != "" {
		logger.Error("Unable to find a task", logger.F("reason", problem))
	}
	answer := taskResponse{}
	if found != nil {
		answer = newTaskResponse(found)
	}
	httpd.JSON(w, status, tasksRequest, answer)
}

func findARN(tasks []*task.Task, arn string) (found *task.Task, status int, problem string) {
	for _, t := range tasks {
		if t.ARN == arn {
			return t, http.StatusOK, ""
		}
	}
	return nil, http.StatusNotFound, "no task found with arn " + arn
}

// findDockerID finds the task of a container by its whole id, or by the beginning of it if that is unique.
func findDockerID(tasks []*task.Task, id string) (found *task.Task, status int, problem string) {
	what, short := "dockerID ", len(id) <= shortID
	if short {
		what = "shortDockerID "
	}
	for _, t := range tasks {
		for _, c := range t.Containers {
			key := c.RuntimeID
			if key == "" {
				key = c.RuntimeName
			}
			switch {
			case !inDocker(c) || key != id && !(short && strings.HasPrefix(key, id)):
			case found != nil:
				return nil, http.StatusBadRequest, "multiple tasks found with short id " + id
			default:
				found = t
			}
		}
	}
	if found == nil {
		return nil, http.StatusNotFound, "no task found with " + what + id
	}
	return found, http.StatusOK, ""
}

// inDocker reports whether Docker has the container, or is being asked to create it.
func inDocker(c *task.Container) bool {
	return c.RuntimeID != "" || c.Engine.Step == task.StepCreate
}

func newTaskResponse(t *task.Task) taskResponse {
	known, desired := t.Known.ECS(), t.Desired.ECS()
	if known == "STOPPED" && desired != "STOPPED" || known == "RUNNING" && desired == "PENDING" {
		desired = ""
	}
	r := taskResponse{Arn: t.ARN, DesiredStatus: desired, KnownStatus: known, Family: t.Family, Version: t.Revision, Containers: []containerResponse{}}
	network := t.PrimaryENI()
	for _, c := range t.Containers {
		if inDocker(c) && !c.Internal() {
			r.Containers = append(r.Containers, newContainerResponse(c, network))
		}
	}
	return r
}

func newContainerResponse(c *task.Container, network *task.ENI) containerResponse {
	r := containerResponse{
		DockerId: c.RuntimeID, DockerName: c.RuntimeName, Name: c.Name, Image: c.Image, ImageID: c.ImageID,
		CreatedAt: c.CreatedAt.UTC(), StartedAt: c.StartedAt.UTC(),
	}
	ports := c.Bindings
	if len(ports) == 0 {
		ports = c.Ports
	}
	for _, p := range ports {
		host := p.HostPort
		if network != nil {
			host = p.ContainerPort
		}
		r.Ports = append(r.Ports, portResponse{p.ContainerPort, p.Protocol.String(), host})
	}
	if network != nil {
		r.Networks = []networkResponse{{task.NetworkAWSVPC, network.IPv4Addresses(), network.IPv6Addresses()}}
	}
	for _, m := range c.Mounts {
		r.Volumes = append(r.Volumes, volumeResponse{m.Name, m.Source, m.Destination})
	}
	if c.RestartPolicy != nil && c.RestartPolicy.Enabled {
		count := 0
		if c.Restarts != nil {
			count = c.Restarts.Count
		}
		r.RestartCount = &count
	}
	return r
}
