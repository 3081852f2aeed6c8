package api

import (
	"net/http"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// Limits of task protection, in minutes.
const (
	defaultProtection = 120
	maxProtection     = 2880
)

type taskProtectionInput struct {
	Cluster           string   `json:"cluster"`
	Tasks             []string `json:"tasks"`
	ProtectionEnabled *bool    `json:"protectionEnabled"`
	ExpiresInMinutes  *int     `json:"expiresInMinutes"`
}

func getTaskProtection(a *API, _ *http.Request, in *taskProtectionInput) (any, error) {
	return a.protect(in, func(_ *state.Tx, t *state.Task) *state.Task { return t })
}

func updateTaskProtection(a *API, _ *http.Request, in *taskProtectionInput) (any, error) {
	if in.ProtectionEnabled == nil {
		return nil, ecs.InvalidParameter("'protectionEnabled' should not be null.")
	}
	if len(in.Tasks) == 0 || len(in.Tasks) > maxCount {
		return nil, ecs.InvalidParameter("Invalid 'tasks': 1 to %d are allowed.", maxCount)
	}
	minutes := defaultProtection
	if in.ExpiresInMinutes != nil {
		minutes = *in.ExpiresInMinutes
	}
	if minutes < 1 || minutes > maxProtection {
		return nil, ecs.InvalidParameter("Invalid 'expiresInMinutes': %d is not between 1 and %d.", minutes, maxProtection)
	}
	return a.protect(in, func(tx *state.Tx, t *state.Task) *state.Task {
		t = t.Clone()
		t.ProtectedUntil = ecs.Time{}
		if *in.ProtectionEnabled {
			t.ProtectedUntil = ecs.At(a.Control.Now().Add(time.Duration(minutes) * time.Minute))
		}
		tx.Tasks.Put(t.ID, t)
		return t
	})
}

func (a *API) protect(in *taskProtectionInput, change func(*state.Tx, *state.Task) *state.Task) (any, error) {
	protected, failures := []ecs.ProtectedTask{}, []ecs.Failure{}
	err := a.Store.Update(func(tx *state.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		refs := in.Tasks
		if len(refs) == 0 { // all tasks of the cluster's services
			for _, t := range tx.Tasks.Where(func(t *state.Task) bool { return t.ClusterName == c.ClusterName && t.Live() && t.ServiceName != "" }) {
				refs = append(refs, t.TaskArn)
			}
		}
		for _, ref := range refs {
			t := findTask(tx, c.ClusterName, ref)
			switch {
			case t == nil || !t.Live():
				_, id, _ := ecs.LastPart("task", ref)
				failures = append(failures, ecs.Failure{Arn: a.Control.Names.Task(c.ClusterName, id), Reason: "MISSING"})
			case t.ServiceName == "":
				failures = append(failures, ecs.Failure{Arn: t.TaskArn, Reason: "TASK_NOT_VALID", Detail: "The task is not part of a service."})
			default:
				t = change(tx, t)
				p := ecs.ProtectedTask{TaskArn: t.TaskArn, ProtectionEnabled: t.Protected(a.Control.Now())}
				if p.ProtectionEnabled {
					p.ExpirationDate = t.ProtectedUntil
				}
				protected = append(protected, p)
			}
		}
		return nil
	})
	return map[string]any{"protectedTasks": protected, "failures": failures}, err
}
