package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func (d *fakeDocker) ResolveManifest(ctx context.Context, t *task.Task, c *task.Container) (m task.Manifest, err error) {
	d.checkConnected(t, c)
	err = d.call(ctx, "manifest", c.RuntimeName, task.ErrCannotPullImageManifest, func() error { m.Digest = "sha256:1"; return nil })
	return m, err
}

func (d *fakeDocker) Pull(ctx context.Context, _ *task.Task, c *task.Container) (task.PullResult, error) {
	began := time.Now()
	err := d.call(ctx, "pull", c.RuntimeName, task.ErrCannotPullContainer, func() error { return nil })
	return task.PullResult{ImageID: "sha256:2", StartedAt: began, FinishedAt: time.Now()}, err
}

func (d *fakeDocker) Create(ctx context.Context, t *task.Task, c *task.Container) (res task.CreateResult, err error) {
	for emerging := true; emerging; { // the real one waits, too
		emerging = false
		err = d.call(ctx, "create", c.RuntimeName, task.ErrCannotCreateContainer, func() error {
			for _, f := range d.containers {
				if f.name == c.RuntimeName {
					res.RuntimeID, emerging = f.id, f.emerging // adopted
					return nil
				}
			}
			res.RuntimeID = d.createLocked(t, c, ctx.Err() != nil)
			return nil
		})
	}
	return res, err
}

func (d *fakeDocker) createLocked(t *task.Task, c *task.Container, abandoned bool) (id string) {
	id = fmt.Sprintf("id%06d", len(d.containers)+1) + c.RuntimeName
	f := &fakeContainer{id: id, name: c.RuntimeName, arn: t.ARN, cname: c.Name, status: task.ContainerCreated, createdAt: time.Now(), emerging: abandoned, ports: c.Ports, checked: c.DockerHealthChecked()}
	d.containers[id] = f
	d.checkTwins(t.ARN, c.Name)
	emerge := func() {
		f.emerging = false
		if d.containers[id] != nil { // else removed meanwhile
			d.emit(id, task.ActionCreate, nil)
		}
	}
	if !abandoned {
		emerge()
		return id
	}
	wait, _, _ := d.fate("emerge", c.RuntimeName)
	time.AfterFunc(10*wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		emerge()
	})
	return id
}

// checkTwins notes a second container for the same place in a task.
func (d *fakeDocker) checkTwins(arn, name string) {
	twins := 0
	for _, f := range d.containers {
		if f.arn == arn && f.cname == name {
			twins++
		}
	}
	if twins > 1 {
		d.violations = append(d.violations, fmt.Sprintf("%d containers for %s of %s", twins, name, arn))
	}
}

// checkNamespaces notes containers that run while the one that holds their namespaces is stopped, or disconnected.
func (d *fakeDocker) checkNamespaces(stopping *fakeContainer) {
	if stopping.cname != task.NamespacePauseName && stopping.cname != task.NetworkPauseName {
		return
	}
	for _, f := range d.containers {
		if f.arn == stopping.arn && f != stopping && f.status == task.ContainerRunning && f.cname != task.NamespacePauseName && f.cname != task.NetworkPauseName {
			d.violations = append(d.violations, f.name+" ran when its namespaces were taken away")
		}
	}
}

// checkPorts notes a container that starts while another one has its port of the host.
func (d *fakeDocker) checkPorts(starting *fakeContainer) {
	for _, f := range d.containers {
		if f != starting && f.status == task.ContainerRunning && slices.ContainsFunc(f.ports, func(p task.PortMapping) bool { return slices.Contains(starting.ports, p) }) {
			d.violations = append(d.violations, starting.name+" started although "+f.name+" has its port")
		}
	}
}

// checkConnected notes work on a container whose task is without the network it needs.
func (d *fakeDocker) checkConnected(t *task.Task, c *task.Container) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.NetworkMode == task.NetworkAWSVPC && !c.Internal() && (t.LocalIPAddress == "" || d.leases[t.ARN] == 0) {
		d.violations = append(d.violations, c.RuntimeName+" was worked on before its network was there")
	}
}

func (d *fakeDocker) Provision(ctx context.Context, t *task.Task, c *task.Container) (got task.Connection, err error) {
	err = d.call(ctx, "provision", c.RuntimeName, task.ErrContainerNetworking, func() error {
		f := d.containers[c.RuntimeID]
		if f == nil || f.status != task.ContainerRunning {
			return errors.New("the namespace is gone")
		}
		f.connected = true
		if d.leases[t.ARN] == 0 {
			d.leases[t.ARN] = len(d.nth) + 2
		}
		got = task.Connection{LocalIPAddress: fmt.Sprintf("169.254.172.%d", d.leases[t.ARN]), Namespace: "/proc/1/ns/net", Interface: task.ENIInterface}
		return nil
	})
	return got, err
}

