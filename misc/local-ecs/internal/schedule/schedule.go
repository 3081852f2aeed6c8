// Package schedule keeps services at their desired count: it starts missing tasks, replaces those of older deployments,
// of draining instances and unhealthy ones, and stops surplus ones.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/place"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/taskdef"
)

// Scheduler looks at all services whenever the state changes, and once a second for what time alone changes.
type Scheduler struct {
	Store     *state.Store
	Control   *control.Control
	Log       *slog.Logger
	Retention time.Duration // how long stopped tasks and other ended things can still be described
}

// maxEvents is how many events a service keeps.
const maxEvents = 100

// Run works until ctx ends.
func (s *Scheduler) Run(ctx context.Context) {
	changed, stop := s.Store.Watch()
	defer stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var pruned time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case now := <-tick.C:
			if now.Sub(pruned) > time.Minute {
				pruned = now
				s.prune()
			}
		}
		s.Pass()
	}
}

func (s *Scheduler) prune() {
	err := s.Store.Update(func(tx *state.Tx) error {
		control.Prune(tx, s.Control.Now().Add(-s.Retention))
		return nil
	})
	if err != nil {
		s.Log.Error("old tasks not removed", "error", err)
	}
}

// Pass brings every service one step nearer to what it wants.
func (s *Scheduler) Pass() {
	var keys []string
	s.Store.View(func(tx *state.Tx) {
		for _, svc := range tx.Services.Where(func(svc *state.Service) bool { return svc.Status != ecs.Inactive }) {
			keys = append(keys, state.ServiceKey(svc.ClusterName, svc.ServiceName))
		}
	})
	for _, key := range keys {
		err := s.Store.Update(func(tx *state.Tx) error {
			if svc := tx.Services.Get(key); svc != nil && svc.Status != ecs.Inactive {
				s.step(tx, svc)
			}
			return nil
		})
		if err != nil {
			s.Log.Error("service not scheduled", "service", key, "error", err)
		}
	}
}

func (s *Scheduler) step(tx *state.Tx, known *state.Service) {
	svc := known.Clone()
	tasks := tx.TasksOf(svc.ClusterName, svc.ServiceName)
	tasks = slices.DeleteFunc(tasks, func(t *state.Task) bool { return t.CreatedAt.Before(svc.CreatedAt.Time) })
	wanted := svc.DesiredCount
	if svc.Status == ecs.Draining {
		wanted = 0
	} else if svc.SchedulingStrategy == ecs.Daemon {
		wanted = s.daemonHosts(tx, svc)
	}
	leaving := func(t *state.Task) bool {
		i := tx.Instances.Get(t.InstanceID)
		return i == nil || i.Status != ecs.Active
	}
	a := plan(svc, tasks, wanted, leaving, s.Control.Now())
	if svc.Status == ecs.Draining {
		a.start, a.stop = 0, slices.DeleteFunc(slices.Clone(tasks), func(t *state.Task) bool { return !t.Live() })
	}
	s.stop(tx, svc, a.stop)
	s.start(tx, svc, a.start)
	if a.failed > 0 {
		primary(svc).FailedTasks = a.failed
	}
	if a.paused && a.failed >= 3 {
		s.eventOnce(svc, "(service %s) is unable to consistently start tasks successfully. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.", svc.ServiceName)
	}
	s.settle(svc, tx.TasksOf(svc.ClusterName, svc.ServiceName), wanted)
	if changed(known, svc) {
		tx.Services.Put(state.ServiceKey(svc.ClusterName, svc.ServiceName), svc)
	}
}

// changed compares what a step can change.
func changed(a, b *state.Service) bool {
	return a.Status != b.Status || a.Steady != b.Steady || a.DesiredCount != b.DesiredCount ||
		!slices.Equal(a.Deployments, b.Deployments) || len(a.Events) != len(b.Events) ||
		len(a.Events) > 0 && a.Events[0] != b.Events[0]
}

func (s *Scheduler) stop(tx *state.Tx, svc *state.Service, tasks []*state.Task) {
	var ids []string
	for _, t := range tasks {
		reason := fmt.Sprintf("Scaling activity initiated by (deployment %s)", primary(svc).ID)
		if t.HealthStatus == "UNHEALTHY" {
			reason = control.ReasonUnhealthy
		}
		if s.Control.Stop(tx, t, ecs.ServiceSchedulerInitiated, reason) != t {
			ids = append(ids, t.ID)
		}
	}
	if len(ids) > 0 {
		svc.Steady = false
		s.event(svc, "(service %s) has stopped %d running tasks: %s.", svc.ServiceName, len(ids), taskList(ids))
	}
}

func (s *Scheduler) start(tx *state.Tx, svc *state.Service, count int) {
	cluster := tx.Clusters.Get(svc.ClusterName)
	definition := control.Definition(tx, svc.TaskDefinition)
	if count == 0 || cluster == nil || definition == nil {
		return
	}
	launch := s.launch(svc, cluster, definition)
	launch.Count = count
	tasks, failed, err := s.Control.Launch(tx, launch)
	if len(tasks) > 0 {
		var ids []string
		for _, t := range tasks {
			ids = append(ids, t.ID)
		}
		svc.Steady = false
		s.event(svc, "(service %s) has started %d tasks: %s.", svc.ServiceName, len(ids), taskList(ids))
	}
	why := closest(failed)
	if apiErr := (*ecs.Error)(nil); errors.As(err, &apiErr) {
		why = apiErr.Message
	}
	if why != "" && svc.SchedulingStrategy != ecs.Daemon {
		s.eventOnce(svc, "(service %s) was unable to place a task because no container instance met all of its requirements. Reason: %s For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.", svc.ServiceName, why)
	}
}

