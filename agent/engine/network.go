package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// addNetworkPause gives a task in network mode awsvpc the container that holds its network. The network is set up when that
// container runs, before the others do so much as ask for their images, and taken down when all of them have stopped.
func addNetworkPause(t *task.Task, image string) error {
	if t.NetworkMode != task.NetworkAWSVPC {
		return nil
	}
	if image == "" {
		image = task.PauseImage
	}
	steady := task.ContainerResourcesProvisioned
	pause := &task.Container{
		Name: task.NetworkPauseName, TaskARN: t.ARN, Image: image, Type: task.CNIPause, Essential: true, SteadyStatus: &steady,
	}
	if t.AppMesh != nil && image != task.PauseImage {
		user, err := proxyUser(t)
		if err != nil {
			return err
		}
		pause.DockerConfig.Config = &user
	}
	for i := range t.Containers {
		if t.Containers[i].Internal() {
			continue
		}
		c := t.Edit(i)
		c.Transitions = c.Transitions.RequireContainer(task.ContainerManifestPulled, task.ContainerRequirement{Container: pause.Name, Status: steady})
	}
	outliveOthers(t, pause)
	t.Containers = append(t.Containers, pause)
	return nil
}

// proxyUser is the raw Docker config that makes the pause container run as the App Mesh proxy does: a pause image of one's
// own may do something, and what the proxy's user sends is not redirected.
func proxyUser(t *task.Task) (string, error) {
	proxy, found := t.Container(t.AppMesh.ContainerName)
	if !found || proxy.DockerConfig.Config == nil {
		return "", errors.New("user needs to be specified for proxy container")
	}
	var config struct{ User string }
	if err := json.Unmarshal([]byte(*proxy.DockerConfig.Config), &config); err != nil {
		return "", fmt.Errorf("unable to decode given docker config: %w", err)
	}
	if config.User == "" {
		return "", errors.New("user needs to be specified for proxy container")
	}
	text, err := json.Marshal(config)
	return string(text), err
}

// networkPause finds the container that holds the task's network; nil for tasks without one.
func networkPause(t *task.Task) *task.Container {
	if t.NetworkMode != task.NetworkAWSVPC {
		return nil
	}
	at := slices.IndexFunc(t.Containers, func(c *task.Container) bool { return c.Type == task.CNIPause })
	if at < 0 {
		return nil
	}
	return t.Containers[at]
}

// disconnectRetry is the pause before the network of a stopped task is let go of again.
const disconnectRetry = 30 * time.Second

// disconnects reports whether the network of a task that has stopped is yet to be let go of: what is left of it in the
// namespace, if the stop of the pause container did not see to that, and its local address. The name of the task's interface
// is there from before the set-up until that is done.
func disconnects(t *task.Task) bool {
	return t.Known.Terminal() && t.DefaultNetworkInterface != "" && !t.Engine.Disconnected && networkPause(t) != nil
}

// provisioned takes in that the network of the task is there, or cannot be.
func (w *work) provisioned(i int, e StepDone) {
	if w.t.Containers[i].Known == task.ContainerStopped {
		return
	}
	if e.Err != nil {
		w.fail(i, named(task.ErrContainerNetworking, e.Err))
		w.wantStopped(i)
		return
	}
	w.t.LocalIPAddress, w.t.NetworkNamespace, w.t.DefaultNetworkInterface = e.Connection.LocalIPAddress, e.Connection.Namespace, e.Connection.Interface
	w.saveTask = true
	w.advance(i, task.ContainerResourcesProvisioned)
}

// tornDown notes that nothing of the task's is left in the namespace that container i holds.
func (w *work) tornDown(i int) {
	if !w.t.Containers[i].NetworkTornDown {
		w.edit(i).NetworkTornDown = true
	}
}

// Disconnected is the end of the step that lets go of a stopped task's network.
type Disconnected struct {
	// TornDown: nothing is left in the namespace. Released: the local address was given back.
	TornDown, Released bool
}

func (e Disconnected) apply(w *work) {
	w.t.Engine.Disconnecting = false
	if e.TornDown {
		w.tornDown(w.t.Index(networkPause(w.t).Name))
	}
	if !e.Released {
		w.t.Engine.RetryDisconnectAt = w.now.Add(disconnectRetry)
		return
	}
	w.t.Engine.Disconnected = true
	w.t.LocalIPAddress, w.t.DefaultNetworkInterface = "", ""
	w.saveTask = true
}

// tearDown disconnects the network that the container holds, unless that was done before, and reports whether nothing of it
// is left. A failure keeps nobody from stopping the container: the kernel takes down what ends with the namespace.
func (e *Engine) tearDown(ctx context.Context, t *task.Task, c *task.Container) bool {
	if c.Type != task.CNIPause || c.NetworkTornDown || c.Known < task.ContainerRunning {
		return c.NetworkTornDown
	}
	err := e.runtime.Disconnect(ctx, t, c)
	if err != nil && ctx.Err() == nil {
		logger.Error("Unable to cleanup pause container network namespace", logger.F("taskARN", t.ARN), logger.Err(err))
	}
	return err == nil
}

// disconnect lets go of a stopped task's network. An address that cannot be released is tried again until the task is
// cleaned up.
func (e *Engine) disconnect(ctx context.Context, t *task.Task) Event {
	done := Disconnected{TornDown: e.tearDown(ctx, t, networkPause(t))}
	done.Released = e.releaseAddress(ctx, t)
	if ended(ctx) {
		return nil // the next run of the agent does it again
	}
	return done
}

// releaseAddress gives back a stopped task's local address and reports whether it has none any more.
func (e *Engine) releaseAddress(ctx context.Context, t *task.Task) bool {
	if e.sharesInterface(t) {
		return true // the interface is that of another task by now, and so is the address
	}
	err := e.runtime.ReleaseAddress(ctx, t)
	if err != nil && ctx.Err() == nil {
		logger.Error("Failed to release ip; IPAM error", logger.F("taskARN", t.ARN), logger.Err(err))
	}
	return err == nil
}

// OwnsInterface reports whether a task may still use what was set up for the interface with that MAC address. While a task
// runs whose interfaces are not known, as its record was lost, every answer is yes.
func (e *Engine) OwnsInterface(mac string) bool {
	return slices.ContainsFunc(e.Tasks(), func(t *task.Task) bool {
		if t.Known.Terminal() && t.DefaultNetworkInterface == "" {
			return false
		}
		lost := len(t.ENIs) == 0 && slices.ContainsFunc(t.Containers, func(c *task.Container) bool { return c.Name == task.NetworkPauseName })
		return lost || slices.ContainsFunc(t.ENIs, func(e task.ENI) bool { return strings.EqualFold(e.MAC, mac) })
	})
}

// sharesInterface reports whether a task that goes on has an interface of t.
func (e *Engine) sharesInterface(t *task.Task) bool {
	return slices.ContainsFunc(e.Tasks(), func(other *task.Task) bool {
		return other.ARN != t.ARN && !other.Known.Terminal() && slices.ContainsFunc(other.ENIs, func(theirs task.ENI) bool {
			return slices.ContainsFunc(t.ENIs, func(ours task.ENI) bool { return strings.EqualFold(ours.MAC, theirs.MAC) })
		})
	})
}
