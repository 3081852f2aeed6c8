//go:build integration

package cgroup

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// hostTree is the tree of this host, as Docker uses it.
func hostTree(t *testing.T) *Tree {
	t.Helper()
	info, err := dockertest.SDK(t).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return &Tree{Mount: "/sys/fs/cgroup", Unified: err == nil, Systemd: info.CgroupDriver == "systemd", Contained: true}
}

// dir is the directory of a task's cgroup, of v1 that of a controller.
func (t *Tree) dir(controller, root string) string {
	switch {
	case isSlice(root) && t.Unified:
		return slicePath(t.Mount, root)
	case isSlice(root):
		return slicePath(filepath.Join(t.Mount, controller), root)
	case t.Unified:
		return filepath.Join(t.Mount, root)
	}
	return filepath.Join(t.Mount, controller, root)
}

func TestTheKernelLimitsATask(t *testing.T) {
	tree := hostTree(t)
	if err := tree.Setup(t.Context(), true); err != nil {
		t.Skipf("this host's cgroups cannot be used: %v", err)
	}
	docker, image := dockertest.SDK(t), dockertest.Image(t)
	id := dockertest.Name("limits")
	owner := &task.Task{ARN: "arn:aws:ecs:us-west-2:123456789012:task/demo/" + id, CPU: 0.5, Memory: 64}
	k := &Craft{Tree: tree, Enabled: true, Period: 50 * time.Millisecond, Pids: 77}
	resources, err := k.Plan(owner)
	if err != nil {
		t.Fatal(err)
	}
	root, _ := owner.CgroupParent(tree.Systemd)
	t.Cleanup(func() { _ = tree.Remove(context.WithoutCancel(t.Context()), root) })

	// Docker makes the cgroup of a container that does not wait for it, without limits.
	early, err := docker.ContainerCreate(t.Context(), &container.Config{Image: image}, &container.HostConfig{Resources: container.Resources{CgroupParent: root}}, nil, nil, id)
	if err != nil {
		t.Fatal(err)
	}
	remove := func() error {
		return docker.ContainerRemove(context.WithoutCancel(t.Context()), early.ID, container.RemoveOptions{Force: true})
	}
	t.Cleanup(func() { _ = remove() })
	if err := docker.ContainerStart(t.Context(), early.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := k.Create(t.Context(), owner, &resources[0]); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"cpu/cpu.cfs_period_us": "50000", "cpu/cpu.cfs_quota_us": "25000", "memory/memory.limit_in_bytes": "67108864", "pids/pids.max": "77"}
	if tree.Unified {
		want = map[string]string{"cpu/cpu.max": "25000 50000", "memory/memory.max": "67108864", "pids/pids.max": "77"}
	}
	for file, value := range want {
		controller, name := filepath.Split(file)
		text, err := os.ReadFile(filepath.Join(tree.dir(controller, root), name))
		if got := strings.TrimSpace(string(text)); err != nil || got != value {
			t.Errorf("%s: %q, %v; want %s", file, got, err, value)
		}
	}
	if below, err := filepath.Glob(tree.dir("memory", root) + "/*" + early.ID + "*"); len(below) != 1 {
		t.Errorf("the container is not below its task: %v, %v", below, err)
	}

	if err := remove(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := k.Remove(t.Context(), owner, &resources[0]); err != nil {
			t.Fatal(err)
		}
	}
	for _, place := range []string{root, "*" + root, "ecstasks.slice/" + root, "*/ecstasks.slice/" + root} {
		if left, err := filepath.Glob(tree.Mount + "/" + place); len(left) > 0 || err != nil {
			t.Errorf("%v is left, %v", left, err)
		}
	}
}
