package network

import (
	"bytes"
	"context"
	"os/exec"
	"time"
)

// pipeLimit is how long the output of a program that has ended may stay open: something it started still holds it.
const pipeLimit = time.Second

// maxOutput bounds what is kept of a program's output.
const maxOutput = 1 << 20

// run runs a program to its end, or to that of ctx.
func run(ctx context.Context, stdin []byte, env []string, path string, args ...string) (stdout, stderr []byte, err error) {
	var out, complaints limited
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = bytes.NewReader(stdin), &out, &complaints, env
	cmd.WaitDelay = pipeLimit
	err = runTied(cmd)
	return out.Bytes(), complaints.Bytes(), err
}

// limited is a buffer that keeps the beginning of what is written.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := maxOutput - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}
