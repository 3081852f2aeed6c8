package clients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

// localECS is the built program.
var localECS string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "clients")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	localECS = filepath.Join(dir, "local-ecs")
	build := exec.Command("go", "build", "-C", "../..", "-o", localECS, "./misc/local-ecs")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build local-ecs:", err)
		return 1
	}
	return m.Run()
}

// startControl starts local-ecs for one test, with more flags if need be.
func startControl(t *testing.T, flags ...string) *rig.Control {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := rig.StartControl(ctx, rig.ControlOptions{Binary: localECS, Dir: t.TempDir(), Cluster: "default", Faults: true, Args: flags})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	return c
}