func (d *fakeDocker) Disconnect(ctx context.Context, _ *task.Task, c *task.Container) error {
	return d.call(ctx, "disconnect", c.RuntimeName, task.ErrContainerNetworking, func() error {
		if f := d.containers[c.RuntimeID]; f != nil {
			d.checkNamespaces(f)
			f.connected = false
		}
		return nil
	})
}

func (d *fakeDocker) ReleaseAddress(ctx context.Context, t *task.Task) error {
	return d.call(ctx, "release", t.ARN, task.ErrContainerNetworking, func() error {
		delete(d.leases, t.ARN)
		return nil
	})
}

func (d *fakeDocker) Start(ctx context.Context, _ *task.Task, c *task.Container) (*task.ContainerState, error) {
	err := d.call(ctx, "start", c.RuntimeName, task.ErrCannotStartContainer, func() error {
		f, has := d.containers[c.RuntimeID]
		if !has || f.emerging {
			return fmt.Errorf("Error response from daemon: %w", task.ErrGone)
		}
		if f.status != task.ContainerRunning {
			d.startLocked(f)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d.Inspect(ctx, c)
}

func (d *fakeDocker) startLocked(f *fakeContainer) {
	d.checkPorts(f)
	f.status, f.startedAt, f.finishedAt = task.ContainerRunning, time.Now(), time.Time{}
	f.starts++
	f.run++
	run := f.run
	d.emit(f.id, task.ActionStart, nil)
	if f.health = task.HealthUnknown; f.checked {
		time.AfterFunc(fakeHealthAfter, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if f.run == run && f.status == task.ContainerRunning {
				f.health = task.HealthHealthy
				d.emitFor(f, task.ActionHealth, nil)
			}
		})
	}
	if life, has := d.lifetimes[f.cname]; has {
		time.AfterFunc(life.runs, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if f.run == run && f.status == task.ContainerRunning {
				d.exitLocked(f, life.code)
			}
		})
	}
}

// fakeHealthAfter is how long containers with a health check run until they are healthy.
const fakeHealthAfter = 300 * time.Millisecond

func (d *fakeDocker) exitLocked(f *fakeContainer, code int) {
	f.status, f.code, f.finishedAt = task.ContainerStopped, code, time.Now()
	f.connected = false // the kernel sees to that
	d.emit(f.id, task.ActionDie, &code)
}

func (d *fakeDocker) Stop(ctx context.Context, _ *task.Task, c *task.Container) (*task.ContainerState, error) {
	gone := false
	err := d.call(ctx, "stop", c.RuntimeName, task.ErrCannotStopContainer, func() error {
		f := d.find(c)
		if f == nil {
			gone = true
			return nil
		}
		if f.status == task.ContainerRunning {
			d.checkNamespaces(f)
			d.exitLocked(f, 143)
			d.emit(f.id, task.ActionStop, nil)
		}
		return nil
	})
	if gone {
		return nil, task.NewError(task.ErrNoSuchContainer, task.ErrGone)
	}
	if err != nil {
		return nil, err
	}
	return d.Inspect(ctx, c)
}

func (d *fakeDocker) Inspect(ctx context.Context, c *task.Container) (state *task.ContainerState, err error) {
	err = d.call(ctx, "inspect", c.RuntimeName, task.ErrCannotInspectContainer, func() error {
		f := d.find(c)
		if f == nil {
			return task.ErrGone
		}
		state = f.state()
		return nil
	})
	return state, err
}

// find gives the container by its id, or by its name while there is no id; nil when there is none.
func (d *fakeDocker) find(c *task.Container) *fakeContainer {
	for _, f := range d.containers {
		if !f.emerging && (f.id == c.RuntimeID || c.RuntimeID == "" && f.name == c.RuntimeName) {
			return f
		}
	}
	return nil
}

func (f *fakeContainer) state() *task.ContainerState {
	s := &task.ContainerState{RuntimeID: f.id, Name: f.name, Status: f.status, CreatedAt: f.createdAt, StartedAt: f.startedAt, FinishedAt: f.finishedAt,
		Labels: map[string]string{task.LabelTaskARN: f.arn, task.LabelContainerName: f.cname, task.LabelCluster: f.cluster}}
	if f.status == task.ContainerStopped {
		code := f.code
		s.ExitCode = &code
	}
	if f.checked && f.status == task.ContainerRunning {
		s.Health = &task.Health{Status: f.health, Since: time.Now()}
	}
	return s
}

func (d *fakeDocker) Remove(ctx context.Context, _ *task.Task, c *task.Container) error {
	return d.call(ctx, "remove", c.RuntimeName, task.ErrCannotRemoveContainer, func() error {
		for id, f := range d.containers {
			if f.id != c.RuntimeID && f.name != c.RuntimeName {
				continue
			}
			if f.status == task.ContainerRunning {
				d.violations = append(d.violations, "removed while running: "+f.name)
			}
			delete(d.containers, id)
			d.emitFor(f, task.ActionDestroy, nil)
		}
		return nil
	})
}
