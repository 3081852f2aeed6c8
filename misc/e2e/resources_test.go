//go:build e2e

package e2e

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/docker/dockertest"
	"github.com/aws/amazon-ecs-agent/misc/e2e/rig"
)

const routerImage = "amazon/ecs-example-log-router:latest"

// newRoutersHost is a host for tasks with log routers: their image, and a directory with a short path.
func newRoutersHost(t *testing.T, flags ...string) *host {
	h := newHost(t, flags...)
	present, err := docker.HasImage(h.ctx(), routerImage)
	h.must(err)
	h.must(run(h.ctx(), "misc/example-log-router/build.sh", routerImage))
	dir, err := os.MkdirTemp("", "e2e-")
	h.must(err)
	t.Cleanup(func() {
		if !present {
			_ = docker.RemoveAll(context.Background(), h.part())
			_ = docker.RemoveImage(context.Background(), routerImage)
		}
		os.RemoveAll(dir)
	})
	h.env = map[string]string{"ECS_DATADIR": dir + "/data", "ECS_HOST_DATA_DIR": dir, "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION": "1s", "ECS_TASK_PIDS_LIMIT": "100"}
	h.must(os.Mkdir(dir+"/data", 0o755))
	return h
}

// everyResource is a task with limits, volumes of its own and a log router. Its family is unique to the host.
func (h *host) everyResource() definition {
	main := container("main", "serve")
	main["mountPoints"] = []any{map[string]any{"sourceVolume": "empty", "containerPath": "/empty"}, map[string]any{"sourceVolume": "named", "containerPath": "/named"}}
	main["logConfiguration"] = map[string]any{"logDriver": "awsfirelens", "options": map[string]any{"Name": "stdout"}}
	router := container("router")
	delete(router, "command")
	router["image"], router["user"], router["firelensConfiguration"] = routerImage, "0", map[string]any{"type": "fluentbit"}
	return definition{"family": h.Cluster, "networkMode": "bridge", "cpu": "128", "memory": "64", "containerDefinitions": []any{main, router}, "volumes": []any{
		map[string]any{"name": "empty", "host": map[string]any{}},
		map[string]any{"name": "named", "dockerVolumeConfiguration": map[string]any{"scope": "task", "driver": "local", "labels": map[string]any{"e2e": h.Cluster}}},
	}}
}

// cgroups are those of a task, wherever they may be.
func (h *host) cgroups(id string) (found []string) {
	h.t.Helper()
	for _, place := range []string{"ecs/" + id, "*/ecs/" + id, "ecstasks.slice/ecstasks-" + id + ".slice", "*/ecstasks.slice/ecstasks-" + id + ".slice"} {
		dirs, err := filepath.Glob("/sys/fs/cgroup/" + place)
		h.must(err)
		found = append(found, dirs...)
	}
	return found
}

// left is what is there of a task, apart from containers: volumes, cgroups, directories and mounts.
func (h *host) left(ids ...string) (all []string) {
	h.t.Helper()
	volumes, err := docker.Volumes(h.ctx(), "ecs-"+h.Cluster)
	h.must(err)
	all = append(all, volumes...)
	dirs, err := filepath.Glob(h.env["ECS_DATADIR"] + "/firelens")
	h.must(err)
	all = append(all, dirs...)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	h.must(err)
	for _, id := range ids {
		all = append(all, h.cgroups(id)...)
		for line := range strings.Lines(string(mounts)) {
			if strings.Contains(line, id) {
				all = append(all, "mount "+line)
			}
		}
	}
	return all
}

