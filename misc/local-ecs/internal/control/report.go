package control

import (
	"slices"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/taskdef"
)

// Outcome tells what became of an agent's report.
type Outcome string

// Outcomes of reports. Agents may repeat reports; what does not advance a status changes nothing.
const (
	Applied    Outcome = "applied"
	Repeated   Outcome = "repeated"
	Regression Outcome = "regression"
	Unknown    Outcome = "unknown task"
)

// Texts of stopped tasks.
const (
	ReasonEssential    = "Essential container in task exited"
	ReasonFailedStart  = "Task failed to start"
	ReasonUser         = "Task stopped by user"
	ReasonDeregistered = "Container instance deregistration forced by user"
	ReasonUnhealthy    = "Task failed container health checks"
)

// Stop makes STOPPED the desired status of a task. The first reason stays.
func (c *Control) Stop(tx *state.Tx, t *state.Task, code, reason string) *state.Task {
	if t.DesiredStatus == ecs.Stopped || !t.Live() {
		return t
	}
	t = t.Clone()
	t.DesiredStatus, t.StopCode, t.StoppedReason = ecs.Stopped, code, reason
	t.StoppingAt = c.now()
	t.Version++
	tx.Tasks.Put(t.ID, t)
	return t
}

// Report applies what an agent tells about a task and its containers.
func (c *Control) Report(tx *state.Tx, r *ecs.TaskReport) Outcome {
	_, id, _ := ecs.LastPart("task", r.Task)
	known := tx.Tasks.Get(id)
	if known == nil {
		return Unknown
	}
	if !known.Live() {
		if ecs.Rank(r.Status) == ecs.Rank(ecs.Stopped) {
			return Repeated
		}
		if r.Status == "" {
			return Repeated
		}
		return Regression
	}
	t := known.Clone()
	outcome := Repeated
	if attached(t, r.Attachments) {
		outcome = Applied
	}
	for i := range r.Containers {
		outcome = worse(outcome, applyContainer(t, &r.Containers[i]))
	}
	for _, m := range r.ManagedAgents {
		outcome = worse(outcome, c.applyManagedAgent(t, m))
	}
	for _, pair := range []struct {
		known    *ecs.Time
		reported ecs.Time
	}{{&t.PullStartedAt, r.PullStartedAt}, {&t.PullStoppedAt, r.PullStoppedAt}, {&t.ExecutionStoppedAt, r.ExecutionStoppedAt}} {
		if pair.known.IsZero() && !pair.reported.IsZero() {
			*pair.known = pair.reported
			outcome = worse(outcome, Applied)
		}
	}
	outcome = worse(outcome, c.applyStatus(tx, t, r))
	if outcome == Applied {
		t.Version++
		tx.Tasks.Put(t.ID, t)
	}
	return outcome
}

// worse keeps Applied once something was applied, and Regression over Repeated.
func worse(a, b Outcome) Outcome {
	for _, o := range []Outcome{Applied, Regression} {
		if a == o || b == o {
			return o
		}
	}
	return Repeated
}

func (c *Control) applyStatus(tx *state.Tx, t *state.Task, r *ecs.TaskReport) Outcome {
	outcome := Repeated
	switch have, got := ecs.Rank(t.LastStatus), ecs.Rank(r.Status); {
	case got == 0 || got == have:
	case got < have:
		outcome = Regression
	default:
		outcome = Applied
		t.LastStatus = r.Status
	}
	switch {
	case outcome == Applied && t.LastStatus == ecs.Running:
		t.StartedAt = c.now()
	case outcome == Applied && t.LastStatus == ecs.Stopped:
		c.finish(t, r.Reason)
	default:
		if c.essentialStopped(tx, t) && t.DesiredStatus == ecs.Running {
			t.StopCode, t.StoppedReason = verdict(t, "")
			t.DesiredStatus, t.StoppingAt = ecs.Stopped, c.now()
			outcome = Applied
		}
	}
	return outcome
}

func (c *Control) essentialStopped(tx *state.Tx, t *state.Task) bool {
	d := Definition(tx, t.TaskDefinitionArn)
	if d == nil {
		return false
	}
	return slices.ContainsFunc(d.ContainerDefinitions, func(def ecs.ContainerDefinition) bool {
		k := t.Container(def.Name)
		return def.IsEssential() && k != nil && k.LastStatus == ecs.Stopped
	})
}

