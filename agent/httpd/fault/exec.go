package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// runner runs a command with the given input.
type runner func(ctx context.Context, args []string, input string) (output []byte, err error)

// commandError is a command that ran and failed.
type commandError struct {
	args   []string
	exit   int
	stderr string
}

func (e *commandError) Error() string {
	return fmt.Sprintf("%q ended with %d: %s", strings.Join(e.args, " "), e.exit, e.stderr)
}

const (
	// killWait bounds the wait for a killed command whose children keep its output open.
	killWait = 500 * time.Millisecond
	// maxOutput bounds what is kept of a command's output.
	maxOutput = 256 << 10
)

// run is the runner that starts processes.
func run(ctx context.Context, args []string, input string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(input)
	cmd.WaitDelay = killWait
	stdout, stderr := &limited{left: maxOutput}, &limited{left: 4 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &exit):
		return nil, &commandError{args, exit.ExitCode(), strings.TrimSpace(stderr.String())}
	case err != nil:
		return nil, err
	}
	return stdout.Bytes(), nil
}

// limited keeps the beginning of what is written.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	l.Buffer.Write(p[:n])
	return len(p), nil
}
