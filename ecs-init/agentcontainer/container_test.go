package agentcontainer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// fakeDocker has one container at most.
type fakeDocker struct {
	calls   []string
	waits   []func() (int, error) // answers in order
	state   func() (*task.ContainerState, error)
	stopErr error
	config  *container.Config
	err     map[string]error // by call
}

func (d *fakeDocker) called(name string) error {
	d.calls = append(d.calls, name)
	return d.err[name]
}

func (d *fakeDocker) CreateNewest(_ context.Context, name string, config *container.Config, _ *container.HostConfig, _ time.Duration) (string, error) {
	d.config = config
	return "id", d.called("create " + name)
}

func (d *fakeDocker) Start(_ context.Context, id, _ string, _ time.Duration) (*task.ContainerState, error) {
	return nil, d.called("start " + id)
}

func (d *fakeDocker) Wait(_ context.Context, id string) (int, error) {
	_ = d.called("wait " + id)
	next := d.waits[0]
	d.waits = d.waits[1:]
	return next()
}

func (d *fakeDocker) Inspect(context.Context, string) (*task.ContainerState, error) { return d.state() }

func (d *fakeDocker) Stop(_ context.Context, id string, grace time.Duration) (*task.ContainerState, error) {
	_ = d.called("stop " + id + " " + grace.String())
	return nil, d.stopErr
}

func (d *fakeDocker) RemoveForced(_ context.Context, name string) error {
	return d.called("remove " + name)
}

func (d *fakeDocker) LogTail(_ context.Context, id string, lines int) (string, error) {
	if lines != 200 {
		return "", errors.New("not 200 lines")
	}
	return "tail of " + id, nil
}

func containerOn(t *testing.T, d *fakeDocker) Container {
	root := t.TempDir()
	return Container{Docker: d, Situation: func() Situation { return Situation{Root: root, Process: processOf(nil)} }}
}

func TestRun(t *testing.T) {
	d := &fakeDocker{waits: []func() (int, error){func() (int, error) { return 7, nil }}}
	code, err := containerOn(t, d).Run(t.Context())
	if code != 7 || err != nil {
		t.Errorf("%d, %v", code, err)
	}
	if want := []string{"create ecs-agent", "start id", "wait id"}; !slices.Equal(d.calls, want) {
		t.Errorf("calls %v", d.calls)
	}
	if d.config.Image != Image {
		t.Errorf("image %s", d.config.Image)
	}
	for _, step := range []string{"create ecs-agent", "start id"} {
		boom := errors.New("boom")
		d := &fakeDocker{err: map[string]error{step: boom}}
		if _, err := containerOn(t, d).Run(t.Context()); !errors.Is(err, boom) {
			t.Errorf("%s: %v", step, err)
		}
	}
}

func TestRunOutlivesARestartOfTheDaemon(t *testing.T) {
	lost := func() (int, error) { return 0, errors.New("EOF") }
	running := &task.ContainerState{Status: task.ContainerRunning}
	code := 3
	stopped := &task.ContainerState{Status: task.ContainerStopped, ExitCode: &code}

	t.Run("the agent kept running", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			up := time.Now().Add(50 * time.Second)
			d := &fakeDocker{waits: []func() (int, error){lost, func() (int, error) { return 42, nil }}}
			d.state = func() (*task.ContainerState, error) {
				if time.Now().Before(up) {
					return nil, errors.New("connection refused")
				}
				return running, nil
			}
			if code, err := containerOn(t, d).Run(t.Context()); code != 42 || err != nil {
				t.Errorf("%d, %v", code, err)
			}
		})
	})
	t.Run("the agent ended meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := &fakeDocker{waits: []func() (int, error){lost}, state: func() (*task.ContainerState, error) { return stopped, nil }}
			if code, err := containerOn(t, d).Run(t.Context()); code != 3 || err != nil {
				t.Errorf("%d, %v", code, err)
			}
		})
	})
	t.Run("the container is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := &fakeDocker{waits: []func() (int, error){lost}, state: func() (*task.ContainerState, error) { return nil, task.ErrGone }}
			if _, err := containerOn(t, d).Run(t.Context()); !errors.Is(err, task.ErrGone) {
				t.Errorf("%v", err)
			}
		})
	})
	t.Run("the daemon stays away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			d := &fakeDocker{waits: []func() (int, error){lost}, state: func() (*task.ContainerState, error) { return nil, errors.New("connection refused") }}
			_, err := containerOn(t, d).Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), "did not come back") || time.Since(begin) > daemonAbsence+5*time.Second {
				t.Errorf("%v after %s", err, time.Since(begin))
			}
		})
	})
	t.Run("ecs-init is told to end", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		d := &fakeDocker{waits: []func() (int, error){func() (int, error) { cancel(); return 0, ctx.Err() }}}
		if _, err := containerOn(t, d).Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestStop(t *testing.T) {
	running := func() (*task.ContainerState, error) {
		return &task.ContainerState{RuntimeID: "id", Status: task.ContainerRunning}, nil
	}
	cases := []struct {
		name    string
		state   func() (*task.ContainerState, error)
		stopErr error
		calls   []string
		err     string
	}{
		{"no container", func() (*task.ContainerState, error) { return nil, errdefs.ErrNotFound }, nil, nil, ""},
		{"one that ended", func() (*task.ContainerState, error) { return &task.ContainerState{Status: task.ContainerStopped}, nil }, nil, nil, ""},
		{"a running one", running, nil, []string{"stop id 10s"}, ""},
		{"one that goes away meanwhile", running, errdefs.ErrNotFound, []string{"stop id 10s"}, ""},
		{"one that does not stop", running, errors.New("boom"), []string{"stop id 10s"}, "could not stop Amazon Elastic Container Service Agent: boom"},
		{"a broken daemon", func() (*task.ContainerState, error) { return nil, errors.New("boom") }, nil, nil, "could not stop Amazon Elastic Container Service Agent: boom"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := &fakeDocker{state: c.state, stopErr: c.stopErr}
			err := containerOn(t, d).Stop(t.Context())
			if text := errText(err); text != c.err || !slices.Equal(d.calls, c.calls) {
				t.Errorf("error %q, calls %v", text, d.calls)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestRemoveAndLogTail(t *testing.T) {
	d := &fakeDocker{}
	c := containerOn(t, d)
	if err := c.Remove(t.Context()); err != nil || !slices.Equal(d.calls, []string{"remove ecs-agent"}) {
		t.Errorf("%v, calls %v", err, d.calls)
	}
	if tail, err := c.LogTail(t.Context()); tail != "tail of ecs-agent" || err != nil {
		t.Errorf("%q, %v", tail, err)
	}
}
