package introspection

import (
	"time"

	"github.com/aws/amazon-ecs-agent/agent/stats"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// overviewSamples is how many samples of a container the status page draws: a minute of them.
const overviewSamples = 60

// overviewResponse is what the status page shows, /v1/overview: an addition of this agent, for people.
type overviewResponse struct {
	Now                  time.Time
	StartedAt            time.Time
	Version              string
	Cluster              string
	ContainerInstanceArn string
	Sessions             []Session
	Host                 Host
	Reports              any `json:",omitempty"`
	Tasks                []taskOverview
}

// Session is a conversation with ECS.
type Session struct {
	Name      string
	Purpose   string // for people
	Connected bool
	Since     time.Time `json:",omitzero"`
	LastEnd   string    `json:",omitempty"` // how the last connection, or attempt to make one, ended
}

// Host is what the tasks share.
type Host struct {
	CPU, CPUUsed             int64 // shares, 1024 per logical CPU
	MemoryMiB, MemoryUsedMiB int64
	GPUs, GPUsUsed           int
}

type taskOverview struct {
	Arn        string
	ID         string
	Family     string
	Revision   string
	Service    string `json:",omitempty"`
	Known      string
	Desired    string
	Since      time.Time `json:",omitzero"` // of the known status
	AcceptedAt time.Time `json:",omitzero"`
	Reason     string    `json:",omitempty"`
	Waiting    string    `json:",omitempty"`
	NeverFits  bool      `json:",omitempty"`
	Containers []containerOverview
}

type containerOverview struct {
	Name      string
	Image     string
	Known     string
	Essential bool
	StartedAt time.Time `json:",omitzero"`
	EndedAt   time.Time `json:",omitzero"`
	ExitCode  *int      `json:",omitempty"`
	Health    string    `json:",omitempty"`
	Restarts  int
	Reason    string `json:",omitempty"`
	// CPU is in percent of the host, Memory in bytes; the oldest sample comes first.
	CPU         []float64 `json:",omitempty"`
	Memory      []uint64  `json:",omitempty"`
	MemoryLimit int64     `json:",omitempty"` // bytes
}

// Samples gives the newest samples of a container.
type Samples interface {
	Recent(runtimeID string, most int) []stats.Sample
}

func overviewOf(agent Agent, tasks []*task.Task, now time.Time) overviewResponse {
	o := overviewResponse{
		Now: now, StartedAt: agent.StartedAt, Version: agent.Version, Cluster: agent.Cluster, ContainerInstanceArn: agent.ContainerInstanceARN,
		Sessions: []Session{}, Tasks: []taskOverview{},
	}
	if agent.Sessions != nil {
		o.Sessions = agent.Sessions()
	}
	if agent.Host != nil {
		o.Host = agent.Host()
	}
	if agent.Reports != nil {
		o.Reports = agent.Reports()
	}
	for _, t := range tasks {
		if !t.Internal {
			o.Tasks = append(o.Tasks, newTaskOverview(t, agent.Samples))
		}
	}
	return o
}

func newTaskOverview(t *task.Task, samples Samples) taskOverview {
	o := taskOverview{
		Arn: t.ARN, ID: t.ID(), Family: t.Family, Revision: t.Revision, Service: t.ServiceName, Known: t.Known.String(), Desired: t.Desired.String(),
		Since: t.KnownTime.UTC(), AcceptedAt: t.AcceptedAt.UTC(), Reason: t.TerminalReason, Containers: []containerOverview{},
	}
	if !t.Known.Terminal() {
		o.Waiting, o.NeverFits = t.Engine.Waiting, t.Engine.NeverFits
	}
	for _, c := range t.Containers {
		if !c.Internal() {
			o.Containers = append(o.Containers, newContainerOverview(c, samples))
		}
	}
	return o
}

func newContainerOverview(c *task.Container, samples Samples) containerOverview {
	o := containerOverview{
		Name: c.Name, Image: c.Image, Known: c.Known.String(), Essential: c.Essential, StartedAt: c.StartedAt.UTC(), EndedAt: c.FinishedAt.UTC(),
		ExitCode: c.ExitCode, Reason: c.Failure.Reason(), MemoryLimit: int64(c.Memory) << 20,
	}
	if c.DockerHealthChecked() && !c.Known.Terminal() {
		o.Health = c.Health.Status.String()
	}
	if c.Restarts != nil {
		o.Restarts = c.Restarts.Count
	}
	if samples == nil || c.RuntimeID == "" || c.Known.Terminal() {
		return o
	}
	for _, s := range samples.Recent(c.RuntimeID, overviewSamples) {
		o.CPU = append(o.CPU, float64(int(s.CPUPercent*100+0.5))/100)
		o.Memory = append(o.Memory, s.Memory)
	}
	return o
}
