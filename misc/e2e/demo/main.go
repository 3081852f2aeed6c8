// Command demo runs local-ecs and the agent side by side: `demo run` takes an example task through its whole life and shows
// each step; `demo up` keeps both running until Ctrl-C. Everything it makes is below one directory, and what it started
// it ends. See `make run` and `make up`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

const (
	exampleImage = "amazon/ecs-example-web:latest"
	cluster      = "default"
	upAddress    = "127.0.0.1:8100" // where local-ecs's own commands look

	startLimit = 60 * time.Second
	runLimit   = 2 * time.Minute
	endLimit   = 15 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// stack is local-ecs, the agent and the engine they use.
type stack struct {
	agentBinary, controlBinary, dir, root string

	steps     *steps
	docker    *rig.Docker
	control   *rig.Control
	agent     *rig.Program
	ownsImage bool // it was not there before
}

func demo(ctx context.Context, args []string) (err error) {
	s := &stack{steps: newSteps(os.Stdout)}
	fs := flag.NewFlagSet("demo", flag.ExitOnError)
	fs.StringVar(&s.agentBinary, "agent", "out/amazon-ecs-agent", "`path` of the agent")
	fs.StringVar(&s.controlBinary, "local-ecs", "out/local-ecs", "`path` of local-ecs")
	fs.StringVar(&s.dir, "dir", "", "`directory` for state and logs")
	fs.StringVar(&s.root, "root", ".", "`directory` of the repository")
	if len(args) == 0 {
		return errors.New("say run or up")
	}
	_ = fs.Parse(args[1:])
	if err := s.absolute(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	switch args[0] {
	case "run":
		if err := os.RemoveAll(s.dir); err != nil {
			return err
		}
		return s.run(ctx)
	case "up":
		return s.up(ctx)
	}
	return fmt.Errorf("%q: say run or up", args[0])
}

// absolute prepares the paths; the programs run in the directory of their logs.
func (s *stack) absolute() error {
	for _, path := range []*string{&s.agentBinary, &s.controlBinary, &s.dir, &s.root} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	return nil
}

// start brings everything up: image, local-ecs, agent. listen is empty for a free port.
func (s *stack) start(ctx context.Context, listen string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	if err := rig.CheckPorts(); err != nil {
		return err
	}
	var err error
	if s.docker, err = rig.NewDocker(); err != nil {
		return err
	}
	if err := s.image(ctx); err != nil {
		return err
	}
	s.control, err = rig.StartControl(ctx, rig.ControlOptions{Binary: s.controlBinary, Dir: s.dir, Cluster: cluster, Listen: listen,
		Args: []string{"--aws-data", filepath.Join(s.root, "misc/local-ecs/examples/aws-data")}})
	if err != nil {
		return err
	}
	s.steps.show("local-ecs", "serves the ECS API on %s (log: %s)", s.control.Endpoint, s.short(s.control.Log))
	s.agent, err = rig.StartAgent(rig.AgentOptions{Binary: s.agentBinary, Dir: s.dir, Endpoint: s.control.Endpoint, Cluster: cluster, DockerHost: s.docker.Host,
		Env: map[string]string{"AWS_ENDPOINT_URL": s.control.Endpoint}}) // for the examples with secrets
	if err != nil {
		return err
	}
	s.steps.show("agent", "started as process %d (log: %s)", s.agent.Pid(), s.short(s.agent.Log))
	instance, err := s.awaitAgent(ctx)
	if err != nil {
		return err
	}
	s.steps.show("registered", "container instance %s in cluster %s", lastPart(instance.ARN), cluster)
	return nil
}

// awaitAgent waits for the agent to be connected; an agent that ends first tells why itself.
func (s *stack) awaitAgent(ctx context.Context) (rig.Instance, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.agent.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	instance, err := s.control.AwaitAgent(ctx)
	if err != nil && !s.agent.Running() {
		return instance, fmt.Errorf("the agent ended before it was registered; its last words:\n%s", s.agent.LastWords())
	}
	return instance, err
}

// image builds the image of the examples unless it is there.
func (s *stack) image(ctx context.Context) error {
	present, err := s.docker.HasImage(ctx, exampleImage)
	if err != nil || present {
		return err
	}
	build := exec.CommandContext(ctx, filepath.Join(s.root, "misc/example-web/build.sh"), exampleImage)
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the example image: %w\n%s", err, text)
	}
	s.ownsImage = true
	s.steps.show("image", "built %s from scratch", exampleImage)
	return nil
}

// up keeps the stack running until the context ends.
func (s *stack) up(ctx context.Context) error {
	if err := s.start(ctx, upAddress); err != nil {
		return err
	}
	fmt.Printf(`
Running until Ctrl-C. In another terminal:

  out/local-ecs run misc/local-ecs/examples/web.json
  out/local-ecs ps
  aws ecs list-tasks --endpoint-url %s --region us-east-1
  curl %s/v1/tasks

`, s.control.Endpoint, rig.Introspection)
	select {
	case <-ctx.Done():
		return nil
	case <-s.agent.Done():
		return fmt.Errorf("the agent ended; its last words:\n%s", s.agent.LastWords())
	case <-s.control.Done():
		return fmt.Errorf("local-ecs ended; its last words:\n%s", s.control.LastWords())
	}
}

// close ends and removes what was started: tasks, programs, containers, the image.
func (s *stack) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	var errs []error
	tasks, err := s.stopTasks(ctx)
	errs = append(errs, err)
	if s.agent != nil {
		_, _, err := s.agent.Terminate(endLimit)
		errs = append(errs, err)
	}
	if s.control != nil {
		_, _, err := s.control.Terminate(endLimit)
		errs = append(errs, err)
	}
	for _, arn := range tasks {
		errs = append(errs, s.docker.RemoveAll(ctx, arn))
	}
	if s.ownsImage {
		errs = append(errs, s.docker.RemoveImage(ctx, exampleImage))
	}
	return errors.Join(errs...)
}

// stopTasks ends all tasks and gives the ARNs of those that may have left containers behind.
func (s *stack) stopTasks(ctx context.Context) ([]string, error) {
	if s.agent == nil || s.control == nil || !s.control.Running() {
		return nil, nil
	}
	known, err := rig.Tasks(ctx) // the agent knows those that the service has forgotten already
	if err != nil {
		known = nil // it does not answer any more; the service still does
	}
	running, err := s.control.TaskARNs(ctx, "RUNNING")
	if err != nil {
		return known, err
	}
	stopped, err := s.control.TaskARNs(ctx, "STOPPED")
	if err != nil {
		return known, err
	}
	for _, arn := range running {
		if err := s.control.Stop(ctx, arn, "The stack ends"); err != nil {
			return known, err
		}
	}
	if s.agent.Running() && len(running) > 0 {
		_, err = s.control.AwaitStatus(ctx, "STOPPED", running...)
	}
	return append(append(known, running...), stopped...), err
}
