package container

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

const canary = "CANARY-token"

// canaryTask has a container with a secret in an option of its log driver.
func canaryTask(t *testing.T, d Docker) (*Runner, *task.Task, *task.Container) {
	t.Helper()
	r := newRunner(t, d)
	r.facts.Secret = func(*task.Task, task.Secret) (string, error) { return canary, nil }
	hostConfig := `{"LogConfig":{"Type":"splunk"}}`
	c := &task.Container{Name: "app", RuntimeName: "docker-app", Secrets: []task.Secret{{Name: "splunk-token", Target: "LOG_DRIVER"}}}
	c.DockerConfig.HostConfig = &hostConfig
	return r, &task.Task{ARN: "arn:aws:ecs:us-west-2:1:task/c/id", Containers: []*task.Container{c}}, c
}

func TestErrorsShowNoSecrets(t *testing.T) {
	d := &fakeDocker{createErr: task.NewError(task.ErrCannotCreateContainer, errors.New("Error response from daemon: invalid option "+canary))}
	r, ts, c := canaryTask(t, d)
	_, err := r.Create(t.Context(), ts, c)
	if err == nil || err.Error() != "CannotCreateContainerError: Error response from daemon: invalid option [redacted]" {
		t.Errorf("create: %v", err)
	}

	d.createErr = nil
	if _, err := r.Create(t.Context(), ts, c); err != nil {
		t.Fatal(err)
	}
	if got := d.created[1].HostConfig.LogConfig.Config["splunk-token"]; got != canary {
		t.Errorf("the log driver got %q", got)
	}
	d.startErr = &task.Error{Name: task.ErrCannotStartContainer, Message: canary + " was refused"}
	if _, err = r.Start(t.Context(), ts, c); err == nil || err.Error() != "CannotStartContainerError: [redacted] was refused" {
		t.Errorf("start: %v", err)
	}
	if len(r.hide.byName) > 0 {
		t.Error("the secret is held after the start")
	}
}

// failedDocker says each time it looks why the container ended.
type failedDocker struct {
	*fakeDocker
	text string
}

func (d failedDocker) state() *task.ContainerState {
	return &task.ContainerState{RuntimeID: "id", Name: "docker-app", Status: task.ContainerStopped, Failure: &task.Error{Name: task.ErrDockerState, Message: d.text},
		Labels: map[string]string{task.LabelTaskARN: "arn:aws:ecs:us-west-2:1:task/c/id", task.LabelContainerName: "app"}}
}

func (d failedDocker) Inspect(context.Context, string) (*task.ContainerState, error) {
	return d.state(), nil
}
func (d failedDocker) Stop(context.Context, string, time.Duration) (*task.ContainerState, error) {
	return d.state(), nil
}
func (d failedDocker) Start(context.Context, string, string, time.Duration) (*task.ContainerState, error) {
	return d.state(), nil
}

// What Docker keeps about a container is looked at again and again, by an agent that was restarted too, which does not know
// the secrets any more.
func TestWhatDockerKeepsShowsNoSecrets(t *testing.T) {
	text := "failed to initialize logging driver: splunk: " + canary + ` and "` + `line\ntwo"`
	d := failedDocker{&fakeDocker{settings: docker.Settings{
		Environment: map[string]string{"PASSWORD": "line\ntwo", "LEVEL": "failed"}, LogOptions: map[string]string{"splunk-token": canary, "splunk-url": "splunk"},
	}}, text}
	r, ts, c := canaryTask(t, d)
	c.Secrets = append(c.Secrets, task.Secret{Name: "PASSWORD", Type: task.SecretVariable})
	const want = `failed to initialize logging driver: splunk: [redacted] and "[redacted]"`
	looks := map[string]func() (*task.ContainerState, error){
		"inspect": func() (*task.ContainerState, error) { return r.Inspect(t.Context(), c) },
		"stop":    func() (*task.ContainerState, error) { return r.Stop(t.Context(), ts, c) },
		"start":   func() (*task.ContainerState, error) { return r.Start(t.Context(), ts, c) },
	}
	for name, look := range looks {
		if state, err := look(); err != nil || state.Failure.Message != want || state.Failure.Name != task.ErrDockerState {
			t.Errorf("%s: %+v, %v", name, state.Failure, err)
		}
	}

	d.settingsErr = errors.New("no answer")
	for name, look := range looks {
		if state, err := look(); err != nil || state.Failure.Message != leftOut {
			t.Errorf("%s when Docker does not say what the container was given: %+v, %v", name, state.Failure, err)
		}
	}
	c.Secrets = nil
	if state, _ := r.Inspect(t.Context(), c); state.Failure.Message != text {
		t.Errorf("a container without secrets: %v", state.Failure)
	}
}

// A container that is started once more, after its secrets were forgotten.
func TestErrorsOfALaterStartShowNoSecrets(t *testing.T) {
	d := &fakeDocker{startErr: task.NewError(task.ErrCannotStartContainer, errors.New("Error response from daemon: dial "+canary)),
		settings: docker.Settings{Environment: map[string]string{"apikey_1": canary, "PORT": "dial"}}}
	r, ts, c := canaryTask(t, d)
	c.Secrets, c.Firelens = nil, &task.FirelensConfig{Type: task.FirelensFluentBit} // its secrets are options of others
	if _, err := r.Start(t.Context(), ts, c); err == nil || err.Error() != "CannotStartContainerError: Error response from daemon: dial [redacted]" {
		t.Errorf("%v", err)
	}
	d.startErr, d.settingsErr = task.NewError(task.ErrCannotStartContainer, errors.New("EOF")), errors.New("no answer")
	if _, err := r.Start(t.Context(), ts, c); err == nil || err.Error() != "CannotStartContainerError: EOF" {
		t.Errorf("what the daemon has not written: %v", err)
	}
}

func TestRedact(t *testing.T) {
	for _, c := range []struct {
		text   string
		values []string
		want   string
	}{
		{"a secret", nil, "a secret"},
		{"abc is short", []string{"abc", ""}, "abc is short"},
		{"one longvalue, one long", []string{"long", "longvalue"}, "one [redacted], one [redacted]"},
		{fmt.Sprintf("%q", "two\nlines \"quoted\""), []string{"two\nlines \"quoted\""}, `"[redacted]"`},
	} {
		if got := redact(c.text, c.values); got != c.want {
			t.Errorf("%q: %q", c.text, got)
		}
	}
}
