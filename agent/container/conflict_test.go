package container

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// reserving is a daemon in which the create call of a killed agent is still under way: the name is taken, and there is
// nothing to look at yet. After some time the container is there, or the name is free again.
type reserving struct {
	fakeDocker
	until    time.Time
	succeeds bool
	labels   map[string]string
}

func (d *reserving) Create(ctx context.Context, r docker.CreateRequest) (string, error) {
	if time.Now().Before(d.until) {
		return "", &task.Error{Name: task.ErrCannotCreateContainer, Cause: errdefs.ErrConflict, Message: "Error response from daemon: Conflict."}
	}
	if d.succeeds && d.byName == nil {
		d.byName = map[string]*task.ContainerState{r.Name: {RuntimeID: "earlier", Name: r.Name, Labels: d.labels}}
	}
	return d.fakeDocker.Create(ctx, r)
}

func TestCreateWaitsForAnEarlierCallUnderTheSameName(t *testing.T) {
	for _, tc := range []struct {
		name     string
		succeeds bool
		takes    time.Duration
		wantID   string
	}{
		{"which succeeds", true, 3 * time.Second, "earlier"},
		{"which is given up", false, 3 * time.Second, "id-of-ecs-f-1-c-1"},
		{"which never ends", false, time.Hour, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &task.Container{Name: "c", Image: "i", RuntimeName: "ecs-f-1-c-1"}
				tk := &task.Task{ARN: "arn:aws:ecs:us-west-2:123456789012:task/default/t1", Family: "f", Revision: "1", Containers: []*task.Container{c}}
				d := &reserving{until: time.Now().Add(tc.takes), succeeds: tc.succeeds,
					labels: map[string]string{task.LabelTaskARN: tk.ARN, task.LabelContainerName: "c"}}
				began := time.Now()
				result, err := newRunner(t, d).Create(t.Context(), tk, c)
				if result.RuntimeID != tc.wantID || (err == nil) != (tc.wantID != "") {
					t.Errorf("created %q, %v; want %q", result.RuntimeID, err, tc.wantID)
				}
				if waited := time.Since(began); waited > conflictLimit+time.Second {
					t.Errorf("waited %s", waited)
				}
			})
		})
	}
}