func TestLogsOfATaskGoThroughItsRouter(t *testing.T) {
	h := newRoutersHost(t)
	h.start()
	arn := h.runTask(h.register(h.everyResource()))
	h.await("RUNNING", arn)
	router := h.containers(arn)["router"].ID
	var logs string
	h.poll("a line of the container in the router's log", func() (bool, error) {
		text, err := dockerCommand(h.ctx(), "logs", router)
		logs = text
		return strings.Contains(text, "main-firelens-"), err
	})
	if !strings.Contains(logs, `"ecs_task_arn":"`+arn+`"`) || !strings.Contains(logs, `"ecs_task_definition":"`+h.Cluster+`:1"`) {
		t.Errorf("the router's log does not name the task: %s", logs)
	}
	h.must(h.Stop(h.ctx(), arn, "enough"))
	h.await("STOPPED", arn)
	h.nothingLeft(arn)
}

// Secrets in log options are the router's alone.
func TestSecretsOfLogOptionsReachTheRouterAlone(t *testing.T) {
	h := newRoutersHost(t, "--aws-data", awsData(t, nil, ""))
	h.env["AWS_ENDPOINT_URL"], h.env["ECS_LOGLEVEL"], h.env["ECS_ENABLE_CONTAINER_METADATA"] = h.Endpoint, "debug", "true"
	h.start()
	d := h.everyResource()
	d["executionRoleArn"] = executionRole
	main := d["containerDefinitions"].([]any)[0].(map[string]any)
	main["logConfiguration"] = map[string]any{"logDriver": "awsfirelens", "options": map[string]any{"Name": "stdout"}, "secretOptions": []any{
		map[string]string{"name": "apikey", "valueFrom": "/db/password"},
		map[string]string{"name": "user", "valueFrom": secretPrefix + "db-AbCdEf:user::"},
	}}
	arn := h.runTask(h.register(d))
	h.await("RUNNING", arn)
	containers := h.containers(arn)
	router, sender := h.inDocker(containers["router"].ID), h.inDocker(containers["main"].ID)
	for _, want := range []string{"apikey_0=" + canary + "-parameter", "user_0=" + canary + "-user"} {
		if !strings.Contains(router, want) {
			t.Errorf("the router lacks %s:\n%s", want, router)
		}
	}
	h.hides("the container whose logs are routed", []byte(sender))
	config, err := os.ReadFile(h.env["ECS_DATADIR"] + "/firelens/" + arn[strings.LastIndexByte(arn, '/')+1:] + "/config/fluent.conf")
	h.must(err)
	if !strings.Contains(string(config), "apikey ${apikey_0}") {
		t.Errorf("the configuration lacks the option:\n%s", config)
	}
	h.filesHideSecrets()
	h.answersHideSecrets(router)
	h.must(h.Stop(h.ctx(), arn, "enough"))
	h.await("STOPPED", arn)
	h.nothingLeft(arn)
	h.terminate()
	h.filesHideSecrets()
}

// An instance that keeps no state is named in logs, too.
func TestLogsNameTheInstanceWithoutState(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	h := newRoutersHost(t, "--imds", address)
	h.env["ECS_CHECKPOINT"], h.env["ECS_EXTERNAL"], h.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "false", "", "http://"+address
	h.start()
	arn := h.runTask(h.register(h.everyResource()))
	h.await("RUNNING", arn)
	h.poll("a line that names the instance in the router's log", func() (bool, error) {
		text, err := dockerCommand(h.ctx(), "logs", h.containers(arn)["router"].ID)
		return strings.Contains(text, `"ec2_instance_id":"i-`), err
	})
	h.must(h.Stop(h.ctx(), arn, "enough"))
	h.await("STOPPED", arn)
	h.nothingLeft(arn)
}

// nothingLeft waits until the agent has cleaned up after stopped tasks.
func (h *host) nothingLeft(arns ...string) {
	h.t.Helper()
	var ids []string
	for _, arn := range arns {
		ids = append(ids, arn[strings.LastIndexByte(arn, '/')+1:])
	}
	h.poll("containers to be removed", func() (bool, error) {
		list, err := docker.Containers(h.ctx(), h.part())
		return len(list) == 0, err
	})
	h.poll("the agent to forget the tasks", func() (bool, error) {
		known, err := rig.Tasks(h.ctx())
		return err == nil && len(known) == 0, err
	})
	if left := h.left(ids...); len(left) > 0 {
		h.t.Errorf("the agent has forgotten the tasks, but there is %q", left)
	}
}

