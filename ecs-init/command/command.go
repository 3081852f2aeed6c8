// Package command runs programs of the host. It is the only place of ecs-init and the volume plugin that does.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Run runs a program found in PATH and returns what it wrote to standard output. A failure is an *Error. Tests put a
// function of their own in its place.
type Run func(ctx context.Context, name string, args ...string) (stdout string, err error)

// Error is a program that could not be started, ran too long, or ended with a status other than 0.
type Error struct {
	Command        string // as a person would type it
	Stdout, Stderr string
	Cause          error
}

// Error names the command, what it said, and how it ended.
func (e *Error) Error() string {
	said := e.Said()
	if said == "" {
		return fmt.Sprintf("%s: %v", e.Command, e.Cause)
	}
	return fmt.Sprintf("%s: %v: %s", e.Command, e.Cause, said)
}

func (e *Error) Unwrap() error { return e.Cause }

// Said is the program's own complaint: its standard error, else its standard output; trimmed.
func (e *Error) Said() string {
	if said := strings.TrimSpace(e.Stderr); said != "" {
		return said
	}
	return strings.TrimSpace(e.Stdout)
}

// Status is the exit status in err, -1 when the program did not end by itself.
func Status(err error) int {
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode()
	}
	return -1
}

const (
	// limit is for programs that nothing else bounds.
	limit = time.Minute
	// outputDelay is how long to wait for more output of a program that has ended: a daemon it started may keep its
	// standard error open for ever.
	outputDelay = time.Second
	// maxOutput is kept of each stream, in bytes.
	maxOutput = 64 << 10
)

// Exec is the Run that really runs programs. Without a deadline in ctx a program gets a minute. When the time is over
// the program and those it started are killed.
func Exec(ctx context.Context, name string, args ...string) (string, error) {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputDelay
	var stdout, stderr head
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended with status 0
	}
	if err == nil {
		return stdout.String(), nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return stdout.String(), &Error{
		Command: strings.Join(append([]string{name}, args...), " "),
		Stdout:  stdout.String(), Stderr: stderr.String(), Cause: err,
	}
}

// head keeps the first maxOutput bytes written to it.
type head struct{ kept bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	h.kept.Write(p[:min(len(p), max(0, maxOutput-h.kept.Len()))])
	return len(p), nil
}

func (h *head) String() string { return h.kept.String() }
