package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// steps prints what happens, with the time since the start.
type steps struct {
	out   io.Writer
	start time.Time
}

func newSteps(out io.Writer) *steps { return &steps{out: out, start: time.Now()} }

func (s *steps) show(what, format string, args ...any) {
	fmt.Fprintf(s.out, "%6.2fs  %-11s %s\n", time.Since(s.start).Seconds(), what, fmt.Sprintf(format, args...))
}

func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// short is a path as the reader would type it.
func (s *stack) short(path string) string {
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}

// run takes the example task through its life.
func (s *stack) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	if err := s.start(ctx, ""); err != nil {
		return err
	}
	definition, err := s.control.RegisterFile(ctx, filepath.Join(s.root, "misc/local-ecs/examples/web.json"))
	if err != nil {
		return err
	}
	arn, err := s.control.Run(ctx, definition, nil)
	if err != nil {
		return err
	}
	s.steps.show("task", "%s of task definition %s", lastPart(arn), definition)
	t, err := s.becomesRunning(ctx, arn)
	if err != nil {
		return fmt.Errorf("%w; the agent's last words:\n%s", err, s.agent.LastWords())
	}
	if err := s.talk(ctx, t); err != nil {
		return err
	}
	if err := s.control.Stop(ctx, arn, "The example is over"); err != nil {
		return err
	}
	s.steps.show("stopping", "asked for the end of the task")
	stopped, err := s.control.AwaitStatus(ctx, "STOPPED", arn)
	if err != nil {
		return err
	}
	t = &stopped[0]
	code := "none"
	if t.Containers[0].ExitCode != nil {
		code = fmt.Sprint(*t.Containers[0].ExitCode)
	}
	s.steps.show("STOPPED", "%s, exit code %s, reason: %s", t.StopCode, code, t.StoppedReason)
	if code != "0" {
		return fmt.Errorf("the container ended with exit code %s, want 0", code)
	}
	return nil
}

// becomesRunning shows the steps up to RUNNING. The pull is over once there is a container.
func (s *stack) becomesRunning(ctx context.Context, arn string) (t *rig.Task, err error) {
	created := false
	err = rig.Poll(ctx, "the task to be RUNNING", func() (bool, error) {
		list, err := s.docker.Containers(ctx, arn)
		if err != nil {
			return false, err
		}
		if t, err = s.control.Task(ctx, arn); err != nil {
			return false, err
		}
		if !created && len(list) > 0 {
			created = true
			s.steps.show("pulled", "%s", exampleImage)
			s.steps.show("created", "container %s (%.12s)", strings.TrimPrefix(list[0].Names[0], "/"), list[0].ID)
		}
		if t.LastStatus == "STOPPED" {
			return false, fmt.Errorf("it is STOPPED: %s: %s", t.StopCode, t.StoppedReason)
		}
		return t.LastStatus == "RUNNING", nil
	})
	if err != nil {
		return nil, err
	}
	if len(t.Containers[0].Bindings) == 0 {
		return nil, fmt.Errorf("the task is RUNNING without a host port")
	}
	b := t.Containers[0].Bindings[0]
	s.steps.show("RUNNING", "host port %d -> container port %d/%s", b.HostPort, b.ContainerPort, b.Protocol)
	return t, nil
}

// metadataURI is in the example container's answer.
var metadataURI = regexp.MustCompile(`http://169\.254\.170\.2(/v4/\S+)`)

// talk shows an answer of the container and what the container can know about its task.
func (s *stack) talk(ctx context.Context, t *rig.Task) error {
	url := fmt.Sprintf("http://127.0.0.1:%d/", t.Containers[0].Bindings[0].HostPort)
	var answer string
	err := rig.Poll(ctx, "an answer of the container on "+url, func() (bool, error) {
		status, body, err := rig.Get(ctx, url)
		answer = strings.TrimSpace(string(body))
		return err == nil && status == http.StatusOK, nil
	})
	if err != nil {
		return err
	}
	s.steps.show("HTTP", "GET %s says: %s", url, strings.ReplaceAll(answer, "\n", " | "))

	path := metadataURI.FindStringSubmatch(answer)
	if path == nil {
		return fmt.Errorf("the container does not know its metadata address")
	}
	// Containers use 169.254.170.2, which the host redirects to this port; see the README.
	url = rig.TaskAPI + path[1] + "/task"
	status, body, err := rig.Get(ctx, url)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("GET %s: status %d: %s: %w", url, status, body, err)
	}
	var metadata struct{ Cluster, TaskARN, Family, Revision, KnownStatus string }
	if err := json.Unmarshal(body, &metadata); err != nil {
		return fmt.Errorf("GET %s: %w", url, err)
	}
	if metadata.TaskARN != t.ARN {
		return fmt.Errorf("GET %s tells about task %q", url, metadata.TaskARN)
	}
	s.steps.show("metadata", "GET %s/task says: %s:%s is %s in cluster %s", "…"+path[1][:len("/v4/")+8]+"…", metadata.Family, metadata.Revision, metadata.KnownStatus, lastPart(metadata.Cluster))
	return nil
}