// An agent that is killed while it fetches a registry's password and a router's own configuration begins anew.
func TestKilledWhileRegistryAndRouterAreFetchedFor(t *testing.T) {
	registry := dockertest.StartRegistry(t, true)
	h := newRoutersHost(t, "--aws-data", awsData(t, registry, dockertest.Password))
	h.env["AWS_ENDPOINT_URL"] = h.Endpoint
	h.start()
	d := h.everyResource()
	d["executionRoleArn"] = executionRole
	private := container("private", "wait")
	private["image"] = registry.Push(t, dockertest.Name("private")+":1")
	dockertest.RemoveImage(t, private["image"].(string))
	private["repositoryCredentials"] = map[string]string{"credentialsParameter": secretPrefix + "registry-AbCdEf"}
	containers := append(d["containerDefinitions"].([]any), private)
	d["containerDefinitions"] = containers
	containers[1].(map[string]any)["firelensConfiguration"] = map[string]any{"type": "fluentbit",
		"options": map[string]string{"config-file-type": "s3", "config-file-value": "arn:aws:s3:::bucket/router.conf"}}
	_, err := h.Spoil(h.ctx(), rig.Fault{"operation": "Get*", "action": "delay", "delayMs": 60_000})
	h.must(err)
	name := h.register(d)
	runs, stopped := h.runTask(name), h.runTask(name)
	h.poll("the calls to be under way", func() (bool, error) {
		c := h.calls()
		return c["GetObject"] >= 2 && c["GetSecretValue"] >= 2, nil
	})
	h.agent.Kill()
	h.must(h.Stop(h.ctx(), stopped, "meanwhile"))
	h.must(h.Heal(h.ctx()))
	h.start()
	h.checkContainers(h.await("RUNNING", runs)[0])
	h.await("STOPPED", stopped)
	h.must(h.Stop(h.ctx(), runs, "enough"))
	h.await("STOPPED", runs)
	h.nothingLeft(runs, stopped)
}

// TestKilledWhileResourcesAreMade kills the agent at random moments of the start of tasks. Each task comes up with all it
// needs, once, and leaves nothing.
func TestKilledWhileResourcesAreMade(t *testing.T) {
	h := newRoutersHost(t)
	h.start()
	d := h.register(h.everyResource())
	var arns []string
	for range 4 {
		arns = append(arns, h.runWhenConnected(d))
		h.crashAfter(time.Duration(rand.IntN(250)) * time.Millisecond)
		h.start()
	}
	stoppedEarly := h.runWhenConnected(d)
	h.crashAfter(time.Duration(rand.IntN(150)) * time.Millisecond)
	h.must(h.Stop(h.ctx(), stoppedEarly, "while the agent was away"))
	h.start()
	for _, task := range h.await("RUNNING", arns...) {
		h.checkContainers(task)
		for _, dir := range h.cgroups(task.ID()) {
			limit, err := os.ReadFile(filepath.Join(dir, "pids.max"))
			if err == nil && strings.TrimSpace(string(limit)) != "100" {
				t.Errorf("%s/pids.max is %s", dir, limit)
			}
		}
	}
	volumes, err := docker.Volumes(h.ctx(), "ecs-"+h.Cluster)
	h.must(err)
	if len(volumes) > 2*(len(arns)+1) {
		t.Errorf("%d volumes for %d tasks with two each: %q", len(volumes), len(arns)+1, volumes)
	}
	for _, arn := range arns {
		h.must(h.Stop(h.ctx(), arn, "enough"))
	}
	arns = append(arns, stoppedEarly)
	h.crashAfter(time.Duration(rand.IntN(400)) * time.Millisecond) // while they are stopped, or cleaned up
	h.start()
	h.await("STOPPED", arns...)
	h.nothingLeft(arns...)
	h.noRegressions()
}