func (s *Scheduler) launch(svc *state.Service, cluster *state.Cluster, d *state.TaskDefinition) *control.Launch {
	l := &control.Launch{
		Cluster:     cluster,
		Definition:  d,
		Group:       "service:" + svc.ServiceName,
		StartedBy:   primary(svc).ID,
		LaunchType:  svc.LaunchType,
		Service:     svc,
		Deployment:  primary(svc).ID,
		Constraints: svc.PlacementConstraints,
		Strategy:    svc.PlacementStrategy,
		Exec:        svc.EnableExecuteCommand,
		Network:     svc.NetworkConfiguration,
	}
	if svc.SchedulingStrategy == ecs.Daemon {
		l.Constraints = append(slices.Clone(l.Constraints), ecs.PlacementConstraint{Type: "distinctInstance"})
	}
	switch svc.PropagateTags {
	case "SERVICE":
		l.Tags = svc.Tags
	case "TASK_DEFINITION":
		l.Tags = d.Tags
	}
	return l
}

// daemonHosts counts the instances a daemon service belongs on: active, with the attributes and constraints.
func (s *Scheduler) daemonHosts(tx *state.Tx, svc *state.Service) int {
	definition := control.Definition(tx, svc.TaskDefinition)
	if definition == nil {
		return 0
	}
	r := &place.Request{Attributes: taskdef.Attributes(&definition.TaskDefinition), LaunchType: svc.LaunchType}
	if err := r.Constrain(append(slices.Clone(svc.PlacementConstraints), definition.PlacementConstraints...)); err != nil {
		return 0
	}
	r.Distinct = false
	n := 0
	for _, i := range tx.Instances.Where(func(i *state.Instance) bool { return i.ClusterName == svc.ClusterName && i.Status == ecs.Active }) {
		if reason, _ := place.NewNode(i, nil, true).Fit(r); reason == "" {
			n++
		}
	}
	return n
}

// settle drops finished deployments and notes the steady state and the end of the service.
func (s *Scheduler) settle(svc *state.Service, tasks []*state.Task, wanted int) {
	live := map[string]int{}
	ready, total := 0, 0
	for _, t := range tasks {
		if !t.Live() {
			continue
		}
		total++
		live[t.DeploymentID]++
		if t.DeploymentID == primary(svc).ID && t.LastStatus == ecs.Running && t.DesiredStatus == ecs.Running {
			ready++
		}
	}
	if svc.SchedulingStrategy == ecs.Daemon {
		svc.DesiredCount = wanted
	}
	svc.Deployments = slices.DeleteFunc(svc.Deployments, func(d ecs.Deployment) bool {
		return d.Status != "PRIMARY" && live[d.ID] == 0
	})
	if svc.Status == ecs.Draining {
		if total == 0 {
			svc.Status, svc.EndedAt = ecs.Inactive, ecs.At(s.Control.Now())
			svc.Deployments = nil
		}
		return
	}
	if ready != wanted || total != wanted || len(svc.Deployments) != 1 {
		svc.Steady = false
		return
	}
	if p := primary(svc); p.RolloutState != "COMPLETED" {
		p.RolloutState = "COMPLETED"
		p.RolloutStateReason = fmt.Sprintf("ECS deployment %s completed.", p.ID)
		p.UpdatedAt = ecs.At(s.Control.Now())
		s.event(svc, "(service %s) (deployment %s) deployment completed.", svc.ServiceName, p.ID)
	}
	if !svc.Steady {
		svc.Steady = true
		s.event(svc, "(service %s) has reached a steady state.", svc.ServiceName)
	}
}

func (s *Scheduler) event(svc *state.Service, format string, args ...any) {
	e := ecs.ServiceEvent{ID: control.NewUUID(), CreatedAt: ecs.At(s.Control.Now()), Message: fmt.Sprintf(format, args...)}
	svc.Events = append([]ecs.ServiceEvent{e}, svc.Events...)
	svc.Events = svc.Events[:min(len(svc.Events), maxEvents)]
	s.Log.Info(e.Message)
}

// eventOnce adds an event unless the newest one says the same.
func (s *Scheduler) eventOnce(svc *state.Service, format string, args ...any) {
	if len(svc.Events) == 0 || svc.Events[0].Message != fmt.Sprintf(format, args...) {
		s.event(svc, format, args...)
	}
}

func taskList(ids []string) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = "(task " + id + ")"
	}
	return strings.Join(parts, " ")
}

// closest words the reason of the first failure.
func closest(failures []ecs.Failure) string {
	if len(failures) == 0 {
		return ""
	}
	f := failures[0]
	text := map[string]string{
		place.ReasonCPU:       "has insufficient CPU units available.",
		place.ReasonMemory:    "has insufficient memory available.",
		place.ReasonPorts:     "is already using a port required by your task.",
		place.ReasonAttribute: "is missing an attribute required by your task.",
		place.ReasonAgent:     "has an agent that is disconnected.",
		place.ReasonGPU:       "has insufficient GPU resources available.",
	}[f.Reason]
	if text == "" {
		text = fmt.Sprintf("encountered error \"%s\".", f.Reason)
	}
	_, id, _ := ecs.LastPart("container-instance", f.Arn)
	return fmt.Sprintf("The closest matching (container-instance %s) %s", id, text)
}