// finish completes a task that is reported STOPPED.
func (c *Control) finish(t *state.Task, reason string) {
	now := c.now()
	t.StoppedAt = now
	if t.StoppingAt.IsZero() {
		t.StoppingAt = now
	}
	if t.StopCode == "" {
		t.StopCode, t.StoppedReason = verdict(t, reason)
	} else if t.StopCode == ecs.TaskFailedToStart && reason != "" {
		t.StoppedReason = reason
	}
	t.DesiredStatus = ecs.Stopped
	t.HealthStatus = "UNKNOWN"
	if t.ENI != nil {
		setAttachment(t, "DELETED")
	}
	for i := range t.Containers {
		t.Containers[i].LastStatus = ecs.Stopped
		t.Containers[i].HealthStatus = "UNKNOWN"
	}
}

// verdict tells why a task ended that nobody asked to stop: something of it had run, or nothing had.
func verdict(t *state.Task, reason string) (code, text string) {
	ran := !t.StartedAt.IsZero() || slices.ContainsFunc(t.Containers, func(k ecs.Container) bool {
		return k.ExitCode != nil
	})
	switch {
	case ran:
		return ecs.EssentialContainerExited, ReasonEssential
	case reason != "":
		return ecs.TaskFailedToStart, reason
	}
	return ecs.TaskFailedToStart, ReasonFailedStart
}

// applyContainer takes over one container's report; facts that were missing are filled in even when the status is old.
func applyContainer(t *state.Task, r *ecs.ContainerReport) Outcome {
	k := t.Container(r.ContainerName)
	if k == nil {
		return Repeated
	}
	outcome := Repeated
	have, got := ecs.Rank(k.LastStatus), ecs.Rank(r.Status)
	switch {
	case got > have:
		k.LastStatus = r.Status
		outcome = Applied
	case got < have && got > 0:
		outcome = Regression
	}
	fill := func(dst *string, src string) {
		if *dst == "" && src != "" {
			*dst = src
			outcome = Applied
		}
	}
	fill(&k.RuntimeID, r.RuntimeID)
	fill(&k.ImageDigest, r.ImageDigest)
	fill(&k.Reason, r.Reason)
	if k.ExitCode == nil && r.ExitCode != nil {
		k.ExitCode = r.ExitCode
		outcome = Applied
	}
	if len(k.NetworkBindings) == 0 && len(r.NetworkBindings) > 0 {
		k.NetworkBindings = r.NetworkBindings
		outcome = Applied
	}
	return outcome
}

func (c *Control) applyManagedAgent(t *state.Task, r ecs.ManagedAgentReport) Outcome {
	k := t.Container(r.ContainerName)
	if k == nil {
		return Repeated
	}
	now := ecs.ManagedAgent{Name: r.ManagedAgentName, Reason: r.Reason, LastStatus: r.Status}
	agents := slices.Clone(k.ManagedAgents)
	i := slices.IndexFunc(agents, func(m ecs.ManagedAgent) bool { return m.Name == r.ManagedAgentName })
	if i < 0 {
		agents = append(agents, ecs.ManagedAgent{Name: r.ManagedAgentName})
		i = len(agents) - 1
	}
	now.LastStartedAt = agents[i].LastStartedAt
	if r.Status == ecs.Running && agents[i].LastStatus != ecs.Running {
		now.LastStartedAt = c.now()
	}
	if agents[i] == now {
		return Repeated
	}
	agents[i] = now
	k.ManagedAgents = agents
	return Applied
}

// Health applies the health of a task's containers, as the telemetry session tells it.
func (c *Control) Health(tx *state.Tx, taskArn string, containers map[string]string) {
	_, id, _ := ecs.LastPart("task", taskArn)
	known := tx.Tasks.Get(id)
	if known == nil || !known.Live() {
		return
	}
	t := known.Clone()
	for i := range t.Containers {
		if h, ok := containers[t.Containers[i].Name]; ok {
			t.Containers[i].HealthStatus = h
		}
	}
	if d := Definition(tx, t.TaskDefinitionArn); d != nil {
		t.HealthStatus = overall(t, taskdef.Effective(&d.TaskDefinition, t.Overrides))
	}
	changed := t.HealthStatus != known.HealthStatus
	for i := range t.Containers {
		changed = changed || t.Containers[i].HealthStatus != known.Containers[i].HealthStatus
	}
	if changed {
		t.Version++
		tx.Tasks.Put(t.ID, t)
	}
}

// overall is the health of a task: that of its essential containers with a health check, the worst one wins.
func overall(t *state.Task, d *ecs.TaskDefinition) string {
	result := ""
	for _, def := range d.ContainerDefinitions {
		if !def.IsEssential() || def.HealthCheck == nil {
			continue
		}
		h := "UNKNOWN"
		if k := t.Container(def.Name); k != nil && k.HealthStatus != "" {
			h = k.HealthStatus
		}
		if result == "" || h == "UNHEALTHY" || h == "UNKNOWN" && result == "HEALTHY" {
			result = h
		}
	}
	if result == "" {
		return "UNKNOWN"
	}
	return result
}
