// Package rig starts the agent and local-ecs as programs, with directories and a control plane of their own, and looks at
// them the way outsiders do: through the ECS API, Docker, the agent's HTTP ports, exit codes and logs. The end-to-end
// tests and `make run` stand on it.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Program is a running program.
type Program struct {
	Log string // file with everything it prints

	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start runs path with exactly env for environment. The log file is continued.
func start(name, path, log string, env []string, args ...string) (*Program, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer file.Close()
	p := &Program{Log: log, name: name, cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Dir = filepath.Dir(log)
	p.cmd.Stdout, p.cmd.Stderr = file, file
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for whoever started it
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState tells the rest
		close(p.done)
	}()
	return p, nil
}

// Pid is the process id.
func (p *Program) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the program has ended.
func (p *Program) Done() <-chan struct{} { return p.done }

// Running reports whether the program has not ended yet.
func (p *Program) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Wait waits for the end and gives the exit code, -1 after a signal.
func (p *Program) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%s (process %d) has not ended: %w", p.name, p.Pid(), ctx.Err())
	}
}

// Kill ends the program at once and waits until it is gone.
func (p *Program) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Terminate asks the program to end, and gives its exit code and how long it took. After limit it is killed.
func (p *Program) Terminate(limit time.Duration) (code int, took time.Duration, err error) {
	asked := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, 0, fmt.Errorf("terminate %s: %w", p.name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	code, err = p.Wait(ctx)
	took = time.Since(asked)
	if err != nil {
		p.Kill()
	}
	return code, took, err
}

// LastWords is the end of the program's log.
func (p *Program) LastWords() string {
	const lines = 15
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// Poll calls ready until it reports true. An error ends it at once; ctx gives up, with what as the reason.
func Poll(ctx context.Context, what string, ready func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := ready()
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
}
